"""An exact solution of Burgers' equation with several shocks."""

import numpy as np

from tests.pde.states import TAU

NU = 0.02
# Where the heat kernels of φ are, and the logarithms of their weights by 1/ν, which
# place the shocks between them; and the speed of all, and the kernels' age at t = 0.
CENTRES = np.array([0.4, 2.1, 2.9, 4.6])
WEIGHTS = np.array([0.0, 0.1, -0.05, 0.2])
SPEED, AGE = 0.3, 1.0


def exact(x, time, nu=NU):
    """Solves uₜ + u uₓ = ν uₓₓ on a circle of length 2π, by Cole and Hopf.

    u = c - 2ν φₓ/φ, in a frame that moves with c, and φ a sum of heat kernels
    exp(w/ν - (x - xₖ)²/(4νt)), of which the largest alone matters but in a shock: so
    u = c + (x - xₖ)/t between shocks. Shares of φ from logarithms don't overflow.
    """
    age = AGE + time
    around = TAU * np.arange(-3, 4)[:, None]
    away = (x - SPEED * time)[:, None, None] - (CENTRES + around)
    logarithms = (WEIGHTS - away**2 / (4 * age)) / nu
    share = np.exp(logarithms - logarithms.max((1, 2), keepdims=True))
    return SPEED + (share * away).sum((1, 2)) / share.sum((1, 2)) / age

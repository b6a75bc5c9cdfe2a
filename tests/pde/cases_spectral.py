"""The cases of systems that are solved by Fourier's method."""

import functools

import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.models import coefficients, expansions
from hyco_jax.pde import kuramoto_sivashinsky
from tests.pde import states
from tests.pde.cases import Balance, Case, Rest

VALUES = {"advection": 0.9, "antidiffusion": 0.3, "hyperdiffusion": 0.04}


def kuramoto_sivashinsky_case(is_field):
    # Odd, so that there is no wave that is its own mirror image.
    domain = Domain((9,), (3.0,))
    values = dict(VALUES)
    if is_field:
        rng = np.random.default_rng(0)
        values["antidiffusion"] = 0.3 * rng.uniform(0.8, 1.2, domain.resolution)
    rough = states.uniform(domain, 1)
    learnable = {
        name: coefficients.scalar(value, (0.0, 2.0)) for name, value in VALUES.items()
    }
    if is_field:
        learnable["antidiffusion"] = expansions.fourier(domain, 1, 0.3, 0, (0.0, 2.0))
    return Case(
        functools.partial(kuramoto_sivashinsky.make_step, upper={}, substeps=2),
        domain,
        0.1,
        values,
        states.waves(domain, 1),
        rough,
        (learnable,),
        far=1.0,
        num_steps=5,
        rest=Rest(values, np.full((9, 1), 3.0), 1e-13),
        # A field feeds the mean where it and the curvature go together.
        balance=None if is_field else Balance(values, rough, 0, 1e-14),
    )

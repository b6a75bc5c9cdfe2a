"""Smooth states and coefficients of every system, the same on all grids.

Nothing in them is special: coefficients and forces vary, every component of a velocity
moves every other one, and where there are walls the flow goes along them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities
from hyco_jax.pde import (
    advection,
    burgers,
    gray_scott,
    heat,
    inviscid_burgers,
    kolmogorov,
    smoke,
)
from hyco_jax.types import PdeStep
from tests.pde import states
from tests.pde.states import TAU


class Setup(NamedTuple):
    """A step, its coefficients, a state `(*S, C)` and what that consists of."""

    step: PdeStep
    values: Mapping[str, Any]
    u: np.ndarray
    quantities: Quantities


def box(ndim, num_cells, periodic=True):
    """A cube of sides 2π."""
    return Domain((num_cells,) * ndim, (TAU,) * ndim, periodic)


def waves(x, num_components):
    """Some waves at positions `(*S, D)`, of values between -1 and 1."""
    ndim = x.shape[-1]
    return np.stack(
        [
            0.5
            * np.sin(x[..., c % ndim] + 0.3 * c)
            * np.cos(x[..., (c + 1) % ndim] + c)
            + 0.3 * np.cos(x.sum(-1) + c)
            + 0.2
            for c in range(num_components)
        ],
        -1,
    )


def at_faces(domain, vector):
    """Every component of `vector(x)` at the lower faces along its own axis."""
    positions = [np.stack(states.faces(domain, a), -1) for a in range(domain.ndim)]
    return np.stack([vector(x)[..., a] for a, x in enumerate(positions)], -1)


def burgers_setup(domain, dt, scheme, max_speed, viscosity=0.05):
    """Burgers' equation; the viscosity is the largest one, four times the least."""
    step = burgers.make_step(
        domain, dt, {"viscosity": viscosity}, scheme=scheme, max_speed=max_speed
    )
    x = domain.coordinates()
    nu = viscosity * (1 + 3 * np.prod(np.sin(x / 2) ** 2, -1)) / 4
    u, quantities = waves(x, domain.ndim), burgers.quantities(domain)
    return Setup(step, {"viscosity": nu}, u, quantities)


def inviscid_setup(domain, dt, scheme, max_speed):
    """Inviscid Burgers in a potential."""
    step = inviscid_burgers.make_step(domain, dt, {}, scheme, max_speed)
    values = {"potential": inviscid_burgers.sine_potential(domain, 0.2)}
    u = waves(domain.coordinates(), domain.ndim)
    return Setup(step, values, u, inviscid_burgers.quantities(domain))


def advection_setup(domain, dt, scheme, max_speed):
    """Advection by a velocity with divergence."""
    step = advection.make_step(domain, dt, {}, scheme, max_speed)
    x = domain.coordinates()
    density = waves(x, 1) + 0.3 * np.cos(x[..., :1])
    u = np.concatenate([density, waves(x + 0.7, domain.ndim)], -1)
    values = {"factor": 0.8, "modulation": 0.2 * waves(x + 1.0, domain.ndim)}
    return Setup(step, values, u, advection.quantities(domain))


def heat_setup(domain, dt):
    """Heat in a conductivity that varies by a factor of four, 0 on walls."""
    x = domain.coordinates()
    kappa = (1 + 3 * np.prod(np.sin(x / 2) ** 2, -1)) / 4
    u = waves(x, 1)
    if not domain.periodic:
        u *= np.prod(np.sin(x / 2), -1, keepdims=True)
    step = heat.make_step(domain, dt, {"conductivity": 1.0})
    return Setup(step, {"conductivity": kappa}, u, heat.quantities(domain))


def gray_scott_setup(domain, dt):
    """A reaction of rates that vary."""
    wave = waves(domain.coordinates(), 2)
    u = np.array([0.6, 0.25]) + np.array([0.2, -0.15]) * wave
    values = dict(gray_scott.TRUE_VALUES)
    values |= {
        name: values[name] * (1 + 0.2 * wave[..., 0]) for name in ("feed", "kill")
    }
    upper = {"diffusivity_u": 1.0, "diffusivity_v": 1.0, "feed": 0.1, "kill": 0.1}
    step = gray_scott.make_step(domain, dt, upper)
    return Setup(step, values, u, gray_scott.quantities(domain))


def kolmogorov_setup(domain, dt, scheme, max_speed, viscosity=0.05):
    """Driven flow, by a force with a part that the pressure takes."""
    step = kolmogorov.make_step(
        domain, dt, {"viscosity": viscosity}, scheme=scheme, max_speed=max_speed
    )
    ndim = domain.ndim
    u = states.without_divergence(domain, at_faces(domain, lambda x: waves(x, ndim)))
    forcing = at_faces(domain, lambda x: 0.5 * waves(x[..., ::-1] + 1.0, ndim))
    values = {"viscosity": viscosity, "forcing": forcing}
    return Setup(step, values, u, kolmogorov.quantities(domain))


def smoke_setup(domain, dt, scheme, max_speed, viscosity=0.05):
    """A cloud and an inflow in a swirl that doesn't slip on the walls."""
    step = smoke.make_step(
        domain, dt, {"viscosity": viscosity}, scheme=scheme, max_speed=max_speed
    )
    x, up = domain.coordinates(), domain.ndim - 1

    def swirl(x):
        # The curl of Π sin²(x/2): that and its gradient vanish on all walls.
        sides = np.sin(x / 2) ** 2
        u = np.zeros(x.shape)
        others = np.prod(sides[..., 1:up], -1)
        u[..., 0] = others * sides[..., 0] * np.sin(x[..., up]) / 2
        u[..., up] = -others * sides[..., up] * np.sin(x[..., 0]) / 2
        return u

    def bump(at):
        return np.exp(-np.sum((x - at) ** 2, -1, keepdims=True))

    velocity = states.without_divergence(domain, at_faces(domain, swirl))
    source = bump(np.array([2.5] * up + [1.5]))
    u = np.concatenate([np.sqrt(bump(3.0)), velocity, source], -1)
    values = {
        "viscosity": viscosity,
        "buoyancy": 0.7 + 0.2 * np.cos(x[..., 0] / 2),
        "inflow_rate": 0.3,
    }
    return Setup(step, values, u, smoke.quantities(domain))

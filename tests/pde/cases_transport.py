"""The cases of advection, Burgers' equation, and Burgers' without viscosity."""

import functools

import jax.numpy as jnp
import numpy as np

from hyco_jax.grids import fields
from hyco_jax.grids.fields import flow
from hyco_jax.models import coefficients, expansions
from hyco_jax.pde import advection, burgers, inviscid_burgers
from tests.pde import states
from tests.pde.cases import (
    RESOLUTIONS,
    Balance,
    Case,
    Gauge,
    Kept,
    Phiflow,
    Rest,
    reflected,
    second_order,
    translated,
)


def by_phiflow(domain, dt, u, velocity):
    """PhiFlow's semi-Lagrangian step of a centred state."""
    moved = flow.advect.semi_lagrangian(
        fields.to_field(u, domain), fields.to_field(velocity, domain), dt
    )
    return fields.to_array(moved)


def moved_and_reflected(domain, vectors, component, values, u):
    """Values and state moved, and mirrored along the first axis.

    Args:
        domain: The grid.
        vectors: Names of the values that have components.
        component: The channel of the velocity along that axis.
        values, u: Of a case.
    """
    values = {
        n: reflected(translated(domain, v), 0 if n in vectors else None)
        for n, v in values.items()
    }
    return values, reflected(translated(domain, u), component)


def advection_case(ndim, scheme=None):
    domain = states.box(RESOLUTIONS[ndim])
    dt, shape = states.shift_cell(domain), (*domain.resolution, ndim)
    wave = np.prod(np.sin(states.phase(domain) + 0.3), -1, keepdims=True)
    # 0.4 to 0.6 of a cell along each axis.
    speed = (0.5 + 0.1 * np.cos(states.phase(domain))[..., ::-1]) * domain.dx / dt
    rough = states.uniform(domain, 1 + ndim)
    flat = np.concatenate([np.full_like(wave, 0.7), rough[..., 1:]], -1)
    same = np.concatenate([rough[..., :1], np.full(shape, (0.7, -0.9, 0.5)[:ndim])], -1)
    # In a step of up to 2/3 + 1/3 of the shortest cell.
    modulation = states.uniform(domain, ndim, seed=1) / 3
    values = {"factor": 2 / 3, "modulation": modulation}

    def phiflows(values, u):
        velocity = values["factor"] * u[..., 1:] + values["modulation"]
        density = by_phiflow(domain, dt, u[..., :1], velocity)
        return jnp.concatenate([density, u[..., 1:]], -1)

    factor = coefficients.scalar(1.0, (0.5, 1.4))
    field = coefficients.field(0.01, shape)
    fourier = expansions.fourier(domain, 1, num_components=ndim)
    case = Case(
        functools.partial(advection.make_step, upper={}),
        domain,
        dt,
        values,
        np.concatenate([wave, speed], -1),
        rough,
        tuple({"factor": factor, "modulation": m} for m in (field, fourier)),
        # A gradient of 1e-4 beside a loss of 10, which is rounded.
        rtol=1e-5,
        u_rtol=1e-7,
        rest=Rest(values, flat, 1e-14),
        balance=Balance({"factor": 1.0, "modulation": 0 * modulation}, same, 0, 1e-13),
        phiflow=Phiflow(phiflows, values, ("u", *values), 1e-12),
    )
    if scheme is None:
        return case
    symmetry = functools.partial(moved_and_reflected, domain, ("modulation",), 1)
    return second_order(case, scheme, max_speed=1.2, symmetry=symmetry)


def burgers_case(ndim, scheme=None):
    domain = states.box(RESOLUTIONS[ndim])
    dt, upper = states.shift_cell(domain), 0.2
    nu = np.random.default_rng(0).uniform(0.02, upper, domain.resolution)
    nu = 0.1 if ndim == 1 else nu
    shape = (*domain.resolution, ndim)
    guess = coefficients.scalar if ndim == 1 else coefficients.field
    options = ((0.0, upper),) if ndim == 1 else (domain.resolution, (0.0, upper))
    case = Case(
        functools.partial(burgers.make_step, upper={"viscosity": upper}),
        domain,
        dt,
        {"viscosity": nu},
        # The mean flow keeps every displacement positive, and below a cell.
        0.5 + 0.3 * states.waves(domain, ndim),
        states.uniform(domain, ndim),
        ({"viscosity": guess(0.1, *options)},),
        num_steps=50,
        u_rtol=1e-7,
        rest=Rest(
            {"viscosity": nu}, np.broadcast_to((0.7, -0.3, 0.4)[:ndim], shape), 1e-14
        ),
        # At |u| = 1e-9 the advection changes the integral by 1e-18 only.
        balance=Balance(
            {"viscosity": nu}, 1e-9 * states.uniform(domain, ndim), 0, 1e-16
        ),
        phiflow=Phiflow(
            lambda values, u: by_phiflow(domain, dt, u, u),
            {"viscosity": 0 * nu},
            ("u",),
            1e-13,
        ),
    )
    if scheme is None:
        return case
    return second_order(
        case,
        scheme,
        max_speed=1.0,
        # A gradient of 1e-3 beside a loss of 10, which is rounded.
        rtol=1e-5,
        kept=Kept(slice(None), 0) if ndim == 1 else None,
        symmetry=functools.partial(moved_and_reflected, domain, (), 0),
    )


def inviscid_case(ndim, scheme=None):
    domain = states.box(RESOLUTIONS[ndim])
    dt = states.shift_cell(domain)
    potential = 0.1 * np.random.default_rng(0).normal(size=domain.resolution)
    values, calm = {"potential": potential}, {"potential": 0 * potential}
    shape = (*domain.resolution, ndim)

    def phiflows(values, u):
        slope = states.gradient(domain, values["potential"])
        return by_phiflow(domain, dt, u, u) - dt * slope

    case = Case(
        functools.partial(inviscid_burgers.make_step, upper={}),
        domain,
        dt,
        values,
        # 0.4 to 0.6 of the shortest cell, all forward.
        (0.5 + 0.1 * np.cos(states.phase(domain))[..., ::-1]) * min(domain.dx) / dt,
        states.uniform(domain, ndim),
        (
            {"potential": coefficients.field(0.0, domain.resolution, zero_mean=True)},
            {"potential": expansions.fourier(domain, 1, zero_mean=True)},
        ),
        rest=Rest(calm, np.broadcast_to((0.7, -0.3, 0.4)[:ndim], shape), 1e-14),
        balance=Balance(values, np.zeros(shape), 0, 1e-15 * np.prod(shape)),
        neutral=calm,
        # The sum with 5 is rounded to 1e-15, times dt/dx of about 1.
        gauge=Gauge("potential", np.full(domain.resolution, 5.0), 1e-14),
        phiflow=Phiflow(phiflows, values, ("u", "potential"), 1e-13),
    )
    if scheme is None:
        return case
    return second_order(
        case,
        scheme,
        max_speed=1.0,
        # Differences vanish nowhere, along no axis.
        u=0.5 + 0.3 * states.waves(domain, ndim),
        kept=Kept(slice(None), 0) if ndim == 1 else None,
        symmetry=functools.partial(moved_and_reflected, domain, (), 0),
    )

"""The cases of the heat equation and of Gray-Scott."""

import functools

import numpy as np

from hyco_jax.models import coefficients, expansions
from hyco_jax.pde import gray_scott, heat
from tests.pde import states
from tests.pde.cases import RESOLUTIONS, Balance, Case, Rest

UPPER = {"diffusivity_u": 1.0, "diffusivity_v": 1.0, "feed": 0.1, "kill": 0.1}


def heat_case(is_field, periodic, form="divergence"):
    domain = states.box(RESOLUTIONS[2], periodic)
    shape, upper = domain.resolution, 2.0
    kappa = np.random.default_rng(0).uniform(0.2, 1.0, shape) if is_field else 0.7
    rough = np.random.default_rng(0).normal(size=(*shape, 1))
    scalar = coefficients.scalar(0.5, (0.0, upper))
    field = coefficients.field(0.5, shape, (0.0, upper))
    centers = [[1.0, 1.2], [2.2, 0.7]]
    bumps = expansions.gaussian_bumps(
        domain, [1.5, 1.0], centers, 0.8, 0.1, (0.0, upper)
    )
    is_kept = periodic and form == "divergence"
    return Case(
        functools.partial(heat.make_step, upper={"conductivity": upper}, form=form),
        domain,
        0.02,
        {"conductivity": kappa},
        rough,
        rough,
        tuple({"conductivity": k} for k in ((field, bumps) if is_field else (scalar,))),
        rest=Rest({"conductivity": kappa}, np.full((*shape, 1), 3.0), 1e-13)
        if periodic
        else None,
        # 42 cells of values of order 1.
        balance=Balance({"conductivity": kappa}, rough, 0, 1e-13) if is_kept else None,
    )


def ring(domain):
    """Returns a smooth state that is far from equilibrium, with 0 < u, v < 1."""
    wave = np.mean(np.cos(states.phase(domain) + 0.3), -1)
    return np.stack([0.6 + 0.2 * wave, 0.25 - 0.15 * wave], -1)


def gray_scott_case(ndim):
    domain = states.box(RESOLUTIONS[ndim])
    u = ring(domain)
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.8, 1.2, (2, *domain.resolution)) if ndim == 2 else (1.0, 1.0)
    values = dict(gray_scott.TRUE_VALUES)
    values |= {"feed": values["feed"] * rate[0], "kill": values["kill"] * rate[1]}
    diffusivities = {
        "diffusivity_u": coefficients.scalar(0.3, (0.0, 1.0)),
        "diffusivity_v": coefficients.scalar(0.1, (0.0, 1.0)),
    }
    rates = {
        "feed": coefficients.scalar(0.02, (0.0, 0.1)),
        "kill": coefficients.scalar(0.05, (0.0, 0.1)),
    }
    if ndim == 2:
        rates["feed"] = coefficients.field(0.02, domain.resolution, (0.0, 0.1))
        rates["kill"] = expansions.fourier(domain, 1, 0.05, bounds=(0.0, 0.1))
    return Case(
        functools.partial(gray_scott.make_step, upper=UPPER),
        domain,
        2.0,
        values,
        u,
        u[::-1],
        (diffusivities | rates,),
        # Nothing is advected, and the reaction is stable up to 1.
        far=1.0,
        num_steps=5,
        # Twenty transforms there and back.
        rest=Rest(values, np.broadcast_to((1.0, 0.0), u.shape), 1e-14),
    )

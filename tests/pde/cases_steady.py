"""The cases of steady equations, whose single step leads to the solution."""

import functools

import numpy as np

from hyco_jax.models import coefficients, expansions
from hyco_jax.pde import darcy, elliptic, helmholtz
from tests.pde import states
from tests.pde.cases import RESOLUTIONS, Case, Rest


def steady_case(module, names, learnable, symmetry=None):
    domain = elliptic.node_domain(RESOLUTIONS[2], (3.0, 2.0))
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(0.5, 2.0, domain.resolution) for name in names}
    rough = states.uniform(domain, 1)
    step = module.make_step(domain, 1.0, {})
    return Case(
        functools.partial(module.make_step, upper={}),
        domain,
        1.0,
        values,
        rough,
        rough,
        tuple(learnable(domain)),
        num_steps=1,
        rest=Rest(values, np.asarray(step(values, rough)), 1e-14),
        symmetry=symmetry,
    )


def helmholtz_case():
    def learnable(domain):
        bumps = expansions.gaussian_bumps(
            domain, [1.5], [[1.4, 1.3]], 1.0, 1.0, (0.0, 10.0), fit_width=False
        )
        field = coefficients.field(1.0, domain.resolution, (0.0, 10.0))
        yield {"diffusivity": bumps, "screening": bumps}
        yield {"diffusivity": field, "screening": field}

    return steady_case(helmholtz, helmholtz.COEFFICIENTS, learnable)


def mirrored(values, u):
    """The mirror image along x."""
    return {name: value[::-1] for name, value in values.items()}, u[::-1]


def darcy_case():
    def learnable(domain):
        amplitudes = np.random.default_rng(1).normal(size=(2, 2))
        sines = expansions.positive_sines(domain, 0.6, amplitudes, 5.0, (1e-3, 100.0))
        yield {"permeability": sines}

    return steady_case(darcy, darcy.COEFFICIENTS, learnable, mirrored)

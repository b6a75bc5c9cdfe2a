"""The heat equation with an unknown conductivity: from config to physical system.

python -m experiments.heat --config=configs/heat.py [--workdir=DIR]
"""

import numpy as np

from experiments import _rules, hyco, problem
from hyco_jax.grids.domain import Domain
from hyco_jax.pde import heat

RULES = {
    "pde.boundary": _rules.choice("dirichlet", "periodic"),
    "pde.form": _rules.choice(*heat.FORMS),
    "pde.substeps": _rules.integer(0),
    "pde.conductivity": _rules.choice("two_bumps", "constant"),
    "pde.conductivity_value": _rules.POSITIVE,
    "data.initial": _rules.choice("random", "two_gaussians"),
}


def make_problem(config) -> problem.Problem:
    """Makes the physical system of a config, as `configs/heat.py` makes it.

    Raises:
        ValueError: If a value is not allowed.
    """

    def make_step(domain, dt, upper):
        form, substeps = config.pde.form, config.pde.substeps or None
        return heat.make_step(domain, dt, upper, form, substeps)

    def sample_u0(key, domain, num_samples):
        scale, amplitude = config.data.scale, config.data.amplitude
        u0 = heat.sample_u0(key, domain, num_samples, scale, amplitude)
        if config.data.initial == "random":
            return u0
        # The published test has one initial state; the others are for validation.
        return u0.at[0].set(heat.two_gaussians_u0(domain))

    return problem.make_problem(
        config,
        rules=RULES,
        roles=heat.COEFFICIENTS,
        quantities=heat.quantities,
        make_step=make_step,
        sample_u0=sample_u0,
        true_values=lambda domain: {"conductivity": true_conductivity(config, domain)},
        periodic=config.pde.boundary == "periodic",
    )


def true_conductivity(config, domain: Domain) -> np.ndarray | float:
    """The conductivity that the data are made with, `()` or `(*S,)`, length²/time."""
    if config.pde.conductivity == "constant":
        return config.pde.conductivity_value
    return heat.two_bumps_conductivity(domain)


if __name__ == "__main__":
    hyco.main(make_problem)

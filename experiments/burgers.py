"""Burgers' equation with an unknown viscosity: from config to physical system.

python -m experiments.burgers --config=configs/burgers.py [--workdir=DIR]
"""

import numpy as np

from experiments import _rules, hyco, problem
from hyco_jax.grids.domain import Domain
from hyco_jax.pde import burgers

RULES = {
    "pde.substeps": _rules.integer(0),
    "pde.viscosity": _rules.choice("sine_squared", "constant"),
    "pde.viscosity_scale": _rules.NOT_NEGATIVE,
    "pde.viscosity_offset": _rules.NOT_NEGATIVE,
}


def make_problem(config) -> problem.Problem:
    """Makes the physical system of a config, as `configs/burgers.py` makes it.

    Raises:
        ValueError: If a value is not allowed.
    """

    def make_step(domain, dt, upper):
        return burgers.make_step(domain, dt, upper, config.pde.substeps or None)

    def sample_u0(key, domain, num_samples):
        scale, amplitude = config.data.scale, config.data.amplitude
        return burgers.sample_u0(key, domain, num_samples, scale, amplitude)

    return problem.make_problem(
        config,
        rules=RULES,
        roles=burgers.COEFFICIENTS,
        quantities=burgers.quantities,
        make_step=make_step,
        sample_u0=sample_u0,
        true_values=lambda domain: {"viscosity": true_viscosity(config, domain)},
    )


def true_viscosity(config, domain: Domain) -> np.ndarray:
    """The viscosity that the data are made with, shape `(*S,)`, length²/time."""
    scale, offset = config.pde.viscosity_scale, config.pde.viscosity_offset
    if config.pde.viscosity == "constant":
        return np.full(domain.resolution, scale + offset)
    return burgers.sine_squared_viscosity(domain, scale, offset)


if __name__ == "__main__":
    hyco.main(make_problem)

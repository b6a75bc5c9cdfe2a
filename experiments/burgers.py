"""Burgers' equation with an unknown viscosity: from config to physical system.

python -m experiments.burgers --config=configs/burgers.py [--workdir=DIR]
"""

import jax
import jax.numpy as jnp
import numpy as np

from experiments import _check, _hyco, _main
from experiments._problem import Problem
from hyco_jax import data, losses
from hyco_jax.domain import Domain
from hyco_jax.pde import burgers

RULES = {
    "pde.substeps": _check.integer(0),
    "pde.viscosity": _check.choice("sine_squared", "constant"),
    "pde.viscosity_scale": _check.NOT_NEGATIVE,
    "pde.viscosity_offset": _check.NOT_NEGATIVE,
    "physical.learnable": _check.subset("viscosity"),
    "physical.coefficient": _check.choice("field", "scalar"),
    "physical.guess": _check.POSITIVE,
    "physical.bounds": _check.BOUNDS,
}


def make_problem(config) -> Problem:
    """Makes the physical system of a config.

    Args:
        config: As `configs/burgers.py` makes it.

    Returns:
        The problem.

    Raises:
        ValueError: If a value is not allowed.
    """
    _check.check(config, RULES)
    domain = Domain(config.pde.resolution, config.pde.extent)
    bounds, guess = config.physical.bounds, config.physical.guess
    if not bounds[0] < guess < bounds[1]:
        _check.fail(
            "physical.guess", guess, f"a number inside physical.bounds={bounds}"
        )
    model = burgers.make_burgers(
        domain,
        config.pde.dt,
        guess,
        bounds,
        config.physical.coefficient == "field",
        config.pde.substeps or None,
    )

    def sample_u0(key, num_samples, grid=domain):
        return data.sample_u0(
            key, grid, num_samples, config.data.scale, config.data.amplitude
        )

    def simulate(key):
        factor = config.data.refine
        fine = domain.refined(factor)
        viscosity = true_viscosity(config, fine)
        step = burgers.make_step(fine, config.pde.dt / factor, float(viscosity.max()))
        u0 = sample_u0(key, config.data.num_sims, fine)
        return data.simulate(
            step, jnp.asarray(viscosity, u0.dtype), u0, config.data.num_steps, factor
        )

    def coefficients(params):
        return {"viscosity": burgers.viscosity(params, bounds)}

    def penalty(params):
        viscosity = burgers.viscosity(params, bounds)
        return config.physical.h1_weight * losses.h1_penalty(viscosity, domain.dx)

    return Problem(
        domain,
        model,
        simulate,
        sample_u0,
        jax.jit(coefficients),
        {"viscosity": true_viscosity(config, domain)},
        penalty if config.physical.h1_weight else None,
    )


def true_viscosity(config, domain: Domain) -> np.ndarray:
    """The viscosity that the data are made with, shape `(*S,)`, length²/time."""
    scale, offset = config.pde.viscosity_scale, config.pde.viscosity_offset
    if config.pde.viscosity == "constant":
        return np.full(domain.resolution, scale + offset)
    return burgers.sine_squared_viscosity(domain, scale, offset)


def load(workdir: str) -> _hyco.Pair:
    """Loads both models of a run with their parameters, ready to step.

        physical, synthetic = burgers.load("runs/burgers-default-0123abcd")
        u = physical.step(physical.params, u)

    Args:
        workdir: Where the run is kept.

    Returns:
        The physical and the synthetic model, each with `step` and `params`.
    """
    return _hyco.load(workdir, make_problem)


if __name__ == "__main__":
    _main.main(lambda config, workdir: _hyco.run(config, make_problem, workdir))

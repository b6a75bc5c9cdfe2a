"""Advection by a velocity that is known in part: from config to physical system.

python -m experiments.advection --config=configs/advection.py [--workdir=DIR]
"""

from experiments import _rules, hyco, problem
from hyco_jax.pde import advection

RULES = {
    "pde.factor": _rules.POSITIVE,
    "pde.swirl_strength": _rules.NUMBER,
    "pde.modulation_strength": _rules.NUMBER,
    "pde.modulation_width": _rules.POSITIVE,
    "pde.num_lobes": _rules.integer(0),
}


def make_problem(config) -> problem.Problem:
    """Makes the physical system of a config, as `configs/advection.py` makes it.

    Raises:
        ValueError: If a value is not allowed.
    """

    def sample_u0(key, domain, num_samples):
        scale, amplitude = config.data.scale, config.data.amplitude
        swirl = advection.swirl_velocity(domain, config.pde.swirl_strength)
        return advection.sample_u0(key, domain, num_samples, scale, amplitude, swirl)

    def true_values(domain):
        modulation = advection.ring_modulation(
            domain,
            config.pde.modulation_strength,
            width=config.pde.modulation_width,
            num_lobes=config.pde.num_lobes,
        )
        return {"factor": config.pde.factor, "modulation": modulation}

    return problem.make_problem(
        config,
        rules=RULES,
        roles=advection.COEFFICIENTS,
        quantities=advection.quantities,
        make_step=advection.make_step,
        sample_u0=sample_u0,
        true_values=true_values,
    )


if __name__ == "__main__":
    hyco.main(make_problem)

"""Inviscid Burgers with an unknown potential: from config to physical system.

python -m experiments.inviscid_burgers --config=configs/inviscid_burgers.py
"""

from experiments import _rules, hyco, problem
from hyco_jax.pde import inviscid_burgers

RULES = {
    "pde.potential_scale": _rules.NUMBER,
    "data.smoothness": _rules.NOT_NEGATIVE,
}


def make_problem(config) -> problem.Problem:
    """Makes the physical system of a config, as `configs/inviscid_burgers.py` does.

    Raises:
        ValueError: If a value is not allowed.
    """

    def sample_u0(key, domain, num_samples):
        data = config.data
        return inviscid_burgers.sample_u0(
            key, domain, num_samples, data.scale, data.amplitude, data.smoothness
        )

    def true_values(domain):
        scale = config.pde.potential_scale
        return {"potential": inviscid_burgers.sine_potential(domain, scale)}

    return problem.make_problem(
        config,
        rules=RULES,
        roles=inviscid_burgers.COEFFICIENTS,
        quantities=inviscid_burgers.quantities,
        make_step=inviscid_burgers.make_step,
        sample_u0=sample_u0,
        true_values=true_values,
    )


if __name__ == "__main__":
    hyco.main(make_problem)

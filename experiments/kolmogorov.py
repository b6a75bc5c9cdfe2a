"""Kolmogorov flow with an unknown force: from config to physical system.

python -m experiments.kolmogorov --config=configs/kolmogorov.py [--workdir=DIR]
"""

from experiments import _rules, hyco, problem
from hyco_jax.pde import kolmogorov

RULES = {
    "pde.substeps": _rules.integer(0),
    "pde.viscosity": _rules.POSITIVE,
    "pde.forcing_strength": _rules.NUMBER,
    "pde.wave_number": _rules.integer(1),
    "data.mean_flow": _rules.NUMBER,
}


def make_problem(config) -> problem.Problem:
    """Makes the physical system of a config, as `configs/kolmogorov.py` makes it.

    Raises:
        ValueError: If a value is not allowed.
    """

    def forcing(domain):
        strength, wave_number = config.pde.forcing_strength, config.pde.wave_number
        return kolmogorov.sine_forcing(domain, strength, wave_number)

    def make_step(domain, dt, upper):
        return kolmogorov.make_step(domain, dt, upper, config.pde.substeps or None)

    def sample_u0(key, domain, num_samples):
        scale, amplitude = config.data.scale, config.data.amplitude
        mean_flow = config.data.mean_flow * forcing(domain)
        return kolmogorov.sample_u0(
            key, domain, num_samples, scale, amplitude, mean_flow
        )

    return problem.make_problem(
        config,
        rules=RULES,
        roles=kolmogorov.COEFFICIENTS,
        quantities=kolmogorov.quantities,
        make_step=make_step,
        sample_u0=sample_u0,
        true_values=lambda domain: {
            "viscosity": config.pde.viscosity,
            "forcing": forcing(domain),
        },
        diagnostics=kolmogorov.diagnostics,
        limits={"divergence": kolmogorov.MAX_DIVERGENCE},
    )


if __name__ == "__main__":
    hyco.main(make_problem)

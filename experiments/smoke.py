"""Buoyant smoke with unknown coefficients: from config to physical system.

python -m experiments.smoke --config=configs/smoke.py [--workdir=DIR]
"""

from experiments import _rules, hyco, problem
from hyco_jax.pde import smoke

RULES = {
    "pde.has_inflow": _rules.FLAG,
    "pde.substeps": _rules.integer(0),
    "pde.viscosity": _rules.NOT_NEGATIVE,
    "pde.buoyancy": _rules.NUMBER,
    "pde.buoyancy_variation": _rules.NUMBER,
    "pde.inflow_rate": _rules.NOT_NEGATIVE,
}


def make_problem(config) -> problem.Problem:
    """Makes the physical system of a config, as `configs/smoke.py` makes it.

    Raises:
        ValueError: If a value is not allowed.
    """
    has_inflow = config.pde.has_inflow
    used = [n for n in smoke.COEFFICIENTS if has_inflow or n != "inflow_rate"]

    def make_step(domain, dt, upper):
        substeps = config.pde.substeps or None
        step = smoke.make_step(domain, dt, upper, substeps, has_inflow)
        return lambda values, u: step({name: values[name] for name in used}, u)

    def sample_u0(key, domain, num_samples):
        scale, amplitude = config.data.scale, config.data.amplitude
        return smoke.sample_u0(key, domain, num_samples, scale, amplitude, has_inflow)

    def true_values(domain):
        buoyancy, variation = config.pde.buoyancy, config.pde.buoyancy_variation
        if variation:
            buoyancy = smoke.sine_buoyancy(domain, variation, buoyancy)
        return {
            "viscosity": config.pde.viscosity,
            "buoyancy": buoyancy,
            "inflow_rate": config.pde.inflow_rate,
        }

    return problem.make_problem(
        config,
        rules=RULES,
        roles=smoke.COEFFICIENTS,
        quantities=lambda domain: smoke.quantities(domain, has_inflow),
        make_step=make_step,
        sample_u0=sample_u0,
        true_values=true_values,
        periodic=False,
        diagnostics=smoke.diagnostics,
        limits={"divergence": smoke.MAX_DIVERGENCE},
    )


if __name__ == "__main__":
    hyco.main(make_problem)

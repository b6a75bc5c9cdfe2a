"""The automatic weight of smoothness penalties beside the best of a scan.

    python -m experiments.smoothness [--only burgers heat:field kolmogorov] [--seeds 0]

Fits the physical model alone with eight weights, each ten times the one before, and
with the weight that adapts, and prints the errors of the coefficients, which no choice
reads.
"""

import argparse
import importlib
import time

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax import fitting, pde
from hyco_jax.config import experiment, schema
from hyco_jax.models.physical import WEIGHTS
from hyco_jax.scoring import metrics
from hyco_jax.scoring.table import format_number

CASES = {
    "burgers": "viscosity",
    "heat:field": "conductivity",
    "kolmogorov": "forcing",
    "kolmogorov:full": "forcing",
}
NUM_WEIGHTS = 8


def main():
    """Prints a table for each case and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--roughness", default="h1")
    options = parser.parse_args()
    for case in options.only:
        for seed in options.seeds:
            _scan(case, seed, options.roughness)


def _scan(case, seed, roughness):
    fit, given = _make_fit(case, seed, {"smoothness": "given", "roughness": roughness})
    centre = 10.0 ** round(np.log10(given))
    errors = {}
    for weight in centre * 10.0 ** (np.arange(NUM_WEIGHTS) - 4):
        errors[weight], *_ = fit(weight)
        print(f"  {weight:.0e}  {format_number(errors[weight])}", flush=True)
    fit, _ = _make_fit(case, seed, {"smoothness": "auto", "roughness": roughness})
    error, found, seconds = fit(None)
    best = min(errors, key=errors.get)
    print(
        f"{case} {CASES[case]} seed {seed}: auto {format_number(error)} (weight "
        f"{found:.1e}, {seconds:.0f} s), best of {NUM_WEIGHTS} "
        f"{format_number(errors[best])} (weight {best:.0e}), ratio "
        f"{error / errors[best]:.2f}",
        flush=True,
    )


def _make_fit(case, seed, changes):
    """A function of a weight, and the weight of the config."""
    system, _, variant = case.partition(":")
    module, name = pde.find(system), CASES[case]
    config = importlib.import_module(f"configs.{system}")
    config = config.get_config(variant or "default")
    settings = schema.from_dict(experiment.template(module), config)
    given = settings.coefficients[name].smoothness_weight
    if changes["smoothness"] == "auto":
        changes = {**changes, "smoothness_weight": 0.0}
    changes = {"seed": seed, "mode": "physical", "coefficients": {name: changes}}
    settings = schema.from_dict(settings, changes)
    problem = module.make_problem(settings.pde, settings.data)
    data = experiment.make_data(settings, module, problem)
    prepared = fitting.prepare(problem, data, settings)
    (stage,), models = prepared.plan.stages, prepared.models
    truth = problem.true_values(problem.physics_domain)[name]

    def fit(weight):
        state = prepared.plan.init_state()
        if weight is not None:
            side = state.physical
            weights = {name: jnp.asarray(weight, jnp.float32)}
            constants = {**side.train.constants, WEIGHTS: weights}
            side = side.replace(train=side.train.replace(constants=constants))
            state = state.replace(physical=side)
        start = time.perf_counter()
        for call in stage.calls:
            state, _ = call.run(state, prepared.plan.real)
        found = models.physical.values(state.physical.train.variables)[name]
        seconds = time.perf_counter() - start
        error = float(metrics.relative_error(found, truth))
        weights = jax.device_get(state.physical.train.constants[WEIGHTS])
        return error, float(weights[name]), seconds

    return fit, given


if __name__ == "__main__":
    main()

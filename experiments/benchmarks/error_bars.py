"""What the ± of coefficients costs beside the fit itself.

    python -m experiments.benchmarks.error_bars [--only kuramoto_sivashinsky heat:field]

Fits the physical model alone, and then computes the ± of the noise and that of the
grid, each with its compilation and nothing in a cache. Printed are seconds of clock.
"""

import argparse
import dataclasses
import time

import numpy as np
from jax.flatten_util import ravel_pytree

import hyco_jax
from experiments.benchmarks import memory
from hyco_jax import error_bars, fitting, pde
from hyco_jax.config import experiment, schema

# Numbers, expansions and fields.
CASES = (
    "kuramoto_sivashinsky",
    "advection",
    "heat:spectral",
    "gray_scott",
    "heat",
    "burgers",
    "heat:field",
    "kolmogorov",
)


def main():
    """Prints a row for each config."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=CASES, help="system:variant")
    options = parser.parse_args()
    print("| config | parameters | fit, s | noise, s | grid, s |")
    print("| --- | --: | --: | --: | --: |", flush=True)
    for config in options.only:
        print(_row(config), flush=True)


def _row(config: str) -> str:
    problem, data, settings = _read(config)
    without = hyco_jax.UncertaintySettings(noise=False, grid=False)
    result = hyco_jax.fit(
        problem, data, dataclasses.replace(settings, uncertainty=without)
    )
    prepared = fitting.prepare(problem, data, settings)
    times = [time.perf_counter()]
    result, inverses = error_bars.with_noise(result, prepared, settings)
    times.append(time.perf_counter())
    error_bars.with_grid(result, prepared, settings, inverses)
    times.append(time.perf_counter())
    noise, grid = np.diff(times)
    learned = prepared.models.physical.learned
    params = result.trained["physical_alone"].params
    count = ravel_pytree([params[name] for name in learned])[0].size
    fit = result.rows["physical_alone"]["seconds"]
    return f"| {config} | {count} | {fit:.1f} | {noise:.1f} | {grid:.1f} |"


def _read(config):
    settings, problem = memory.read(config if ":" in config else f"{config}:default")
    settings = schema.from_dict(settings, {"mode": "physical"})
    module = pde.find(settings.experiment_name)
    return problem, experiment.make_data(settings, module, problem), settings


if __name__ == "__main__":
    main()

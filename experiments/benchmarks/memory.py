"""How much memory the full-size variants need: their compiled hybrid cycles say it.

    python -m experiments.benchmarks.memory [--only=burgers:128,smoke:128] [--limit=10]

Compiles the last program of each variant's hybrid stage, whose horizons are the
longest, and prints what XLA sets aside for it: temporary buffers, and arguments (the
state and the data). Nothing is simulated or run: the data are noise of their shapes,
since only shapes and the observed region count. Exits with 1 if the temporary buffers
of a variant exceed the limit.

Without LLVM's optimisations programs compile in a third of the time; buffers are
assigned before, and the figures printed are the same.

No accelerator is needed: the CPU backend's analysis stands for the device's. The two
differ in fusion and layout, and the CPU's convolutions hold three shifts of a layer's
input where a GPU's hold a workspace; the states and activations that a gradient keeps
are the same.
"""

import argparse
import importlib
import sys
import time
from concurrent import futures
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax import stages
from hyco_jax.config import experiment, schema
from hyco_jax.config.experiment import Experiment
from hyco_jax.data import observations, simulation
from hyco_jax.data.observations import Observations
from hyco_jax.problem import Problem

VARIANTS = (
    "burgers:128",
    "heat:published",
    "advection:128",
    "inviscid_burgers:2d",
    "smoke:128",
    "smoke:128_field",
    "kolmogorov:256",
    "gray_scott:published",
)


# Of code that is never run.
_QUICKLY = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}


class Memory(NamedTuple):
    """What a compiled cycle sets aside, in GiB, and the seconds to compile it."""

    temporaries: float
    arguments: float
    seconds: float


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; returns 1 if a variant exceeds the limit."""
    options = _parse(arguments)
    print("| variant | temporaries, GiB | arguments, GiB | to compile, s |")
    print("| --- | --: | --: | --: |", flush=True)
    exceeded = []
    # Python traces one program while XLA compiles those before it.
    with futures.ThreadPoolExecutor(2) as pool:
        compiled = [pool.submit(measure, lower(*read(name))) for name in options.only]
        for name, future in zip(options.only, compiled, strict=True):
            memory = future.result()
            row = " | ".join(f"{value:.3g}" for value in memory)
            print(f"| {name} | {row} |", flush=True)
            if memory.temporaries > options.limit:
                exceeded.append(name)
    if exceeded:
        print(f"more than {options.limit:g} GiB: {', '.join(exceeded)}")
    return int(bool(exceeded))


def read(name: str) -> tuple[Experiment, Problem]:
    """Reads one of `VARIANTS`."""
    system, variant = name.split(":")
    module = importlib.import_module(f"hyco_jax.pde.{system}")
    config = importlib.import_module(f"configs.{system}").get_config(variant)
    settings = schema.from_dict(experiment.template(module), config)
    return settings, module.make_problem(settings.pde, settings.data)


def lower(settings: Experiment, problem: Problem) -> jax.stages.Lowered:
    """Traces the last program of an experiment's hybrid stage.

    Args:
        settings: Of the experiment, whose mode is "hybrid".
        problem: Its problem.
    """
    data = placeholder(problem, settings)
    models = stages.make_models(problem, settings, data)
    plan = stages.make_plan(problem, data, settings, models)
    call = plan.stages[-1].calls[-1]
    return call.run.lower(jax.eval_shape(plan.init_state), plan.real)


def measure(lowered: jax.stages.Lowered) -> Memory:
    """Compiles a program; nothing is run."""
    started = time.perf_counter()
    compiled = lowered.compile(compiler_options=_QUICKLY)
    seconds = time.perf_counter() - started
    analysis = compiled.memory_analysis()
    return Memory(
        analysis.temp_size_in_bytes / 2**30,
        analysis.argument_size_in_bytes / 2**30,
        seconds,
    )


def placeholder(problem: Problem, settings: Experiment) -> Observations:
    """Noise, observed as the training simulations are."""
    options, domain = settings.data, problem.domain
    num_sims = len(options.train_sim)
    shape = (num_sims, options.num_steps + 1, *domain.resolution, problem.num_channels)
    states = np.random.default_rng(0).standard_normal(shape, np.float32)
    observed = simulation.observe(
        jax.random.key(0),
        jnp.asarray(states),
        simulation.observed_region(domain, options.region),
        options.every,
        quantities=problem.quantities,
        predicted=problem.predicted,
    )
    train = tuple(range(num_sims))
    return observations.check(Observations(observed, train), domain, problem.quantities)


def _parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(VARIANTS), help="of these")
    parser.add_argument("--limit", type=float, default=10.0, help="of temporaries, GiB")
    options = parser.parse_args(arguments)
    options.only = [name for name in options.only.split(",") if name]
    unknown = sorted(set(options.only) - set(VARIANTS))
    if unknown:
        parser.error(f"--only has {unknown}, not among {list(VARIANTS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())

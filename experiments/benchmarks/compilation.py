"""How long a config's programs take to compile, and what that costs their cycles.

    python -m experiments.benchmarks.compilation [--config=burgers:2d] [--repeats=5]

Each program of the config is traced and lowered once, compiled with XLA's options by
default and with those of `hyco_jax.calls`, and called in turn with both, from the state
before the first cycle and on noise of the data's shapes. Printed are the seconds of
processor to compile, and the fastest of the calls.
"""

import argparse
import time

import jax

from experiments.benchmarks import memory
from hyco_jax import calls, stages


def main(arguments: list[str] | None = None):
    """Prints a row for each program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="burgers:default", help="system:variant")
    parser.add_argument("--repeats", type=int, default=5, help="calls of each program")
    options = parser.parse_args(arguments)
    settings, problem = memory.read(options.config)
    data = memory.placeholder(problem, settings)
    models = stages.make_models(problem, settings, data)
    plan = stages.make_plan(problem, data, settings, models)
    print(
        "| program | trace, s | compile, s | by default, s | call, s | by default, s |"
    )
    print("| --- | --: | --: | --: | --: | --: |", flush=True)
    for call in dict.fromkeys(call for stage in plan.stages for call in stage.calls):
        print(_row(call, plan, options.repeats), flush=True)


def _row(call, plan, repeats) -> str:
    # The options of the call itself would take part in both.
    program = jax.jit(call.run.__wrapped__, donate_argnums=0)
    state = jax.eval_shape(plan.init_state)
    trace, lowered = _processor_seconds(lambda: program.lower(state, plan.real))
    settings = calls.compiler_options(), None
    made = [_processor_seconds(lambda o=o: lowered.compile(o)) for o in settings]
    fastest = [float("inf")] * 2
    for _ in range(repeats):
        for i, (_, compiled) in enumerate(made):
            state = jax.block_until_ready(plan.init_state())
            started = time.perf_counter()
            jax.block_until_ready(compiled(state, plan.real))
            fastest[i] = min(fastest[i], time.perf_counter() - started)
    ours, by_default = (seconds for seconds, _ in made)
    return (
        f"| {call.run.__name__} | {trace:.1f} | {ours:.1f} | {by_default:.1f} "
        f"| {fastest[0]:.3g} | {fastest[1]:.3g} |"
    )


def _processor_seconds(function):
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


if __name__ == "__main__":
    main()

"""What a run would train, how much memory it needs and when it would end.

Every program of the run is compiled and makes one call; nothing is saved.
"""

import collections
import datetime
import functools
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from hyco_jax import fitting
from hyco_jax.data.observations import Observations
from hyco_jax.problem import Problem
from hyco_jax.running import checkpoints, loop
from hyco_jax.running.loop import Call, Stage
from hyco_jax.settings import Settings


class Program(NamedTuple):
    """One of the jitted programs of a stage.

    Attributes:
        name: Kind of its cycles and horizon of the synthetic model's real windows.
        num_cycles: How many cycles a call makes.
        calls_left: How often the run still calls it.
        trace_seconds: To trace and lower it.
        compile_seconds: For XLA to compile it; little if it was kept from before.
        call_seconds: Of one call from the state before the first cycle.
        memory: Bytes of its arguments, results and temporary buffers, by the
            compiler's own analysis; None where the backend has none.
    """

    name: str
    num_cycles: int
    calls_left: int
    trace_seconds: float
    compile_seconds: float
    call_seconds: float
    memory: int | None


def dry_run(
    problem: Problem,
    data: Observations,
    settings: Settings,
    workdir: str | Path | None = None,
) -> str:
    """Says what a fit would do, after one call of each of its programs.

    Args:
        problem: The physical system.
        data: What was observed.
        settings: Of the fit.
        workdir: Of the run: cycles that it made are not counted. It is not written to.

    Returns:
        The text: the data, both models, windows, programs, and when it would end.

    Raises:
        ValueError: If problem, data and settings don't fit each other.
    """
    prepared = fitting.prepare(problem, data, settings)
    plan = prepared.plan
    left = {stage.name: _calls_left(stage, workdir) for stage in plan.stages}
    calls = [call for calls in left.values() for call in calls]
    to_compile, state = _timed(lambda: jax.block_until_ready(plan.init_state()))
    counts = collections.Counter(calls)
    programs = [_measure(call, count, plan) for call, count in counts.items()]
    evaluate = fitting.make_evaluation(prepared, settings)
    to_evaluate = 0.0
    for stage, own in left.items():
        if own:
            score = functools.partial(evaluate, stage, state)
            first, again = _timed(score)[0], _timed(score)[0]
            count = sum(call.num_cycles for call in own) / settings.eval_every
            to_compile += first - again
            to_evaluate += again * math.ceil(count)
    lines = [str(prepared.data), "", *_describe_models(plan, settings, state), ""]
    if not calls:
        return "\n".join([*lines, "Nothing is left to train."])
    lines += [*_table(programs), "", *_estimate(programs, to_compile, to_evaluate)]
    return "\n".join(lines)


def _calls_left(stage: Stage, workdir) -> Sequence[Call]:
    """The calls after the newest checkpoint of a stage."""
    saved = []
    if workdir is not None:
        saved = checkpoints.cycles(Path(workdir) / "checkpoints" / stage.name)
    return loop.calls_after(stage, saved[-1] if saved else 0, workdir)


def _measure(call: Call, calls_left: int, plan) -> Program:
    """Compiles a program and calls it once."""
    state = plan.init_state()
    trace_seconds, lowered = _timed(lambda: call.run.lower(state, plan.real))
    compile_seconds, compiled = _timed(lowered.compile)
    call_seconds, _ = _timed(lambda: jax.block_until_ready(compiled(state, plan.real)))
    return Program(
        call.run.__name__,
        call.num_cycles,
        calls_left,
        trace_seconds,
        compile_seconds,
        call_seconds,
        _bytes(compiled.memory_analysis()),
    )


def _bytes(analysis) -> int | None:
    if analysis is None:
        return None
    return (
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        - analysis.alias_size_in_bytes
        + analysis.temp_size_in_bytes
    )


def _windows(plan, settings, state) -> dict[str, list[Any]]:
    """The shapes of what each model is trained on in the last cycle."""
    key = jax.random.key(0)
    names = {"physical": "synthetic", "synthetic": "physical"}
    result = {}
    for name, partner in names.items():
        if settings.mode not in ("hybrid", name):
            continue
        generated = None
        if settings.mode == "hybrid":
            variables = getattr(state, partner).train.variables
            generate = plan.players[partner].generate
            generated = jax.eval_shape(generate, variables, plan.real, key)
        augment = plan.players[name].augment
        result[name] = jax.eval_shape(augment, plan.real, generated, 1.0)
    return result


def _describe_models(plan, settings, state) -> list[str]:
    lines = []
    for name, parts in _windows(plan, settings, state).items():
        params = getattr(state, name).train.params
        sizes = {part: _size(value) for part, value in params.items()}
        detail = ""
        if name == "physical":
            detail = ": " + ", ".join(f"{part} {n:,}" for part, n in sizes.items())
        lines.append(f"{name} model: {sum(sizes.values()):,} parameters{detail}")
        lines += [
            f"  {'generated' if i else 'real'}: {_describe_part(part)}"
            for i, part in enumerate(parts)
        ]
    return lines


def _size(tree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _table(programs: Sequence[Program]) -> list[str]:
    header = ("program", "calls", "trace, s", "compile, s", "s/cycle", "memory, MiB")
    rows = [header, *map(_row, programs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [
                cell.rjust(width)
                for cell, width in zip(row[1:], widths[1:], strict=True)
            ]
        )
        for row in rows
    ]


def _estimate(programs, to_compile, to_evaluate) -> list[str]:
    to_compile += sum(p.trace_seconds + p.compile_seconds for p in programs)
    to_train = sum(p.calls_left * p.call_seconds for p in programs)
    total = to_compile + to_train + to_evaluate
    end = datetime.datetime.now() + datetime.timedelta(seconds=total)
    return [
        f"Estimate: {_duration(total)}, of which {_duration(to_compile)} to compile, "
        f"{_duration(to_train)} to train and {_duration(to_evaluate)} to evaluate; "
        "saving, and the scores and figures at the end, come on top.",
        f"Started now, it would end about {end:%H:%M on %A}. Nothing was written.",
    ]


def _describe_part(part) -> str:
    query = getattr(part, "query", None)
    if query is not None and query.points is not None:
        return f"{part.count:,} x {query.points.shape[1]:,} point(s)"
    horizon = part.horizon if query is None else query.horizon
    return f"{part.count:,} window(s) of {horizon} step(s)"


def _row(program: Program) -> tuple[str, ...]:
    memory = "unknown" if program.memory is None else f"{program.memory / 2**20:.3g}"
    return (
        program.name,
        str(program.calls_left),
        f"{program.trace_seconds:.1f}",
        f"{program.compile_seconds:.1f}",
        f"{program.call_seconds / program.num_cycles:.3g}",
        memory,
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _timed(function) -> tuple[float, Any]:
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result

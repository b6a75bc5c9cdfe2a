"""The host loop of a stage: restore, cycle, log, save. Its side effects are on disk.

A stage is one model, or both, trained in cycles. Whatever moment a process dies at, the
same call continues from the newest good checkpoint and ends bitwise equal.
"""

import dataclasses
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import tqdm
from absl import logging

from hyco_jax.hybrid import Cycle
from hyco_jax.running import checkpoints, metric_writer
from hyco_jax.running.time_limit import TimeLimit
from hyco_jax.types import HybridState

_LOGS = ("metrics.jsonl", "timings.jsonl")


class Terminated(Exception):
    """A SIGTERM came; the stage was saved after the cycle it was in."""


class OutOfTime(Terminated):
    """The next call would not fit into the time that is left; all is saved."""


_TERMINATED = (Terminated, "stopped by SIGTERM")
_OUT_OF_TIME = (OutOfTime, "stopped by max_minutes")


class Call(NamedTuple):
    """A jitted program and how many cycles it makes; its metrics are stacked."""

    run: Cycle
    num_cycles: int


class Stage(NamedTuple):
    """What is trained: "physical", "synthetic" or "hybrid", and its calls in order."""

    name: str
    calls: tuple[Call, ...]

    @property
    def num_cycles(self) -> int:
        """Cycles of all calls."""
        return sum(call.num_cycles for call in self.calls)


@dataclasses.dataclass(frozen=True)
class Watch:
    """What happens beside the training; rounded up to the end of a call.

    Attributes:
        evaluate: Maps a stage's name and its state to metrics for the log.
        callbacks: Called with every line of the log, which is in the file by then.
        log_every: Cycles between two lines on the terminal.
        eval_every: Cycles between two evaluations.
        save_every: Cycles between two checkpoints.
        keep_checkpoints: How many are kept.
        hints: What else may have made a model's losses non-finite, and what to do, by
            model.
        limit: How long all stages together may take.
    """

    evaluate: Callable[[str, HybridState], dict[str, float]]
    callbacks: Sequence[Callable[[dict[str, Any]], None]]
    log_every: int
    eval_every: int
    save_every: int
    keep_checkpoints: int
    hints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    limit: TimeLimit = dataclasses.field(default_factory=lambda: TimeLimit(None))


def run(
    stage: Stage, state: HybridState, real: Any, watch: Watch, workdir: Path
) -> HybridState:
    """Runs the cycles of a stage that are still to be done.

    Args:
        stage: What is trained.
        state: Its state before the first cycle; donated.
        real: The real data.
        watch: What happens beside it.
        workdir: Holds `metrics.jsonl`, `timings.jsonl` and `checkpoints/<stage>`.

    Returns:
        The state after the last cycle.

    Raises:
        Terminated: If SIGTERM came.
        OutOfTime: If the next call would not end in time.
        ValueError: If a loss is not finite for a whole cycle, or the checkpoints don't
            fit.
    """
    directory = workdir / "checkpoints" / stage.name
    state, done, calls = _resume(stage, state, directory, workdir)
    total = stage.num_cycles
    if calls:
        check_time(watch.limit, stage.name)
    bar = tqdm.tqdm(
        total=total, initial=done, desc=stage.name, disable=None, leave=True
    )
    with _listening() as stopping, bar:
        for call in calls:
            before, done = done, done + call.num_cycles
            clock = [time.perf_counter()]
            state, metrics = call.run(state, real)
            lines = _lines(stage.name, before, jax.device_get(metrics))
            clock.append(time.perf_counter())
            if _is_due(watch.eval_every, before, done, total):
                lines[-1] |= watch.evaluate(stage.name, state)
            for line in lines:
                _check_finite(line, directory, watch.hints)
                metric_writer.append(workdir / _LOGS[0], line)
            clock.append(time.perf_counter())
            watch.limit.note(stage.name, clock[-1] - clock[0])
            late = done < total and not watch.limit.has_room(stage.name)
            stop = bool(stopping) or late
            if stop or _is_due(watch.save_every, before, done, total):
                checkpoints.save(directory, done, state, watch.keep_checkpoints)
            clock.append(time.perf_counter())
            watch.limit.note_save(clock[-1] - clock[-2])
            metric_writer.append(workdir / _LOGS[1], _timing(stage.name, done, clock))
            bar.set_postfix_str(describe(lines[-1]), refresh=False)
            bar.update(call.num_cycles)
            if bar.disable and _is_due(watch.log_every, before, done, total):
                seconds = (clock[-1] - clock[0]) / call.num_cycles
                _log(stage.name, done, total, lines[-1], seconds)
            for line in lines:
                for call in watch.callbacks:
                    call(line)
            if stop:
                end, reason = _TERMINATED if stopping else _OUT_OF_TIME
                raise end(
                    f"{reason} after cycle {done} of {total} of {stage.name}, which is "
                    "saved; run the same command to go on"
                )
        if stopping:
            raise Terminated(
                f"stopped by SIGTERM after {stage.name}, which is saved; run the same "
                "command to go on"
            )
    return state


def check_resumable(stages: Sequence[Stage], workdir: Path):
    """Raises a ValueError if `run` would refuse the checkpoints of a stage.

    Before anything of the new run is written: its config would stand beside them.

    Args:
        stages: What is to be trained.
        workdir: As in `run`.
    """
    for stage in stages:
        directory = workdir / "checkpoints" / stage.name
        for cycle in checkpoints.cycles(directory)[-1:]:
            calls_after(stage, cycle, directory)


def check_time(limit: TimeLimit, part: str):
    """Raises OutOfTime before a stage, or the scoring, if it would not end in time."""
    if not limit.has_room(part):
        end, reason = _OUT_OF_TIME
        raise end(
            f"{reason} before {part}; what was trained is saved; run the same command "
            "to go on"
        )


def describe(line: dict) -> str:
    """Says a cycle's losses on the real data and coefficient errors in one line."""
    texts = []
    for name, value in line.items():
        model, _, metric = name.partition("/")
        if metric == "loss_real":
            texts.append(f"{model} {value:.3g}")
        elif metric.endswith("_error"):
            texts.append(f"{metric.replace('_', ' ')} {value:.3g}")
        elif metric == "skipped" and value:
            texts.append(f"{value} updates skipped")
    return "  ".join(texts)


def _is_due(every: int, before: int, done: int, total: int) -> bool:
    """Whether a multiple of `every` lies in a call, or it is the last."""
    return done // every > before // every or done == total


def _timing(stage: str, cycle: int, clock: list[float]) -> dict:
    names = ("cycle_seconds", "evaluate_seconds", "save_seconds")
    seconds = dict(zip(names, np.diff(clock).tolist(), strict=True))
    return {"stage": stage, "cycle": cycle} | seconds


def _log(stage, done, total, line, seconds):
    logging.info(
        "%s %d/%d  %s  %.2f s/cycle", stage, done, total, describe(line), seconds
    )


def _resume(stage, state, directory, workdir):
    """The state to go on from, the cycles done, and the calls that follow."""
    restored = checkpoints.restore(directory, state)
    state, done = restored or (state, 0)
    calls = calls_after(stage, done, directory)
    if done and calls:
        logging.info("%s: resuming from cycle %d", stage.name, done)
    for name in _LOGS:
        metric_writer.truncate(
            workdir / name,
            lambda line: line["stage"] != stage.name or line["cycle"] <= done,
        )
    return state, done, calls


def calls_after(stage: Stage, done: int, directory: Path | None) -> tuple[Call, ...]:
    """The calls of a stage that follow a number of cycles.

    Args:
        stage: What is trained.
        done: Cycles that were made.
        directory: Of the checkpoints, for the message.

    Raises:
        ValueError: If no call begins or ends there.
    """
    if done > stage.num_cycles:
        raise ValueError(
            f"{directory} holds cycle {done}, beyond the config's {stage.num_cycles}; "
            "raise --config.hybrid.cycles"
        )
    made = 0
    for i, call in enumerate(stage.calls):
        if made == done:
            return stage.calls[i:]
        made += call.num_cycles
    if made != done:
        raise ValueError(
            f"{directory} holds cycle {done}, which is not the end of a call in a run "
            "of this length; set config.hybrid.cycles and cycles_per_call as they were"
        )
    return ()


def _lines(stage: str, before: int, metrics: dict) -> list[dict]:
    """One line for each cycle of a call, of stacked metrics."""
    lines = []
    flat = _flatten(metrics)
    for i in range(len(next(iter(flat.values())))):
        label = {"stage": stage, "cycle": before + i + 1}
        lines.append(label | {name: values[i] for name, values in flat.items()})
    return lines


def _flatten(metrics: dict) -> dict:
    """Names each model's metrics; of the losses, the real and the generated part."""
    flat = {}
    for model, values in metrics.items():
        values = dict(values)
        parts = values.pop("part_losses")
        flat[f"{model}/loss_real"] = parts[:, 0]
        if parts.shape[1] > 1:
            flat[f"{model}/loss_generated"] = parts[:, 1:].sum(axis=1)
        flat |= {f"{model}/{name}": value for name, value in values.items()}
    return flat


def _check_finite(line, directory, hints):
    for model in ("synthetic", "physical"):
        losses = line.get(f"{model}/losses")
        if losses is not None and not np.isfinite(losses).any():
            hint = f"{hints[model]}; else " if model in hints else ""
            raise ValueError(
                f"{line['stage']}: {model}/losses are not finite in cycle "
                f"{line['cycle']}; {hint}lower the learning rate or the horizon, or "
                f"narrow the bounds; earlier checkpoints are in {directory}"
            )


class _listening:
    """Collects SIGTERM in a list while a stage runs, so that it ends after a cycle."""

    def __enter__(self):
        self.received = []
        try:
            self.previous = signal.signal(
                signal.SIGTERM, lambda *_: self.received.append(True)
            )
        except ValueError:  # not the main thread, as in some notebooks
            self.previous = None
        return self.received

    def __exit__(self, *_):
        if self.previous is not None:
            signal.signal(signal.SIGTERM, self.previous)

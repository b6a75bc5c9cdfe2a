"""The host loop of a stage: restore, cycle, log, save. Its side effects are on disk.

A stage is one model, or both, trained in cycles. Whatever moment a process dies at, the
same call continues from the newest good checkpoint and ends bitwise equal.
"""

import dataclasses
import signal
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import tqdm.auto
from absl import logging

from hyco_jax.hybrid import Cycle
from hyco_jax.running import checkpoints, metric_writer
from hyco_jax.types import HybridState, Trajectories


class Terminated(Exception):
    """A SIGTERM came; the stage was saved after the cycle it was in."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """What is trained, and how it is written down.

    Attributes:
        name: "physical", "synthetic" or "hybrid"; names its lines and checkpoints.
        cycle_fns: The jitted cycle function of each cycle, in order; repeats share one.
        evaluate: Maps a state to metrics for the log.
        log_every: Cycles between two lines on the terminal.
        eval_every: Cycles between two evaluations.
        save_every: Cycles between two checkpoints.
        keep_checkpoints: How many are kept.
    """

    name: str
    cycle_fns: tuple[Cycle, ...]
    evaluate: Callable[[HybridState], dict[str, float]]
    log_every: int
    eval_every: int
    save_every: int
    keep_checkpoints: int


def run(
    stage: Stage, state: HybridState, real: Trajectories, workdir: Path
) -> HybridState:
    """Runs the cycles of a stage that are still to be done.

    Args:
        stage: What is trained.
        state: Its state before the first cycle; donated.
        real: The observed data.
        workdir: Holds `metrics.jsonl`, `timings.jsonl` and `checkpoints/<stage>`.

    Returns:
        The state after the last cycle.

    Raises:
        Terminated: If SIGTERM came.
        ValueError: If a loss is not finite for a whole cycle, or the checkpoints don't
            fit.
    """
    directory = workdir / "checkpoints" / stage.name
    state, done = _resume(stage, state, directory, workdir)
    total = len(stage.cycle_fns)
    bar = tqdm.auto.tqdm(
        total=total, initial=done, desc=stage.name, disable=None, leave=True
    )
    with _listening() as stopping, bar:
        for number in range(done + 1, total + 1):
            started = time.perf_counter()
            state, metrics = stage.cycle_fns[number - 1](state, real)
            line = _flatten(jax.device_get(metrics))
            trained = time.perf_counter()
            if number % stage.eval_every == 0 or number == total:
                line |= stage.evaluate(state)
            _check_finite(stage, line, number, directory)
            label = {"stage": stage.name, "cycle": number}
            metric_writer.append(workdir / "metrics.jsonl", label | line)
            evaluated = time.perf_counter()
            stop = bool(stopping)
            if number % stage.save_every == 0 or number == total or stop:
                checkpoints.save(directory, number, state, stage.keep_checkpoints)
            saved = time.perf_counter()
            seconds = {
                "cycle_seconds": trained - started,
                "evaluate_seconds": evaluated - trained,
                "save_seconds": saved - evaluated,
            }
            metric_writer.append(workdir / "timings.jsonl", label | seconds)
            bar.set_postfix_str(describe(line), refresh=False)
            bar.update()
            if bar.disable and (number % stage.log_every == 0 or number == total):
                logging.info(
                    "%s %d/%d  %s  %.2f s/cycle",
                    stage.name,
                    number,
                    total,
                    describe(line),
                    saved - started,
                )
            if stop:
                raise Terminated(
                    f"stopped by SIGTERM after cycle {number} of {total} of "
                    f"{stage.name}, which is saved; run the same command to go on"
                )
        if stopping:
            raise Terminated(
                f"stopped by SIGTERM after {stage.name}, which is saved; run the same "
                "command to go on"
            )
    return state


def describe(line: dict) -> str:
    """Says a cycle's losses on the real data and coefficient errors in one line."""
    texts = []
    for name, value in line.items():
        model, _, metric = name.partition("/")
        if metric == "loss_real":
            texts.append(f"{model} {value:.3g}")
        elif metric.endswith("_error"):
            texts.append(f"{metric.replace('_', ' ')} {value:.3g}")
    return "  ".join(texts)


def _resume(stage, state, directory, workdir) -> tuple[HybridState, int]:
    restored = checkpoints.restore(directory, state)
    done = 0
    if restored is not None:
        state, done = restored
        if done > len(stage.cycle_fns):
            raise ValueError(
                f"{directory} holds cycle {done}, beyond the config's "
                f"{len(stage.cycle_fns)}; raise --config.hybrid.cycles"
            )
        if done < len(stage.cycle_fns):
            logging.info("%s: resuming from cycle %d", stage.name, done)
    for name in ("metrics.jsonl", "timings.jsonl"):
        metric_writer.truncate(
            workdir / name,
            lambda line: line["stage"] != stage.name or line["cycle"] <= done,
        )
    return state, done


def _flatten(metrics: dict) -> dict:
    """Names each model's metrics; of the losses, the real and the generated part."""
    line = {}
    for model, values in metrics.items():
        values = dict(values)
        parts = values.pop("part_losses")
        line[f"{model}/loss_real"] = parts[0]
        if len(parts) > 1:
            line[f"{model}/loss_generated"] = parts[1:].sum()
        line |= {f"{model}/{name}": value for name, value in values.items()}
    return line


def _check_finite(stage, line, number, directory):
    for model in ("synthetic", "physical"):
        losses = line.get(f"{model}/losses")
        if losses is not None and not np.isfinite(losses).any():
            raise ValueError(
                f"{stage.name}: {model}/losses are not finite in cycle {number}; lower "
                f"the learning rate or the horizon, or narrow the bounds; earlier "
                f"checkpoints are in {directory}"
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

"""How the benchmarks measure: alternating calls, paired ratios, peak memory."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax


class Call(NamedTuple):
    """Something to be timed.

    Attributes:
        run: Does it once; what it returns is waited for.
        scale: Multiplies the seconds, such as 1/3 for three updates in a call.
    """

    run: Callable[[], Any]
    scale: float = 1.0


class Sample(NamedTuple):
    """What was measured of one thing.

    Attributes:
        values: One number for each repeat, in steady state.
        first: Seconds of the first call, compilation included, unscaled; or None.
    """

    values: tuple[float, ...]
    first: float | None = None

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)


class Row(NamedTuple):
    """One case of the table.

    Attributes:
        case: Its name.
        ours: What was measured of our code.
        unit: Of `ours`, "s" or "MiB".
        opponents: What was measured of others, in the same unit and run.
        aim: What our median should not exceed, if there is an aim.
        notes: What else was found.
    """

    case: str
    ours: Sample
    unit: str = "s"
    opponents: dict[str, Sample] = {}
    aim: float | None = None
    notes: dict[str, Any] = {}


def alternate(calls: dict[str, Call], repeats: int) -> dict[str, Sample]:
    """Times several calls in turn, so that a machine's drift strikes all of them.

    Args:
        calls: What to time, by name.
        repeats: Rounds, after a first one that is kept apart.

    Returns:
        Scaled seconds of each call, one for each round.
    """
    first = {name: _seconds(call.run) for name, call in calls.items()}
    rounds = [
        {name: call.scale * _seconds(call.run) for name, call in calls.items()}
        for _ in range(repeats)
    ]
    return {name: Sample(tuple(r[name] for r in rounds), first[name]) for name in calls}


def ratio(ours: Sample, other: Sample) -> float:
    """The median over rounds of our value divided by the other's of that round."""
    if len(ours.values) != len(other.values):
        return ours.median / other.median
    pairs = zip(ours.values, other.values, strict=True)
    return statistics.median(a / b for a, b in pairs)


def measure_process(arguments: Sequence[str]) -> tuple[str, float, float]:
    """Runs Python to its end in a fresh process.

    Args:
        arguments: Of the interpreter: `("-m", "module", ...)`.

    Returns:
        What it printed, its seconds, and its peak resident memory in MiB.

    Raises:
        RuntimeError: If it fails.
    """
    script = str(Path(__file__).with_name("peak_memory.py"))
    done = subprocess.run(
        [sys.executable, script, sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    *printed, last = done.stdout.splitlines()
    report = json.loads(last)
    return "\n".join(printed), report["seconds"], report["mebibytes"]


def _seconds(run) -> float:
    started = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - started

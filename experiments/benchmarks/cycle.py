"""Measures speed and memory beside opponents; prints a table, and where time goes.

    python -m experiments.benchmarks.cycle [--only=rollout_2d,lbfgs] [--repeats=5]
        [--json=PATH] [--profile=DIR] [--torch-python=PATH]

Steady state: the first call, with its compilation, is kept apart. Ours and its
opponents are called in turn, and a ratio is the median over rounds of ours / opponent,
so that other load on the machine strikes both.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

import jax

from experiments.benchmarks import (
    breakdown,
    fitting,
    fluid,
    jobs,
    kernels,
    set_up,
    training,
)
from experiments.benchmarks.measure import Row, Sample, ratio

# Minutes, so that it runs only if it is named.
_SLOW = ("job",)
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "phiflow", "phiml", "scipy", "numpy")
_HEADER = ("case", "median", "[min, max]", "first call", "ratio", "aim", "met")


def make_cases(repeats: int, torch_python: str) -> dict:
    """Maps the name of each case to a function that measures it."""
    return {
        "reference_1d": lambda: training.reference_1d(repeats),
        "lbfgs": lambda: fitting.lbfgs(repeats),
        "rollout_2d": lambda: kernels.rollout_2d(repeats),
        "gradient_2d": lambda: kernels.gradient_2d(repeats),
        "smoke_rollout": lambda: fluid.smoke_rollout(repeats),
        "smoke_gradient": lambda: fluid.smoke_gradient(repeats),
        "unet_step": lambda: training.unet_step(repeats, torch_python),
        "memory": lambda: kernels.memory(repeats),
        "carry_memory": lambda: fitting.carry_memory(repeats),
        "job": jobs.job,
    }


def main(arguments: list[str] | None = None):
    """Runs the benchmarks that the command line asks for."""
    options = _parse(arguments)
    cases = make_cases(options.repeats, options.torch_python)
    machine = describe_machine()
    print(json.dumps(machine))
    rows = []
    for name in options.only:
        print(f"{name} ...", file=sys.stderr)
        rows += cases[name]()
    print(format_table(rows))
    print(
        "\nOpponents ran in this same run, in turn with ours; the original is quoted."
    )
    report = machine | {"cases": [_to_dict(row) for row in rows]}
    if options.profile:
        run_set_up = set_up.make("reference_1d")
        parts = breakdown.profile(run_set_up, options.profile, options.repeats)
        print(f"\na cycle of reference_1d; its trace is in {options.profile}")
        print(format_parts(parts))
        report["profile"] = {name: _summarise(s) for name, s in parts.items()}
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")


def describe_machine() -> dict:
    """Says when, on what and with which versions is measured."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "device": jax.devices()[0].device_kind,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def format_table(rows: list[Row]) -> str:
    """Lays cases out as aligned text: ours, under it its opponents, then notes."""
    lines, notes = [_HEADER], []
    for row in rows:
        met = "" if row.aim is None else ("yes" if row.ours.median <= row.aim else "no")
        aim = "" if row.aim is None else f"{row.aim:g} {row.unit}"
        lines.append((row.case, *_figures(row.ours, row.unit), "", aim, met))
        for name, sample in row.opponents.items():
            quotient = f"{ratio(row.ours, sample):.3g}"
            lines.append((f"  {name}", *_figures(sample, row.unit), quotient, "", ""))
        if row.notes:
            notes.append(f"{row.case}: {json.dumps(row.notes)}")
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(cell.ljust(n) for cell, n in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*text, "", *notes]).rstrip()


def format_parts(parts: dict[str, Sample]) -> str:
    """Lays the parts of a cycle out with their shares of the first entry, the whole."""
    whole = next(iter(parts.values()))
    return "\n".join(
        f"{name:30}{sample.median:9.4f} s {100 * ratio(sample, whole):6.1f} %"
        for name, sample in parts.items()
    )


def _parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = tuple(make_cases(1, ""))
    default = ",".join(name for name in names if name not in _SLOW)
    parser.add_argument("--only", default=default, help=f"of {', '.join(names)}")
    parser.add_argument("--repeats", type=int, default=5, help="rounds after the first")
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--profile", help="folder for a profiler trace of a cycle")
    parser.add_argument(
        "--torch-python",
        default=sys.executable,
        help="interpreter that imports PyTorch, which is no dependency",
    )
    options = parser.parse_args(arguments)
    options.only = [name for name in options.only.split(",") if name]
    unknown = sorted(set(options.only) - set(names))
    if unknown:
        parser.error(f"--only has {unknown}, not among {list(names)}")
    if options.repeats < 1:
        parser.error(f"--repeats={options.repeats} has to be at least 1")
    return options


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return models[0] if models else platform.processor()


def _figures(sample: Sample, unit: str) -> tuple[str, str, str]:
    span = f"[{min(sample.values):.4g}, {max(sample.values):.4g}]"
    first = "" if sample.first is None else f"{sample.first:.3g} s"
    return f"{sample.median:.4g} {unit}", span, first


def _summarise(sample: Sample) -> dict:
    return {
        "median": sample.median,
        "min": min(sample.values),
        "max": max(sample.values),
        "repeats": len(sample.values),
        "first_call_seconds": sample.first,
    }


def _to_dict(row: Row) -> dict:
    return {
        "case": row.case,
        "unit": row.unit,
        "ours": _summarise(row.ours),
        "aim": row.aim,
        "met": None if row.aim is None else row.ours.median <= row.aim,
        "opponents": {
            name: _summarise(sample) | {"ratio": ratio(row.ours, sample)}
            for name, sample in row.opponents.items()
        },
        "notes": row.notes,
    }


if __name__ == "__main__":
    main()

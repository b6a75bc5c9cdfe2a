"""The table of an experiment in Markdown: ours beside what was published."""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.published.looks import LABELS
from experiments.published.rows import Row
from hyco_jax.scoring.plots.style import words
from hyco_jax.scoring.table import format_number

SHARED = {"e_s": "solution error", "e_p": "parameter error"}
HELD_OUT = {"held": "at held-out sensors"}
COSTS = ("seconds", "PDE solves", "network evaluations")


def markdown(name: str, rows: Mapping[str, Row], published: Mapping[str, str]) -> str:
    """Formats medians and ranges over seeds.

    Args:
        name: Of the experiment.
        rows: Its rows.
        published: What the paper's code reported, as text, by row.
    """
    num_seeds = len(next(iter(rows.values())).errors)
    errors = {**SHARED, **_by_name(rows), **HELD_OUT}
    header = ["method", "published", *errors.values(), *COSTS]
    lines = [f"**{name}**, median (range) of {num_seeds} seeds", ""]
    lines += [_cells(header), "|---|" + "---:|" * (len(header) - 1)]
    for key, label in LABELS.items():
        if key in rows:
            lines.append(_line(label, rows[key], published.get(key, "-"), errors))
    return "\n".join([*lines, "", _timing(rows, num_seeds)])


def _by_name(rows) -> dict[str, str]:
    """Columns of the numbers that are coefficients, where these are some."""
    names = {name: None for row in rows.values() for name in row.errors[0]}
    own = [name for name in names if name not in SHARED | HELD_OUT]
    return {name: f"error of {words(name)}" for name in own}


def _line(label, row, published, errors) -> str:
    cells = [label, published]
    cells += [spread([e.get(name) for e in row.errors]) for name in errors]
    cells += [f"{row.seconds:.0f}", _whole(row.solves), _whole(row.evaluations)]
    return _cells(cells)


def _cells(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def spread(values: Sequence[float | None]) -> str:
    """Formats median and range of the seeds; "-" of what a row doesn't have."""
    if None in values:
        return "-"
    low, middle, high = (format_number(float(f(values))) for f in (min, np.median, max))
    return f"{middle} ({low} to {high})"


def _whole(count) -> str:
    return f"{count:,.0f}" if count else "-"


def _timing(rows, num_seeds) -> str:
    row = rows["hybrid_physical"]
    text = (
        f"Seconds are those of {num_seeds} seeds in one program, compilation included"
    )
    if row.one_seed is None:
        return f"{text}."
    ratio = row.seconds / row.one_seed
    return (
        f"{text}; the hybrid of one seed took {row.one_seed:.0f} s, all of them "
        f"{row.seconds:.0f} s, {ratio:.1f} times as long."
    )

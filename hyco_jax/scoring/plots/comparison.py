"""The scores of several runs beside one another."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from hyco_jax.scoring import table
from hyco_jax.scoring.comparison import Group
from hyco_jax.scoring.plots import style

_ERROR = "coefficient_error"
# The error of its coefficients and, of these, the first score that a run has.
_SCORES = (
    *("test/nrmse", "test/chi2", "held_out/nrmse", "held_out/chi2"),
    *("val/nrmse", "val/chi2", "train/nrmse", "train/chi2"),
)


def draw(groups: Sequence[Group], labels: Sequence[str]) -> Figure | None:
    """Draws the median and the range over seeds of every method of every group.

    Args:
        groups: In order, from top to bottom.
        labels: What differs in each.

    Returns:
        Panels of the error of the coefficients and of the scores that tell most of
        each group, on logarithmic axes; None if no run has any.
    """
    methods = [
        row
        for row in table.ROWS
        if any(row in run.rows for g in groups for run in g.runs)
    ]
    panels = _panels(groups, methods)
    if not panels:
        return None
    height = 1.1 + len(groups) * (0.25 + 0.11 * len(methods))
    figure = Figure(figsize=(2.0 + 3.0 * len(panels), height))
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    handles = {}
    for ax, column in zip(axes, panels, strict=True):
        curves = []
        for place, group in enumerate(groups):
            for i, method in enumerate(methods):
                values = style.finite(group.entries(method, column))
                values = values[values > 0]
                if not values.size:
                    continue
                y = place + 0.7 * ((i + 0.5) / len(methods) - 0.5)
                handles[method] = _draw_entry(ax, method, values, y)
                curves.append(values)
        limits = style.log_limits(curves, ceiling=10.0, decades=6)
        ax.set(xscale="log", xlim=limits)
        # Else a short axis has a label at every tick, one over the other.
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=20))
        ax.xaxis.set_major_formatter("{x:.1g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        for place in range(1, len(groups), 2):
            ax.axhspan(place - 0.5, place + 0.5, color="0.96", linewidth=0, zorder=0)
        ax.set_xlabel(_title(column))
        ax.grid(axis="x", color="0.9", linewidth=0.6)
        ax.set_axisbelow(True)
    axes[0].set_yticks(range(len(groups)), labels)
    axes[0].set_ylim(len(groups) - 0.5, -0.5)
    names = [style.LABELS[method] for method in methods if method in handles]
    lines = [handles[method] for method in methods if method in handles]
    figure.legend(lines, names, loc="outside lower center", ncols=3)
    return figure


def _draw_entry(ax, method: str, values: np.ndarray, y: float):
    """A line from the least to the largest, a dot for each, a marker at the median."""
    look = {"color": style.LINES[method]["color"]}
    ax.plot([values.min(), values.max()], [y, y], linewidth=1.0, **look)
    ax.plot(values, np.full(values.size, y), ".", markersize=3, **look)
    marker = style.LINES[method]["marker"]
    return ax.plot([np.median(values)], [y], marker, markersize=5, **look)[0]


def _panels(groups, methods) -> list[str]:
    found = set()
    for group in groups:
        scores = [c for c in _SCORES if _has(group, methods, c)]
        found |= {*scores[:1], *filter(lambda c: _has(group, methods, c), [_ERROR])}
    return [column for column in (_ERROR, *_SCORES) if column in found]


def _has(group, methods, column) -> bool:
    entries = [x for method in methods for x in group.entries(method, column)]
    return bool((style.finite(entries) > 0).any())


def _title(column: str) -> str:
    if column == _ERROR:
        return "relative error of the coefficients"
    split, _, score = column.partition("/")
    return f"{ {'nrmse': 'nRMSE', 'chi2': 'chi²'}[score] }, {style.words(split)}"

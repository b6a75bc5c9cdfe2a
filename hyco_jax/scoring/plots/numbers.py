"""The figure of a coefficient that is a number: a dot for every method."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from hyco_jax.scoring import table
from hyco_jax.scoring.plots import style

# Beyond, a value is only written, for its dot would press all others together.
MAX_RELATIVE_ERROR = 1e3
# How far apart numbers may be on a linear axis, and on one with ticks at 1, 2 and 5.
MAX_LINEAR_RATIO = 10.0
MAX_TICKED_RATIO = 1e3


def draw(values: dict[str, np.ndarray], name: str) -> Figure:
    """Draws the number of every method, its relative error beside it.

    Args:
        values: Maps `truth` and methods to numbers, shape `()`; NaN where diverged.
        name: What the numbers are.

    Returns:
        A row per method, the first uppermost; the truth is a vertical line.
    """
    truth = float(values["truth"])
    methods = [method for method in values if method != "truth"]
    gaps = [abs(float(values[method]) - truth) for method in methods]
    errors = [gap / abs(truth) if truth else None for gap in gaps]
    figure = Figure(figsize=(5.6, 1.1 + 0.27 * len(methods)))
    ax = figure.subplots()
    ax.axvline(truth, label=f"truth {truth:.4g}", **style.LINES["truth"])
    shown = [truth]
    for row, (method, error) in enumerate(zip(methods, errors, strict=True)):
        ax.axhline(row, color="0.88", linewidth=0.6, zorder=0)
        if error is None or not error > MAX_RELATIVE_ERROR:
            shown.append(float(values[method]))
            look = {**style.LINES[method], "linestyle": "", "markersize": 6}
            ax.plot(values[method], row, zorder=3, **look)
    names = [style.label(method, values[method]) for method in methods]
    ax.set_yticks(range(len(methods)), names)
    ax.set(ylim=(len(methods) - 0.4, -0.6), xlabel=name)
    _set_limits(ax, shown)
    beside = ax.secondary_yaxis("right")
    texts = [table.format_number(error) for error in errors]
    beside.set_yticks(range(len(methods)), texts)
    beside.set_ylabel("relative error")
    for axes in (ax, beside):
        axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center")
    return figure


def _set_limits(ax, values):
    values = style.finite(values)
    low, high = np.nanmin(values), np.nanmax(values)
    if not 0 < low * MAX_LINEAR_RATIO < high:
        ax.set_xlim(style.limits(values))
        return
    ax.set_xscale("log")
    ax.set_xlim(np.exp(style.limits(np.log(values))))
    subs = (1, 2, 5) if high < MAX_TICKED_RATIO * low else (1,)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())

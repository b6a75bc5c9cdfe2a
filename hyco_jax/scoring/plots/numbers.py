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
_BAR = {"linewidth": 2.2, "zorder": 2}


def draw(
    values: dict[str, np.ndarray],
    name: str,
    deviations: dict[str, np.ndarray] | None = None,
) -> Figure:
    """Draws the number of every method, its relative error or else itself beside it.

    Args:
        values: Maps methods, and `truth` if it is known, to numbers, shape `()`; NaN
            where diverged.
        name: What the numbers are.
        deviations: Standard errors of those whose methods have one.

    Returns:
        A row per method, the first uppermost; the truth is a vertical line, and bars
        are intervals of 95 %.
    """
    deviations = deviations or {}
    numbers = {method: float(v) for method, v in values.items() if method != "truth"}
    figure = Figure(figsize=(5.6, 1.1 + 0.27 * len(numbers)))
    ax = figure.subplots()
    errors, shown, bars, texts = {}, [], [], numbers
    if "truth" in values:
        truth = float(values["truth"])
        ax.axvline(truth, label=f"truth {truth:.4g}", **style.LINES["truth"])
        texts = dict.fromkeys(numbers)
        if truth:
            gaps = {m: abs(v - truth) for m, v in numbers.items()}
            texts = errors = {m: gap / abs(truth) for m, gap in gaps.items()}
        shown.append(truth)
    for row, (method, number) in enumerate(numbers.items()):
        ax.axhline(row, color="0.88", linewidth=0.6, zorder=0)
        if not errors.get(method, 0.0) > MAX_RELATIVE_ERROR:
            shown.append(number)
            look = {**style.LINES[method], "linestyle": "", "markersize": 6}
            ax.plot(number, row, zorder=3, **look)
            reach = style.HALF_WIDTH * float(deviations.get(method, 0.0))
            if 0 < reach < np.inf:
                bar = [number - reach, number + reach]
                about = "_" if bars else "interval of 95 %"
                bars += ax.plot(
                    bar, [row, row], color=look["color"], label=about, **_BAR
                )
                shown += [v for v in bar if v * number > 0]
    if "truth" in values or bars:
        figure.legend(loc="outside lower center", ncols=2)
    rows = range(len(numbers))
    ax.set_yticks(rows, [style.label(method, v) for method, v in numbers.items()])
    ax.set(ylim=(len(numbers) - 0.4, -0.6), xlabel=name)
    _set_limits(ax, shown)
    beside = ax.secondary_yaxis("right")
    beside.set_yticks(rows, [table.format_number(text) for text in texts.values()])
    beside.set_ylabel("relative error" if "truth" in values else "value")
    for axes in (ax, beside):
        axes.tick_params(axis="y", length=0)
    return figure


def _set_limits(ax, values):
    values = style.finite(values)
    values = values[np.isfinite(values)]
    if not values.size or not 0 < values.min() * MAX_LINEAR_RATIO < values.max():
        ax.set_xlim(style.limits(values))
        return
    low, high = values.min(), values.max()
    ax.set_xscale("log")
    ax.set_xlim(np.exp(style.limits(np.log(values))))
    subs = (1, 2, 5) if high < MAX_TICKED_RATIO * low else (1,)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())

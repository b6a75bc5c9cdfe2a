"""Curves over time and cycles: nRMSE of rollouts, losses, errors of coefficients."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hyco_jax.scoring import table
from hyco_jax.scoring.plots import style, units

VALID_THRESHOLD = 0.2
SPLITS = {
    "train": "training simulations",
    "val": "validation simulations",
    "test": "test simulations",
}

# Stage of the history and model -> the method whose training it shows.
CURVES = {at: method for method, at in table.ROW_STAGE.items()}
LOSSES = ("loss_real", "loss_generated")
COEFFICIENT_ERROR = re.compile(r"physical/(\w+)_error")
MAX_COLUMNS = 4
GENERATED = {"markerfacecolor": "white", "linewidth": 0.8, "markeredgewidth": 0.8}


def nrmse(arrays) -> Figure | None:
    """Draws nRMSE over time, on a logarithmic axis, with the valid time's threshold.

    Args:
        arrays: As in `plots`.

    Returns:
        One panel for training, and one for test or else validation; None without any
        curve. A band is that of an ensemble's members, each by itself. Curves go on
        over times at which nothing was observed.
    """
    splits = [s for s in SPLITS if style.methods(arrays, f"nrmse/{s}")]
    if not splits:
        return None
    if "test" in splits:
        splits = [split for split in splits if split != "val"]
    figure = Figure(figsize=(3.5 * len(splits), 3.2))
    panels = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    handles, shown = {}, {}
    for ax, split in zip(panels, splits, strict=True):
        for method in style.methods(arrays, f"nrmse/{split}"):
            curve = arrays[f"nrmse/{split}/{method}"]
            is_observed = ~np.isnan(curve)
            curve, times = curve[is_observed], arrays["times"][is_observed]
            line = style.plot_line(ax, method, times, curve)
            if f"members/{split}/{method}" in arrays:
                low, high = arrays[f"members/{split}/{method}"][:, is_observed]
                style.plot_band(ax, method, times, low, high)
            handles[method] = line
            shown.setdefault(method, []).append(curve)
        threshold = ax.axhline(VALID_THRESHOLD, color="black", linewidth=0.7)
        ax.set(xlabel=units.time(arrays), title=SPLITS[split])
    names = [style.label(method, np.concatenate(shown[method])) for method in handles]
    names.append(f"threshold {VALID_THRESHOLD} of the valid time")
    # An nRMSE of 1 is no better than a constant; beyond 10 it only hides the others.
    curves = [[VALID_THRESHOLD], *(c for group in shown.values() for c in group)]
    for ax in panels:
        _set_log(ax, curves, ceiling=10.0, decades=5)
    panels[0].set_ylabel("nRMSE")
    lines = [*handles.values(), threshold]
    if any(name.startswith("members/") for name in arrays):
        lines.append(style.band_handle())
        names.append("single members")
    figure.legend(lines, names, loc="outside lower center", ncols=3)
    return figure


def history(lines: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draws the losses and the errors of the coefficients by cycle.

    Args:
        lines: Each with `stage` (physical, synthetic or hybrid), `cycle` and any of
            `<model>/loss_real`, `<model>/loss_generated`, `physical/<name>_error` for
            every coefficient.

    Returns:
        One panel per model and one per coefficient; None without any value.
    """
    panels = {p: _panel_curves(lines, p) for p in _panels(lines)}
    panels = {panel: curves for panel, curves in panels.items() if curves}
    if not panels:
        return None
    num_rows = -(-len(panels) // MAX_COLUMNS)
    num_columns = -(-len(panels) // num_rows)
    figure = Figure(figsize=(1.2 + 2.1 * num_columns, 0.8 + 2.3 * num_rows))
    axes = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for ax, (panel, curves) in zip(axes, panels.items(), strict=False):
        _draw_panel(ax, panel, curves)
    for ax in axes[len(panels) :]:
        ax.remove()
    shown = [curve for curves in panels.values() for curve in curves]
    handles = {style.LABELS[m]: Line2D([], [], **style.LINES[m]) for m, _ in shown}
    if any(entry == "loss_generated" for _, entry in shown):
        handles["open markers: on generated data"] = Line2D(
            [], [], color="0.4", marker="o", **GENERATED
        )
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3)
    return figure


def _panels(lines):
    """Title, axis, model and entries of every panel that there may be."""
    panels = [(f"{m} model", "loss", m, LOSSES) for m in ("synthetic", "physical")]
    keys = dict.fromkeys(key for line in lines for key in line)
    for name in filter(None, map(COEFFICIENT_ERROR.fullmatch, keys)):
        entries = (f"{name[1]}_error",)
        panels.append((style.words(name[1]), "relative error", "physical", entries))
    return panels


def _panel_curves(lines, panel):
    """Maps (method, entry) to cycles and values of one panel, where there are any."""
    _, _, model, entries = panel
    curves = {}
    for (stage, stage_model), method in CURVES.items():
        for entry in entries if stage_model == model else ():
            key = f"{model}/{entry}"
            points = [
                (line["cycle"], line[key])
                for line in lines
                if line.get("stage") == stage and line.get(key) is not None
            ]
            if points:
                curves[method, entry] = np.array(points, np.float64).T
    return curves


def _draw_panel(ax, panel, curves):
    title, ylabel, _, _ = panel
    for (method, entry), (cycles, values) in curves.items():
        look = GENERATED if entry == "loss_generated" else {}
        style.plot_line(ax, method, cycles, values, **look)
    ax.set(xlabel="cycle", ylabel=ylabel, title=title)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    values = [values for _, values in curves.values()]
    _set_log(ax, values, ceiling=1e4 * _median(values), decades=8)


def _set_log(ax, curves, ceiling, decades):
    limits = style.log_limits(curves, ceiling=ceiling, decades=decades)
    for line in ax.lines:
        # An exact 0, such as nRMSE at t = 0, would drop off the axis as a wall.
        y = np.asarray(line.get_ydata(), np.float64)
        line.set_ydata(np.where(y > 0, y, np.nan))
    if limits is not None:
        ax.set_yscale("log")
        ax.set_ylim(limits)


def _median(values):
    values = style.finite(np.concatenate(values))
    return np.inf if np.isnan(values).all() else np.nanmedian(values)

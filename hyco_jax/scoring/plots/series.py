"""Predictions beside readings that no model has seen: series, and errors over time."""

import numpy as np
from matplotlib.figure import Figure

from hyco_jax.scoring import calibration
from hyco_jax.scoring.plots import style, units

# The first of these that has readings is drawn.
SHOWN = {
    "held_out": "held out",
    "test": "test simulations",
    "val": "validation simulations",
    "train": "trained on",
}
MAX_PANELS = 6
MIN_READINGS = 3
MAX_BINS = 60


def draw(arrays, channel: int) -> Figure | None:
    """Draws series of one channel, measured and predicted, in a panel per sensor.

    Args:
        arrays: As in `plots`.
        channel: Of the readings.

    Returns:
        Of both hybrid models, or the others where there are none, and of the
        interpolation; of at most `MAX_PANELS` sensors that read at least
        `MIN_READINGS` values, evenly chosen; with a band of two spreads of an
        ensemble's members. None if there are none.
    """
    split, rows = _rows(arrays, channel)
    sensors = _sensors(arrays, rows)
    methods = _methods(arrays, split)
    if not sensors or not methods:
        return None
    hybrid = [m for m in methods if m.startswith(("hybrid", "interpolation"))]
    if any(m.startswith("hybrid") for m in hybrid):
        methods = hybrid
    columns = {1: 1, 2: 2, 4: 2}.get(len(sensors), 3)  # No row is left half empty.
    num_rows = -(-len(sensors) // columns)
    width = 6.4 if columns == 1 else 3.2 * columns
    figure = Figure(figsize=(width, 0.9 + 2.2 * num_rows))
    axes = figure.subplots(num_rows, columns, sharex=True, squeeze=False).ravel()
    shown = np.concatenate(sensors)
    span = float(np.ptp(arrays["readings/values"][shown, channel]))
    for ax, own in zip(axes, sensors, strict=False):
        _panel(ax, arrays, channel, own, methods, span)
    for ax in axes[: len(sensors) : columns]:
        ax.set_ylabel(_label(arrays, channel))
    for ax in axes[len(sensors) :]:
        ax.remove()
    for ax in axes[max(0, len(sensors) - columns) : len(sensors)]:
        ax.xaxis.set_tick_params(labelbottom=True)
        ax.set_xlabel(units.time(arrays))
    names = [style.label(m, arrays[f"predicted/{m}"][shown, channel]) for m in methods]
    handles = axes[0].get_lines()
    figure.suptitle(SHOWN[split], fontsize=8.5)
    names = ["measured", *names]
    if any(f"spread/{method}" in arrays for method in methods):
        handles = [*handles, style.band_handle()]
        names.append("two spreads of members")
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    return figure


def errors(arrays, channel: int) -> Figure | None:
    """Draws the mean and the root mean square of all methods' errors over time.

    Args:
        arrays: As in `plots`.
        channel: Of the readings.

    Returns:
        Two panels; at times of which there are more than `MAX_BINS`, means over as many
        intervals. None without readings or predictions.
    """
    split, rows = _rows(arrays, channel)
    methods = _methods(arrays, split)
    if not rows.size or not methods:
        return None
    time, values = arrays["readings/time"][rows], arrays["readings/values"]
    values = values[rows, channel]
    times, index = _bins(time)
    count = np.bincount(index)
    figure = Figure(figsize=(6.4, 4.6))
    top, bottom = figure.subplots(2, sharex=True)
    means, roots = {}, {}
    for method in methods:
        error = style.finite(arrays[f"predicted/{method}"][rows, channel]) - values
        means[method] = np.bincount(index, error) / count
        roots[method] = np.sqrt(np.bincount(index, error**2) / count)
        label = style.label(method, error)
        style.plot_line(top, method, times, means[method], label=label)
        style.plot_line(bottom, method, times, roots[method])
    top.axhline(0, color="black", linewidth=0.6)
    if "readings/sigma" in arrays:
        sigma = float(np.median(arrays["readings/sigma"][rows, channel]))
        look = {"color": "black", "linewidth": 0.8, "linestyle": (0, (6, 3))}
        bottom.axhline(sigma, label="sigma of the readings", **look)
    # Beyond the range of the readings an error only hides the others.
    widest = float(np.ptp(values)) or np.inf
    low, high = style.limits(np.clip(list(means.values()), -widest, widest))
    name = _label(arrays, channel)
    top.set(ylabel=f"mean error of\n{name}", ylim=(low, high))
    _, high = style.limits(np.minimum(list(roots.values()), widest))
    bottom.set(
        ylabel=f"rms error of\n{name}", ylim=(0, high), xlabel=units.time(arrays)
    )
    figure.suptitle(f"predicted - measured, {SHOWN[split]}", fontsize=8.5)
    lines, labels = top.get_legend_handles_labels()
    other_lines, other_labels = bottom.get_legend_handles_labels()
    figure.legend(
        lines + other_lines, labels + other_labels, loc="outside lower center", ncols=3
    )
    return figure


def _rows(arrays, channel):
    """The split to draw, and its rows with a reading."""
    is_read = np.isfinite(arrays["readings/values"][:, channel])
    for split in SHOWN:
        rows = np.flatnonzero(is_read & (arrays["readings/split"] == split))
        if rows.size:
            return split, rows
    return "train", rows


def _methods(arrays, split) -> list[str]:
    methods = [m for m in style.methods(arrays, "predicted") if m != "initial_guess"]
    # Elsewhere the interpolation holds the readings themselves.
    return [m for m in methods if m != "interpolation" or split == "held_out"]


def _sensors(arrays, rows) -> list[np.ndarray]:
    """Rows of each sensor of each simulation, in the order of time."""
    sim, sensor = arrays["readings/sim"][rows], arrays["readings/sensor"][rows]
    rows = rows[np.lexsort([arrays["readings/time"][rows], sensor, sim])]
    sim, sensor = arrays["readings/sim"][rows], arrays["readings/sensor"][rows]
    changes = np.flatnonzero((np.diff(sim) != 0) | (np.diff(sensor) != 0)) + 1
    found = [own for own in np.split(rows, changes) if len(own) >= MIN_READINGS]
    count = min(len(found), MAX_PANELS)
    return [found[int(i)] for i in np.linspace(0, len(found) - 1, count).round()]


def _panel(ax, arrays, channel, own, methods, span):
    times = arrays["readings/time"][own]
    fields = {"observed": arrays["readings/values"][own, channel]}
    fields |= {m: arrays[f"predicted/{m}"][own, channel] for m in methods}
    size = 5 if len(own) <= 60 else 3
    # Below the lines, which many dots would hide.
    look = {**style.LINES["observed"], "markersize": size, "zorder": 2}
    ax.plot(times, fields["observed"], **look)
    for method in methods:
        style.plot_line(ax, method, times, fields[method])
        if f"spread/{method}" in arrays:
            width = calibration.SPREADS * arrays[f"spread/{method}"][own, channel]
            low, high = fields[method] - width, fields[method] + width
            style.plot_band(ax, method, times, low, high)
    # Not farther from the readings than those of all panels are from each other.
    measured = fields["observed"]
    low, high = measured.min() - span, measured.max() + span
    ax.set_ylim(style.limits(np.clip(list(fields.values()), low, high)))
    title = f"sensor {arrays['readings/sensors'][arrays['readings/sensor'][own[0]]]}"
    if len(arrays["readings/sims"]) > 1:
        sim = arrays["readings/sims"][arrays["readings/sim"][own[0]]]
        title = f"{title}, simulation {sim}"
    ax.set_title(title)


def _bins(time):
    """Times to draw at, and which of them each reading belongs to."""
    times, index = np.unique(time, return_inverse=True)
    if len(times) <= MAX_BINS:
        return times, index
    edges = np.linspace(times[0], times[-1], MAX_BINS + 1)
    index = np.clip(np.searchsorted(edges, time, "right") - 1, 0, MAX_BINS - 1)
    filled, index = np.unique(index, return_inverse=True)
    return ((edges[:-1] + edges[1:]) / 2)[filled], index


def _label(arrays, channel) -> str:
    name, unit = arrays["readings/names"][channel], arrays["readings/units"][channel]
    return style.with_unit(str(name), str(unit))

"""The map of the sensors of a simulation: trained on, held out, given to the models."""

import numpy as np
from matplotlib.figure import Figure

from hyco_jax.scoring.plots import units

MAX_POINTS = 10_000
MAX_NAMED = 8
CLOSE = 0.08  # of the extent: names of two sensors would touch
# A few sensors stand out; the paths of many would cover each other.
MAX_LARGE = 200
LOOKS = {
    "train": ("trained on", {"color": "0.25", "marker": "o"}),
    "": ("given to the models", {"color": "0.65", "marker": "s"}),
    "held_out": ("held out", {"color": "#CC79A7", "marker": "D"}),
}


def draw(arrays) -> Figure | None:
    """Draws where, and in 1-D when, the sensors of one simulation read something.

    Args:
        arrays: As in `plots`.

    Returns:
        In 1-D position and time, else the plane of x and y; sensors that move as lines.
        Of the first simulation with readings that are held out, or else trained on.
        None without readings.
    """
    if "readings/split" not in arrays:
        return None
    split, sim = arrays["readings/split"], arrays["readings/sim"]
    preferred = np.flatnonzero(np.isin(split, ["train", "held_out"]))
    preferred = preferred[np.argsort(split[preferred] != "held_out", kind="stable")]
    if not preferred.size:
        return None
    chosen = sim[preferred[0]]
    is_read = np.isfinite(arrays["readings/values"]).any(axis=1) & (sim == chosen)
    if is_read.sum() > MAX_POINTS:
        # Drawn, since every tenth row of a table may be always the same sensor.
        kept = np.random.default_rng(0).permutation(np.flatnonzero(is_read))
        is_read[kept[MAX_POINTS:]] = False
    extent = arrays["extent"]
    is_line = arrays["readings/position"].shape[1] == 1
    figure = Figure(figsize=(5.6, 4.0) if is_line else _size(extent))
    ax = figure.subplots()
    named = []
    for name, (label, look) in LOOKS.items():
        rows = np.flatnonzero(is_read & (split == name))
        if rows.size:
            points = _paths(arrays, rows, is_line)
            size = 5 if len(points) <= MAX_LARGE else 2
            options = {"linewidth": 0.6, "markeredgewidth": 0, "markersize": size}
            # Those on the boundary of the box are whole.
            ax.plot(*points.T, label=label, clip_on=False, **options, **look)
            if is_line or name == "held_out":
                named += _ends(arrays, rows)
    _write(ax, arrays, named, is_line)
    vertical = units.time(arrays) if is_line else units.position(arrays, "y")
    ax.set(xlabel=units.position(arrays), ylabel=vertical)
    ax.set_xlim(0, float(extent[0]))
    if is_line:
        ax.margins(y=0.15)
    else:
        ax.set(ylim=(0, float(extent[1])), aspect="equal")
    if len(arrays["readings/sims"]) > 1:
        ax.set_title(f"simulation {arrays['readings/sims'][chosen]}")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _size(extent):
    height = float(np.clip(4.0 * extent[1] / extent[0], 1.5, 8.0))
    return 4.8, height + 1.1


def _paths(arrays, rows, is_line) -> np.ndarray:
    """Points `(n, 2)` of the rows in the order of time, a gap after each sensor."""
    sensor, time = arrays["readings/sensor"], arrays["readings/time"]
    rows = rows[np.lexsort([time[rows], sensor[rows]])]
    position = arrays["readings/position"][rows]
    points = np.column_stack([position, time[rows]])[:, :2]
    if not is_line:
        kept = np.append(True, (points[1:] != points[:-1]).any(axis=1))
        rows, points = rows[kept], points[kept]
    gaps = np.flatnonzero(np.diff(sensor[rows])) + 1
    return np.insert(points, gaps, np.nan, axis=0)


def _ends(arrays, rows) -> list[int]:
    """The last row of each of a few sensors."""
    sensor, time = arrays["readings/sensor"], arrays["readings/time"]
    found = np.unique(sensor[rows])
    if len(found) > MAX_NAMED:
        return []
    return [max(rows[sensor[rows] == i], key=lambda row: time[row]) for i in found]


def _write(ax, arrays, rows, is_line):
    """Writes the names of sensors where they end, of close ones one above the other."""
    position, time = arrays["readings/position"], arrays["readings/time"]
    lifted, previous = set(), None
    for row in sorted(rows, key=lambda row: position[row, 0]) if is_line else ():
        if previous is not None and previous not in lifted:
            gap = position[row, 0] - position[previous, 0]
            lifted |= {row} if gap < CLOSE * arrays["extent"][0] else set()
        previous = row
    for row in rows:
        ax.annotate(
            str(arrays["readings/sensors"][arrays["readings/sensor"][row]]),
            (*position[row], time[row])[:2],
            xytext=(0, 13 if row in lifted else 5) if is_line else (5, 5),
            textcoords="offset points",
            ha="center" if is_line else "left",
            fontsize=7.5,
        )

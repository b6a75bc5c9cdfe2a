"""One look for all figures: a colour, line and marker per method, and shared helpers.

Colours are Okabe and Ito's for the colour-blind: blues for the physical model, reds
for the synthetic one, the darker of each for its hybrid version, green for a baseline.
Line styles and markers tell the methods apart in grey print. The maps of images are
safe for the colour-blind too; signed fields and signed errors have different ones.
"""

import numpy as np
from matplotlib.patches import Patch

from hyco_jax.scoring import table

RC = {
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "lines.markersize": 4,
    "figure.constrained_layout.use": True,
}

# What the methods are compared with: the truth if it is known.
REFERENCES = ("truth", "observed")
LABELS = {**dict(zip(REFERENCES, REFERENCES, strict=True)), **table.ROWS}

LINES = {
    "truth": {"color": "black", "linestyle": "-", "linewidth": 2.2, "zorder": 2},
    "observed": {
        "color": "#1A1A1A",
        "linestyle": "",
        "marker": ".",
        "markersize": 7,
        "markevery": 1,
        "zorder": 4,
    },
    "initial_guess": {"color": "#767676", "linestyle": ":", "marker": "x"},
    "physical_alone": {"color": "#56B4E9", "linestyle": "--", "marker": "s"},
    "synthetic_alone": {
        "color": "#E69F00",
        "linestyle": (0, (5, 1.5, 1, 1.5, 1, 1.5)),
        "marker": "^",
    },
    "hybrid_physical": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "hybrid_synthetic": {"color": "#D55E00", "linestyle": "-.", "marker": "D"},
    "interpolation": {"color": "#009E73", "linestyle": (0, (1, 1)), "marker": "v"},
}

FIELD_MAP = "viridis"
SIGNED_FIELD_MAP = "PuOr_r"
SIGNED_ERROR_MAP = "RdBu_r"
UNSIGNED_ERROR_MAP = "magma_r"
REGION = {"color": "0.88", "linewidth": 0, "zorder": 0}
NUM_MARKERS = 8
# Of an interval of 95 %, in standard errors.
HALF_WIDTH = 1.96
BAND = {"alpha": 0.25, "linewidth": 0, "zorder": 1}


def methods(arrays, group: str) -> list[str]:
    """Methods that have an array in a group such as `nrmse/val`, in table order."""
    return [method for method in table.ROWS if f"{group}/{method}" in arrays]


def reference(fields) -> str | None:
    """What the methods in a mapping are compared with, None if with nothing."""
    return next((name for name in REFERENCES if name in fields), None)


def fitted(fields: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The methods in a mapping but for the initial guess, unless it is all there is."""
    models = {m: f for m, f in fields.items() if m not in REFERENCES}
    return {m: f for m, f in models.items() if m != "initial_guess"} or models


def comparable(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Values whose range shows all that can be compared, shape `(n,)`.

    Those of the truth, so that a method that diverged can't stretch it. Observations
    may miss a part of the range: then those of the fitted methods too, for the same
    reason not more than the range of the observations beyond it.
    """
    if "truth" in fields:
        return np.ravel(fields["truth"])
    models = np.concatenate([np.ravel(field) for field in fitted(fields).values()])
    observed = np.ravel(fields.get("observed", []))
    if not np.isfinite(observed).any():
        return models
    low, high = limits(observed, margin=0.0)
    models = np.clip(models, 2 * low - high, 2 * high - low)
    return np.concatenate([observed, models])


def finite(values) -> np.ndarray:
    """The values in float64, with NaN for every non-finite one."""
    values = np.asarray(values, np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def label(method: str, values) -> str:
    """The method's name, with a remark where its values aren't all finite."""
    is_model = method not in (*REFERENCES, "interpolation")
    diverged = is_model and not np.isfinite(values).all()
    return LABELS[method] + (" (diverged)" if diverged else "")


def words(name: str) -> str:
    """The name of a quantity or coefficient as text, such as `inflow rate`."""
    return name.replace("_", " ")


def with_unit(name: str, unit: str) -> str:
    """The name as text, and the unit where there is one."""
    return f"{words(name)} ({unit})" if unit else words(name)


def field_labels(name: str, is_vector: bool) -> tuple[str, str]:
    """Labels of a field and of its error, in bars where a norm is shown."""
    bar = "|" * is_vector
    return f"{bar}{name}{bar}", f"{bar}error of {name}{bar}"


def magnitude(u) -> np.ndarray:
    """Euclidean norm over the last axis; a single component keeps its sign."""
    u = np.asarray(u)
    return u[..., 0] if u.shape[-1] == 1 else np.sqrt(np.sum(u**2, axis=-1))


def plot_line(ax, method: str, x, y, **options):
    """Plots one method's line with a few markers.

    Args:
        ax: The axes.
        method: A key of `LINES`.
        x: Shape `(n,)`.
        y: Shape `(n,)`; non-finite entries leave gaps.
        **options: Override the method's line options.

    Returns:
        The line.
    """
    # Each method starts its markers elsewhere, so that curves that coincide show.
    every = max(1, len(x) // NUM_MARKERS)
    first = list(LINES).index(method) * every // len(LINES)
    look = {"linewidth": 1.4, "zorder": 3, "markevery": (first, every)}
    return ax.plot(x, finite(y), **{**look, **LINES[method], **options})[0]


BAND = {"alpha": 0.2, "linewidth": 0}


def plot_band(ax, method: str, x, low, high):
    """Fills what is between two curves of one method, each of shape `(n,)`."""
    look = {**BAND, "color": LINES[method]["color"]}
    ax.fill_between(x, finite(low), finite(high), **look)


def band_handle() -> Patch:
    """For a legend."""
    return Patch(**BAND, color="black")


def observed_spans(arrays) -> list[tuple[float, float]]:
    """Intervals of a 1-D box in which every cell was observed; none if all are."""
    observed = arrays["observed"].astype(bool)
    if observed.all():
        return []
    dx = float(arrays["extent"][0]) / observed.size
    steps = np.diff(np.concatenate([[0], observed.astype(int), [0]]))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return [(a * dx, b * dx) for a, b in zip(starts, ends, strict=True)]


def shade_observed(ax, arrays):
    """Shades the observed region behind lines over x; labels it for the legend."""
    for i, (left, right) in enumerate(observed_spans(arrays)):
        ax.axvspan(left, right, label="_" * bool(i) + "observed region", **REGION)


def limits(values, margin: float = 0.08) -> tuple[float, float]:
    """Limits of an axis around the finite values, (0, 1) if there are none."""
    values = finite(values)
    if np.isnan(values).all():
        return 0.0, 1.0
    low, high = np.nanmin(values), np.nanmax(values)
    pad = margin * (high - low) if high > low else 0.1 * abs(high) or 0.1
    return low - pad, high + pad


def log_limits(curves, ceiling: float, decades: float) -> tuple[float, float] | None:
    """Limits of a logarithmic axis that outliers can't stretch.

    Args:
        curves: Arrays; only their finite positive entries count.
        ceiling: No limit above it, unless every value is.
        decades: The axis spans at most this many.

    Returns:
        `(low, high)`, or None where no value can be shown.
    """
    values = np.concatenate([finite(curve).ravel() for curve in curves])
    values = values[values > 0]
    if not values.size:
        return None
    high = max(min(values.max(), ceiling), values.min())
    low = max(values.min(), high * 10.0**-decades)
    return low / 1.5, high * 1.5

"""Images over space, or space and time: placement, colour scales, observed region."""

from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.colors import Colormap

from hyco_jax.scoring.plots import style, units

MISSING = "0.75"
MAX_IMBALANCE = 3
NUM_ARROWS = 8
ARROWS = {
    "color": "white",
    "edgecolor": "black",
    "linewidth": 0.4,
    "width": 0.014,
    "headwidth": 3.5,
    "headlength": 3.5,
    "headaxislength": 3.2,
    "minlength": 0,
}


class Frame(NamedTuple):
    """How the images of a figure are placed and named.

    Attributes:
        box: `(left, right, bottom, top)` of an image.
        xlabel: Of the horizontal axis.
        ylabel: Of the vertical axis.
        height: Of an image, in units of its width.
        rigid: Whether that is kept exactly, as for a plane.
    """

    box: tuple[float, float, float, float]
    xlabel: str
    ylabel: str
    height: float
    rigid: bool

    @property
    def box_aspect(self) -> float | None:
        """Height over width of the axes, or None where the layout may choose."""
        return self.height if self.rigid else None


class Scale(NamedTuple):
    """A colour scale: the map, its limits, and the ends that values go beyond."""

    cmap: Colormap
    low: float
    high: float
    extend: str


def plane(arrays) -> Frame:
    """The frame of images over a 2-D box."""
    width, height = map(float, arrays["extent"])
    labels = [units.position(arrays, axis) for axis in "xy"]
    return Frame((0, width, 0, height), *labels, height / width, True)


def space_time(arrays) -> Frame:
    """The frame of images over position and time."""
    times, half = arrays["times"], float(arrays["dt"]) / 2
    box = (0, float(arrays["extent"][0]), times[0] - half, times[-1] + half)
    return Frame(box, units.position(arrays), units.time(arrays), 1.3, False)


def show(ax, image: np.ndarray, scale: Scale, frame: Frame):
    """Shows an image of shape `(vertical, horizontal)` and returns its artist."""
    ax.set_box_aspect(frame.box_aspect)
    return ax.imshow(
        style.finite(image),
        extent=frame.box,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=scale.cmap,
        vmin=scale.low,
        vmax=scale.high,
    )


def add_bar(axes: np.ndarray, shown, scale: Scale, frame: Frame, label: str):
    """Adds the colour bar that all of `axes` share, as tall as they are."""
    axes = np.atleast_2d(axes)
    axes[0, 0].figure.colorbar(
        shown,
        ax=list(axes.flat),
        extend=scale.extend,
        label=label,
        fraction=0.05,
        pad=0.02,
        shrink=0.92,
        aspect=14 * len(axes) * frame.height,
    )


def field_scale(fields: dict[str, np.ndarray]) -> Scale:
    """The range of the reference, or without one that of the fitted methods.

    A range that goes as far below 0 as above, within a factor of `MAX_IMBALANCE`, has a
    diverging scale with 0 in its middle.
    """
    low, high = style.limits(style.comparable(fields), margin=0.0)
    largest = max(-low, high)
    if min(-low, high) * MAX_IMBALANCE >= largest:
        return _scale(style.SIGNED_FIELD_MAP, -largest, largest, fields)
    return _scale(style.FIELD_MAP, low, high, fields)


def error_scale(fields, errors, signed: bool) -> Scale:
    """A scale for the errors, the initial guess aside, cut at the fields' range."""
    low, high = style.limits(style.comparable(fields), margin=0.0)
    sizes = np.abs(style.finite(list(style.fitted(errors).values())))
    # A quantile keeps a few cells at a steep front from washing out the rest.
    largest = np.nanquantile(sizes, 0.998) if np.isfinite(sizes).any() else np.inf
    largest = min(largest, high - low) or 1.0
    if signed:
        return _scale(style.SIGNED_ERROR_MAP, -largest, largest, errors)
    return _scale(style.UNSIGNED_ERROR_MAP, 0.0, largest, errors)


def deviation_scale(deviations: dict[str, np.ndarray]) -> Scale:
    """A scale for standard errors, from 0 on."""
    sizes = style.finite(list(deviations.values()))
    largest = np.nanquantile(sizes, 0.998) if np.isfinite(sizes).any() else 1.0
    return _scale(style.UNSIGNED_ERROR_MAP, 0.0, largest or 1.0, deviations)


def mark_observed(ax, arrays) -> list:
    """Draws the boundary of the observed region, in black on white to show anywhere.

    Args:
        ax: Axes over position, and in 1-D over time.
        arrays: As in `plots`.

    Returns:
        The artists; none if the whole grid was observed, or nothing.
    """
    observed = arrays["observed"].astype(float)
    if not 0 < observed.mean() < 1:
        return []
    artists = []
    for look in (
        {"color": "white", "linewidth": 1.6, "linestyle": "-"},
        {"color": "black", "linewidth": 0.9, "linestyle": "--"},
    ):
        if observed.ndim == 1:
            edges = sorted({x for span in style.observed_spans(arrays) for x in span})
            artists += [ax.axvline(x, **look) for x in edges]
        else:
            points = np.moveaxis(arrays["coordinates"], -1, 0).transpose(0, 2, 1)
            options = {f"{name}s": value for name, value in look.items()}
            artists.append(ax.contour(*points, observed.T, [0.5], **options))
    return artists


def add_arrows(ax, vectors: np.ndarray, longest: float, arrays):
    """Draws a few arrows over the image of a plane's vectors.

    Args:
        ax: The axes.
        vectors: Shape `(X, Y, D)`; the first two components are shown.
        longest: The norm of the longest arrow, as long as arrows are apart; what goes
            beyond is cut, so that a method that diverged can't cover the image.
        arrays: As in `plots`.
    """
    extent, shape = arrays["extent"], np.array(vectors.shape[:2])
    dx = extent / shape
    apart = max(extent) / NUM_ARROWS
    i, j = (
        np.linspace(0, n - 1, 2 * max(1, round(length / apart)) + 1)[1::2].astype(int)
        for n, length in zip(shape, extent, strict=True)
    )
    u = style.finite(vectors[np.ix_(i, j)])[..., :2]
    norm = np.linalg.norm(u, axis=-1, keepdims=True)
    u = u / np.maximum(norm, longest or 1.0)
    ax.quiver(
        *np.meshgrid((i + 0.5) * dx[0], (j + 0.5) * dx[1], indexing="ij"),
        *np.moveaxis(u, -1, 0),
        angles="xy",
        scale_units="xy",
        scale=1 / apart,
        pivot="middle",
        **ARROWS,
    )


def _scale(name, low, high, images):
    values = style.finite(np.concatenate([np.ravel(i) for i in images.values()]))
    tolerance = 1e-6 * (high - low)
    below, above = (values < low - tolerance).any(), (values > high + tolerance).any()
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}
    cmap = matplotlib.colormaps[name].with_extremes(bad=MISSING)
    return Scale(cmap, low, high, extend[int(below), int(above)])

"""The figures of a run, drawn from saved arrays; nothing is simulated again.

`arrays` maps names to arrays, as a run writes them to `arrays.npz`; a method is a key
of `table.ROWS`, and any subset of the methods may be present:
    coordinates: Cell centres, shape `(*S, D)`, D = 1 or 2; 3 in `middle_plane`.
    extent, dt: Shapes `(D,)` and `()`.
    observed: Cells in which the state was observed, shape `(*S,)`, bool.
    quantities, components: Names of the quantities to draw and how many channels each
        has, shape `(Q,)`.
    coefficient/<name>/truth, coefficient/<name>/<method>: Shape `()` of a number,
        `(*S,)` of a field, `(*S, D)` of a vector field. The truth where it is known.
    deviation/<name>/<method>: Standard errors of these, of the same shapes, where they
        are known.
    rollout/truth, rollout/<method>: One simulation, shape `(T + 1, *S, C)`. The
        channels are those of the quantities, then others that aren't drawn.
    rollout/observed: Takes the place of an unknown truth; NaN where unobserved.
    times: Shape `(T + 1,)`.
    time_unit, length_unit: Shape `()`, where there are units; a long record in seconds
        is drawn in days, hours or minutes.
    coefficient_unit/<name>: Of a coefficient, shape `()`, where it is known.
    nrmse/train/<method>, nrmse/val/<method>, nrmse/test/<method>: nRMSE over time,
        shape `(T + 1,)`; NaN at times at which nothing was observed.
    members/<split>/<method>: Of an ensemble, the least and the largest such curve of a
        single member, shape `(2, T + 1)`.
    spread/<method>: Of an ensemble, of its members' predictions of readings.
    readings/<entry>, predicted/<method>: Of data that are readings, see
        `scoring.readings.arrays`; these have no `rollout/observed`.
What has no unit is nondimensional. Non-finite values, from a method that diverged,
leave gaps.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np

from hyco_jax.scoring.plots import (
    animation,
    coefficient,
    curves,
    rollouts,
    sensors,
    series,
    style,
    units,
)

DPI = 150
REQUIRED = frozenset(
    {"coordinates", "extent", "dt", "observed", "times", "quantities", "components"}
)


def draw_all(
    arrays: Mapping[str, np.ndarray],
    history: Sequence[Mapping[str, Any]],
    directory: str | Path,
) -> list[Path]:
    """Draws every figure that the arrays and the history have data for.

    Args:
        arrays: See above; an open `.npz` file will do.
        history: Lines of `metrics.jsonl`, as `curves.history` takes them.
        directory: Where `coefficient_<name>.png`, `fields_<quantity>.png`, `nrmse.png`,
            `history.png`, of readings `sensors.png`, `series_<channel>.png` and
            `errors_<channel>.png`, and `rollout.gif`, of the first quantity, go; made
            if need be.

    Returns:
        The files written, in the order of drawing.

    Raises:
        ValueError: If the arrays aren't those of a 1-D or 2-D problem.
    """
    _check_names(arrays)
    arrays = {name: np.asarray(arrays[name]) for name in arrays}
    _check_shapes(arrays)
    arrays = units.readable(arrays)
    quantities = list(rollouts.channels(arrays))
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    with matplotlib.style.context(["default", style.RC]):
        figures = {
            f"coefficient_{name}.png": coefficient.draw(arrays, name)
            for name in coefficient.names(arrays)
        }
        figures |= {f"fields_{q}.png": rollouts.draw(arrays, q) for q in quantities}
        figures |= {
            "nrmse.png": curves.nrmse(arrays),
            "history.png": curves.history(history),
            "sensors.png": sensors.draw(arrays),
        }
        for channel, name in enumerate(arrays.get("readings/names", ())):
            figures[f"series_{name}.png"] = series.draw(arrays, channel)
            figures[f"errors_{name}.png"] = series.errors(arrays, channel)
        for name, figure in figures.items():
            if figure is not None:
                figure.savefig(directory / name, dpi=DPI)
                written.append(directory / name)
        if rollouts.states(arrays, quantities[0]).keys() - {*style.REFERENCES}:
            animation.save(arrays, quantities[0], directory / "rollout.gif")
            written.append(directory / "rollout.gif")
    return written


def middle_plane(arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Takes the plane in the middle of the last of three axes.

    Args:
        arrays: See above, with D = 1, 2 or 3.

    Returns:
        For D = 3 the arrays of a 2-D problem, whose vectors keep all three components;
        else `arrays`.

    Raises:
        ValueError: If names are missing.
    """
    _check_names(arrays)
    if arrays["coordinates"].shape[-1] != 3:
        return arrays
    middle = arrays["observed"].shape[-1] // 2

    def take(name, array):
        group = name.split("/")[0]
        if group == "coordinates":
            return array[:, :, middle, :2]
        if group == "extent":
            return array[:2]
        if group == "rollout":
            return array[:, :, :, middle]
        of_coefficient = group in ("coefficient", "deviation")
        is_field = group == "observed" or (of_coefficient and array.ndim)
        return array[:, :, middle] if is_field else array

    return {name: take(name, arrays[name]) for name in arrays}


def _check_names(arrays):
    missing = REQUIRED - set(arrays)
    if missing:
        raise ValueError(
            f"the arrays to plot lack {sorted(missing)}, got {sorted(arrays)}; save "
            "them again with tasks=evaluate"
        )


def _check_shapes(arrays):
    ndim = arrays["coordinates"].shape[-1]
    if ndim not in (1, 2):
        raise ValueError(
            f"coordinates of {ndim} axes can't be plotted, expected 1 or 2; pass "
            "middle_plane(arrays)"
        )
    components = arrays["components"]
    if not components.size or components.shape != arrays["quantities"].shape:
        raise ValueError(
            "expected as many components as quantities and at least one, got "
            f"{components} and {arrays['quantities']}; save them again with "
            "tasks=evaluate"
        )
    for name in arrays:
        if name.startswith("rollout/") and arrays[name].shape[-1] < components.sum():
            raise ValueError(
                f"{name} has {arrays[name].shape[-1]} channels, expected at least "
                f"{components.sum()}, those of {list(arrays['quantities'])}; save them "
                "again with tasks=evaluate"
            )

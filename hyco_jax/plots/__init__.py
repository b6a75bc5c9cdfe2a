"""The figures of a run, drawn from saved arrays; nothing is simulated again.

`arrays` maps names to arrays, as a run writes them to `arrays.npz`; a method is a key
of `table.ROWS`, and any subset of the methods may be present:
    coordinates: Cell centres, shape `(*S, D)`, D = 1 or 2.
    extent, dt: Shapes `(D,)` and `()`.
    observed: Where the state was observed, shape `(*S,)`, bool.
    coefficient/truth, coefficient/<method>: Viscosity fields, shape `(*S,)`.
    rollout/truth, rollout/<method>: One simulation, shape `(T + 1, *S, C)`.
    times: Shape `(T + 1,)`.
    nrmse/train/<method>, nrmse/val/<method>: nRMSE over time, shape `(T + 1,)`.
Quantities are nondimensional. Non-finite values, from a method that diverged, leave
gaps.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np

from hyco_jax.plots import animation, coefficient, curves, rollouts, style

DPI = 150


def draw_all(
    arrays: Mapping[str, np.ndarray],
    history: Sequence[Mapping[str, Any]],
    directory: str | Path,
) -> list[Path]:
    """Draws every figure that the arrays and the history have data for.

    Args:
        arrays: See above; an open `.npz` file will do.
        history: Lines of `metrics.jsonl`, as `curves.history` takes them.
        directory: Where `coefficient.png`, `fields.png`, `nrmse.png`, `history.png`
            and `rollout.gif` go; made if need be.

    Returns:
        The files written, in the order of drawing.

    Raises:
        ValueError: If the arrays aren't those of a 1-D or 2-D problem.
    """
    arrays = {name: np.asarray(arrays[name]) for name in arrays}
    _check(arrays)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    with matplotlib.style.context(["default", style.RC]):
        figures = {
            "coefficient.png": coefficient.draw(arrays),
            "fields.png": rollouts.draw(arrays),
            "nrmse.png": curves.nrmse(arrays),
            "history.png": curves.history(history),
        }
        for name, figure in figures.items():
            if figure is not None:
                figure.savefig(directory / name, dpi=DPI)
                written.append(directory / name)
        if len(rollouts.states(arrays)) > 1:
            animation.save(arrays, directory / "rollout.gif")
            written.append(directory / "rollout.gif")
    return written


def _check(arrays):
    missing = {"coordinates", "extent", "dt", "observed", "times"} - set(arrays)
    if missing:
        raise ValueError(
            f"the arrays to plot lack {sorted(missing)}, got {sorted(arrays)}; save "
            "them again with tasks=evaluate"
        )
    ndim = arrays["coordinates"].shape[-1]
    if ndim not in (1, 2):
        raise ValueError(
            f"coordinates of {ndim} axes can't be plotted, expected 1 or 2; pass a "
            "plane of the arrays"
        )

"""The figure of a rollout: truth, or what was observed, fields of models and errors.

Of data that are readings at points, the fields of the models alone.
"""

import numpy as np
from matplotlib.figure import Figure

from hyco_jax.scoring.plots import image_grid, images, style

NUM_SNAPSHOTS = 3


def draw(arrays, quantity: str) -> Figure | None:
    """Draws one quantity in a rollout of every trained model beside any reference.

    Args:
        arrays: As in `plots`.
        quantity: Its name.

    Returns:
        In 1-D space-time images, in 2-D snapshots: a scalar and its signed error, or
        the norm of a vector and of its error; grey where nothing was observed. None if
        no model has a rollout.
    """
    fields = states(arrays, quantity)
    name = style.reference(fields)
    methods = [method for method in fields if method != name]
    if not methods:
        return None
    errors = {m: fields[m] - fields[name] for m in methods if name is not None}
    if arrays["observed"].ndim == 1:
        rows, frame, select = [""], images.space_time(arrays), _all_times
    else:
        is_observed = np.ones(len(arrays["times"]), bool)
        if name is not None:
            is_observed = np.isfinite(fields[name]).any(axis=(1, 2, 3))
        frames = snapshot_frames(is_observed)
        rows = [f"t = {arrays['times'][i]:.3g}" for i in frames]
        frame, select = images.plane(arrays), lambda u: u[frames].transpose(0, 2, 1)
    field_label, error_label = labels(arrays, quantity)
    return image_grid.draw(
        {m: select(style.magnitude(u)) for m, u in fields.items()},
        {m: select(style.magnitude(u)) for m, u in errors.items()},
        arrays,
        frame,
        rows=rows,
        field_label=field_label,
        error_label=error_label,
        signed=fields[methods[0]].shape[-1] == 1,
    )


def channels(arrays) -> dict[str, slice]:
    """Maps the name of every quantity, in order, to its channels."""
    stops = np.cumsum(arrays["components"])
    parts = zip(arrays["quantities"], arrays["components"], stops, strict=True)
    return {str(name): slice(int(stop - n), int(stop)) for name, n, stop in parts}


def labels(arrays, quantity: str) -> tuple[str, str]:
    """Labels of a quantity as it is drawn, and of its error."""
    part = channels(arrays)[quantity]
    return style.field_labels(style.words(quantity), part.stop - part.start > 1)


def states(arrays, quantity: str) -> dict[str, np.ndarray]:
    """The rollouts of a quantity to show, the reference first if there is one."""
    methods = style.methods(arrays, "rollout")
    # The guess is no result: it gives way unless it is all there is.
    methods = [m for m in methods if m != "initial_guess"] or methods
    part = channels(arrays)[quantity]
    names = [n for n in style.REFERENCES if f"rollout/{n}" in arrays][:1] + methods
    return {m: style.finite(arrays[f"rollout/{m}"][..., part]) for m in names}


def snapshot_frames(is_observed: np.ndarray) -> list[int]:
    """Frames evenly spaced among those observed, the last of them included.

    Args:
        is_observed: Of every time, shape `(T + 1,)`, bool. If none is, all count.

    Returns:
        At most `NUM_SNAPSHOTS` indices; the initial state only if there is no other.
    """
    frames = np.flatnonzero(is_observed | ~is_observed.any())
    frames = frames[frames > 0] if frames[-1] > 0 else frames
    parts = range(1, NUM_SNAPSHOTS + 1)
    chosen = {max(0, round(i * len(frames) / NUM_SNAPSHOTS) - 1) for i in parts}
    return [int(frames[i]) for i in sorted(chosen)]


def _all_times(u):
    return u[None]

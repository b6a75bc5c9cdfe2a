"""The figure of a validation rollout: truth, the models' fields and their errors."""

import numpy as np
from matplotlib.figure import Figure

from hyco_jax.scoring.plots import image_grid, images, style

NUM_SNAPSHOTS = 3


def draw(arrays, quantity: str) -> Figure | None:
    """Draws one quantity in a rollout of every trained model beside the truth.

    Args:
        arrays: As in `plots`.
        quantity: Its name.

    Returns:
        In 1-D space-time images, in 2-D snapshots: a scalar and its signed error, or
        the norm of a vector and of its error; None if no model has a rollout.
    """
    fields = states(arrays, quantity)
    if len(fields) < 2:
        return None
    truth = fields["truth"]
    errors = {m: u - truth for m, u in fields.items() if m != "truth"}
    if arrays["observed"].ndim == 1:
        rows, frame, select = [""], images.space_time(arrays), _all_times
    else:
        frames = snapshot_frames(len(arrays["times"]))
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
        signed=truth.shape[-1] == 1,
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
    """The rollouts of a quantity to show, the truth's first; without it, none."""
    methods = style.methods(arrays, "rollout")
    # The guess is no result: it gives way unless it is all there is.
    methods = [m for m in methods if m != "initial_guess"] or methods
    names = [m for m in ["truth", *methods] if "rollout/truth" in arrays]
    part = channels(arrays)[quantity]
    return {m: style.finite(arrays[f"rollout/{m}"][..., part]) for m in names}


def snapshot_frames(num_times: int) -> list[int]:
    """Evenly spaced frames, the last among them and the initial state not."""
    return sorted(
        {
            round(i * (num_times - 1) / NUM_SNAPSHOTS)
            for i in range(1, NUM_SNAPSHOTS + 1)
        }
    )


def _all_times(u):
    return u[None]

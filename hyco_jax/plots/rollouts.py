"""The figure of a validation rollout: truth, the models' fields and their errors."""

import numpy as np
from matplotlib.figure import Figure

from hyco_jax.plots import image_grid, images, style

NUM_SNAPSHOTS = 3


def draw(arrays) -> Figure | None:
    """Draws a rollout of every trained model beside the truth.

    Args:
        arrays: As in `plots`.

    Returns:
        In 1-D space-time images with signed errors, in 2-D snapshots of the velocity
        magnitude with the magnitude of the error; None if no model has a rollout.
    """
    fields = states(arrays)
    if len(fields) < 2:
        return None
    truth = fields["truth"]
    errors = {m: u - truth for m, u in fields.items() if m != "truth"}
    signed = truth.shape[-1] == 1
    if arrays["observed"].ndim == 1:
        rows, frame, select = [""], images.space_time(arrays), _all_times
    else:
        frames = snapshot_frames(len(arrays["times"]))
        rows = [f"t = {arrays['times'][i]:.3g}" for i in frames]
        frame, select = images.plane(arrays), lambda u: u[frames].transpose(0, 2, 1)
    return image_grid.draw(
        {m: select(magnitude(u)) for m, u in fields.items()},
        {m: select(magnitude(u)) for m, u in errors.items()},
        arrays,
        frame,
        rows=rows,
        field_label="velocity u" if signed else "velocity |u|",
        error_label="error of u" if signed else "error |Δu|",
        signed=signed,
    )


def states(arrays) -> dict[str, np.ndarray]:
    """The rollouts to show, the truth's first; without it, none."""
    methods = style.methods(arrays, "rollout")
    # The guess is no result: it gives way unless it is all there is.
    methods = [m for m in methods if m != "initial_guess"] or methods
    names = [m for m in ["truth", *methods] if "rollout/truth" in arrays]
    return {m: style.finite(arrays[f"rollout/{m}"]) for m in names}


def magnitude(u: np.ndarray) -> np.ndarray:
    """Euclidean norm over the channels; a single channel keeps its sign."""
    return u[..., 0] if u.shape[-1] == 1 else np.sqrt(np.sum(u**2, axis=-1))


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

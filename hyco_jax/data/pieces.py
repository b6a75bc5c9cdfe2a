"""Long records cut into segments, for models that step from the start of each."""

import dataclasses

import numpy as np

from hyco_jax.data.readings import Readings


def cut(readings: Readings, length: int, count: int, dt: float) -> Readings:
    """Takes readings to the segments in which they are.

    Args:
        readings: Any.
        length: Steps of a segment. What is read at its end belongs to it, and what is
            read later than the last one's too.
        count: Number n of segments.
        dt: Time step.

    Returns:
        The readings, simulation s and segment k as simulation `n s + k`, their times
        since its beginning.
    """
    which = np.ceil(readings.time / (length * dt) - 1e-6).astype(int) - 1
    which = np.clip(which, 0, count - 1)
    return dataclasses.replace(
        readings,
        sim=(readings.sim * count + which).astype(np.int32),
        time=readings.time - which * length * dt,
        sims=tuple(f"{sim}/{k}" for sim in readings.sims for k in range(count)),
    )


def cut_sims(sims: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The segments of some simulations, see `cut`."""
    return tuple(count * sim + k for sim in sims for k in range(count))


def cut_states(
    starts: np.ndarray, given: np.ndarray | None, length: int, horizon: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Initial states and driven channels of segments, see `cut`.

    Args:
        starts: Shape `(N, n, *S, C)`.
        given: Shape `(N, T' + 1, *S, G)`, or None.
        length: Steps of a segment.
        horizon: Number K of steps that are asked for.

    Returns:
        Shapes `(N n, *S, C)` and `(N n, K + 1, *S, G)`, the last value going on.
    """
    count = starts.shape[1]
    flat = starts.reshape(-1, *starts.shape[2:])
    if given is None:
        return flat, None
    times = length * np.arange(count)[:, None] + np.arange(horizon + 1)
    taken = given[:, np.minimum(times, given.shape[1] - 1)]
    return flat, taken.reshape(-1, *taken.shape[2:])

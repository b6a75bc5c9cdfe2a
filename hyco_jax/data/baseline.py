"""The baseline that a model must beat: linear interpolation between the readings."""

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from hyco_jax.data.readings import Readings

# A triangulation takes seconds at most; of more points, this many are drawn.
MAX_POINTS = {2: 500_000, 3: 100_000, 4: 10_000}
# Times at which a record may start or end; of more, they are taken to a grid of these.
MAX_EVENTS = 64


def interpolate(readings: Readings) -> np.ndarray:
    """Predicts every row from the rows of the same simulation that aren't held out.

    Sensors that stay in place: linear in time at each, then linear in space between
    those that read both before and after the row's time (if there are none, those whose
    record is nearest). So it is exact for multilinear functions in 1-D, for linear ones
    in 2-D and 3-D. Places that are read less than twice, as by sensors that move:
    linear in space and time together, each measured by its range. Both are linear in
    each simplex of a triangulation, and outside of it take the nearest reading.

    Args:
        readings: Of all simulations. Values that are held out are never looked at.

    Returns:
        Shape `(R, V)`; a row that isn't held out gets its own value back. NaN where a
        channel was never read in the simulation.
    """
    result = np.full(readings.values.shape, np.nan)
    usable = np.isfinite(readings.values) & ~readings.is_held_out[:, None]
    order = np.argsort(readings.sim, kind="stable")
    starts = np.flatnonzero(np.diff(readings.sim[order])) + 1
    for rows in np.split(order, starts):
        for channels in _read_together(usable[rows]):
            known = rows[usable[rows, channels[0]]]
            if known.size:
                result[np.ix_(rows, channels)] = between(
                    readings.position[known],
                    readings.time[known],
                    readings.values[np.ix_(known, channels)],
                    readings.position[rows],
                    readings.time[rows],
                )
    return result


def _read_together(usable) -> list[np.ndarray]:
    """Groups of channels that were read in the same rows."""
    patterns, group = np.unique(usable, axis=1, return_inverse=True)
    group = group.reshape(-1)
    return [np.flatnonzero(group == i) for i in range(patterns.shape[1])]


def between(
    position: np.ndarray,
    time: np.ndarray,
    values: np.ndarray,
    at: np.ndarray,
    at_time: np.ndarray,
) -> np.ndarray:
    """Interpolates readings of one simulation, see `interpolate`.

    Args:
        position: Of the readings, shape `(P, D)`.
        time: Shape `(P,)`.
        values: Shape `(P, V)`, finite.
        at: Positions that are asked for, shape `(Q, D)`.
        at_time: Times, shape `(Q,)`.

    Returns:
        Shape `(Q, V)`.
    """
    places, place = np.unique(position, axis=0, return_inverse=True)
    if 2 * len(places) <= len(position):
        return _stationary(places, place.reshape(-1), time, values, at, at_time)
    low = np.column_stack([position, time]).min(axis=0)
    extent = np.column_stack([position, time]).max(axis=0) - low
    extent = np.where(extent > 0, extent, 1.0)
    points, values = _means((np.column_stack([position, time]) - low) / extent, values)
    limit = MAX_POINTS[points.shape[1]]
    if len(points) > limit:
        chosen = np.random.default_rng(0).permutation(len(points))[:limit]
        points, values = points[chosen], values[chosen]
    queries = (np.column_stack([at, at_time]) - low) / extent
    corners, weights = _barycentric(points, queries)
    return np.einsum("qk,qkv->qv", weights, values[corners])


def _stationary(places, place, time, values, at, at_time):
    """First in time at each place, then in space between those with a record."""
    keys, values = _means(np.column_stack([place, time]), values)
    place, time = keys[:, 0].astype(int), keys[:, 1]
    starts = np.searchsorted(place, np.arange(len(places)))
    first, last = time[starts], time[np.append(starts[1:], len(time)) - 1]
    # Between two of these events the places with a record are the same.
    events = np.unique([first, last])
    if len(events) > MAX_EVENTS:
        step = (events[-1] - events[0]) / MAX_EVENTS
        first = events[0] + step * np.floor((first - events[0]) / step)
        last = events[0] + step * np.ceil((last - events[0]) / step)
        events = np.unique([first, last])
    before = np.searchsorted(events, at_time, "left")
    group = before + np.searchsorted(events, at_time, "right")
    result = np.empty((len(at), values.shape[1]))
    for number in np.unique(group):
        rows = np.flatnonzero(group == number)
        now = at_time[rows[0]]
        gap = np.maximum(np.maximum(first - now, now - last), 0)
        chosen = np.flatnonzero(gap == gap.min())
        corners, weights = _barycentric(places[chosen], at[rows])
        found = _at_times(place, time, values, chosen[corners], at_time[rows])
        result[rows] = np.einsum("qk,qkv->qv", weights, found)
    return result


def _at_times(place, time, values, places, times):
    """Linear in time at places `(Q, K)` and times `(Q,)`, constant beyond records."""
    # Ranks of times are whole numbers, so that the keys are in exact order.
    ranks = np.unique(time)
    keys = place * (len(ranks) + 1) + np.searchsorted(ranks, time, "right")
    wanted = places * (len(ranks) + 1)
    wanted = wanted + np.searchsorted(ranks, times, "right")[:, None]
    last = np.searchsorted(keys, wanted, "right") - 1
    last = np.where(place[last] == places, last, last + 1)
    after = np.minimum(last + 1, len(place) - 1)
    after = np.where(place[after] == places, after, last)
    step = np.where(after > last, time[after] - time[last], 1.0)
    part = np.clip((times[:, None] - time[last]) / step, 0, 1) * (after > last)
    low, high = values[last], values[after]
    return low + part[..., None] * (high - low)


def _means(points, values):
    """The distinct points in order, and the means of the values at each."""
    points, index, counts = np.unique(
        points, axis=0, return_inverse=True, return_counts=True
    )
    sums = np.zeros((len(points), values.shape[1]))
    np.add.at(sums, index.reshape(-1), values)
    return points, sums / counts[:, None]


def _barycentric(points, queries):
    """Corners `(Q, K)`, indices of the points, and weights `(Q, K)` that sum to 1."""
    _, sizes, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    axes = axes[sizes > 1e-9 * sizes.max()] if sizes.max() > 0 else axes[:0]
    if len(axes) < points.shape[1]:
        # Such as sensors along a line in a plane, which have no triangles.
        points, queries = points @ axes.T, queries @ axes.T
    if len(axes) == 0:
        return np.zeros((len(queries), 1), int), np.ones((len(queries), 1))
    if len(axes) == 1:
        return _along_a_line(points[:, 0], queries[:, 0])
    corners = np.zeros((len(queries), len(axes) + 1), int)
    weights = np.full(corners.shape, np.nan)
    try:
        simplices = Delaunay(points)
    except QhullError:  # Too flat.
        pass
    else:
        which = simplices.find_simplex(queries)
        inside = which >= 0
        maps = simplices.transform[which[inside]]
        first = np.einsum("qij,qj->qi", maps[:, :-1], queries[inside] - maps[:, -1])
        corners[inside] = simplices.simplices[which[inside]]
        weights[inside] = np.column_stack([first, 1 - first.sum(axis=1)])
    outside = ~np.isfinite(weights).all(axis=1)
    if outside.any():
        corners[outside] = cKDTree(points).query(queries[outside])[1][:, None]
        weights[outside] = np.eye(1, weights.shape[1])
    return corners, weights


def _along_a_line(points, queries):
    order = np.argsort(points)
    right = np.searchsorted(points[order], queries, "right").clip(1, len(order) - 1)
    corners = np.column_stack([order[right - 1], order[right]])
    low, high = points[corners].T
    part = np.clip((queries - low) / (high - low), 0, 1)
    return corners, np.column_stack([1 - part, part])

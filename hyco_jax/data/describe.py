"""Observations in words: what `print` shows of them."""

import numpy as np

from hyco_jax.data.readings import SCATTERED, Readings
from hyco_jax.data.table_columns import listed


def describe(observations) -> str:
    """Describes `Observations`: what there is, where from, and what is assumed."""
    observed = observations.observed
    if isinstance(observed, Readings):
        lines = _describe_readings(observed)
        sims, between = observed.sims, "linear in time and space, of models on a grid"
    else:
        lines = _describe_grid(observed, observations.sigma)
        sims, between = range(len(observed.states)), "none: the data are on the grid"
    splits = "; ".join(
        f"{name} {listed(sims[i] for i in chosen)}"
        for name, chosen in observations.splits.items()
    )
    lines += [
        f"simulations: {splits}",
        f"state at t = 0: {_describe_initial(observations.initial)}",
        f"interpolation of predictions: {between}",
        f"truth: {_describe_truth(observations.truth)}",
        *observations.notes,
    ]
    return "\n".join([lines[0], *(f"  {line}" for line in lines[1:])])


def _describe_readings(readings):
    times = np.unique(readings.time)
    axes = "xyz"[: readings.position.shape[1]]
    lines = [
        f"Readings: {readings.count} rows, {readings.num_sims} simulation(s)",
        f"t: {len(times)} times from {times[0]:g} to {times[-1]:g}",
        *(
            f"{axis}: {_range(x)}"
            for axis, x in zip(axes, readings.position.T, strict=True)
        ),
        f"sensors: {_describe_sensors(readings)}",
    ]
    for i, (name, unit) in enumerate(zip(readings.names, readings.units, strict=True)):
        values = readings.values[:, i]
        is_read = np.isfinite(values)
        sigma = None if readings.sigma is None else readings.sigma[is_read, i]
        lines.append(_describe_value(name, unit, values[is_read], is_read, sigma))
    return [*lines, f"held out: {_describe_held_out(readings)}"]


def _describe_value(name, unit, values, is_read, sigma):
    unit = f" {unit}" if unit else ""
    share = f"{100 * is_read.mean():.3g} % observed"
    deviation = "not known" if sigma is None else _range(sigma) + unit
    return f"{name}: {_range(values)}{unit}, {share}, sigma {deviation}"


def _range(values):
    if not values.size:
        return "none"
    low, high = values.min(), values.max()
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _describe_sensors(readings):
    if readings.sensors == (SCATTERED,):
        return "not told apart (scattered points)"
    # A sensor that stands somewhere else in another simulation is static.
    group = readings.sim.astype(np.int64) * len(readings.sensors) + readings.sensor
    order = np.argsort(group, kind="stable")
    group, position = group[order], readings.position[order]
    moves = (group[1:] == group[:-1]) & np.any(position[1:] != position[:-1], axis=1)
    moving = len(np.unique(group[1:][moves] % len(readings.sensors)))
    used = len(np.unique(readings.sensor))
    return f"{used - moving} static, {moving} moving"


def _describe_held_out(readings):
    out = readings.is_held_out
    if not out.any():
        return "nothing"
    text = f"{out.sum()} of {readings.count} rows"
    wholly = np.setdiff1d(readings.sensor[out], readings.sensor[~out])
    if wholly.size:
        text += f"; all of sensor(s) {listed(readings.sensors[i] for i in wholly)}"
    return text


def _describe_grid(observed, sigma):
    states, weights = np.asarray(observed.states), np.asarray(observed.weights)
    sims, times, *cells, channels = states.shape
    lines = [
        f"States on a grid: {sims} simulation(s)",
        f"t: {times} times, steps 0 to {times - 1}",
        f"cells: {' x '.join(map(str, cells))}",
    ]
    is_seen = np.broadcast_to(weights > 0, states.shape)
    for i in range(channels):
        seen = is_seen[..., i] & np.isfinite(states[..., i])
        deviation = None if sigma is None or i >= len(sigma) else np.array([sigma[i]])
        values = states[..., i][seen]
        lines.append(_describe_value(f"channel {i}", "", values, seen, deviation))
    return lines


def _describe_initial(initial):
    if callable(initial):
        return "a function of position"
    if not isinstance(initial, str):
        return f"an array of shape {np.shape(initial)}"
    return {
        "given": "given with the data",
        "interpolated": "interpolated from the readings at t = 0, smoothed",
    }.get(initial, initial)


def _describe_truth(truth):
    if truth is None:
        return "not known"
    names = listed(truth.coefficients) if truth.coefficients else "none"
    return f"known; coefficients {names}"

"""States at t = 0 that were not measured on the whole grid."""

import dataclasses

import numpy as np
from scipy.interpolate import RBFInterpolator

from hyco_jax.data import baseline
from hyco_jax.data.observations import Initial
from hyco_jax.data.readings import Readings
from hyco_jax.grids import quantities as meanings
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities

# Of the roughness, in the fit of a smooth surface to readings of variance 1.
_SMOOTHINGS = (0.0, 1e-3, 1e-2, 1e-1, 1.0)
# Fewer readings say nothing of their own noise.
_FEWEST_TO_SMOOTH = 12
_NEIGHBOURS = 64


def make_u0(
    initial: Initial,
    readings: Readings,
    domain: Domain,
    dt: float,
    quantities: Quantities,
) -> np.ndarray:
    """Makes the initial states of all simulations.

    Args:
        initial: See `Observations`.
        readings: Those that may be used: not held out.
        domain: The grid.
        dt: Time step. What was read in the first half of it was read at t = 0.
        quantities: Of the state.

    Returns:
        Shape `(N, *S, C)`, float32; 0 in driven channels.

    Raises:
        ValueError: If the states are missing or don't fit the grid.
    """
    num_channels = meanings.num_channels(quantities)
    shape = (readings.num_sims, *domain.resolution, num_channels)
    count = num_channels - meanings.num_driven(quantities)
    if callable(initial):
        initial = np.asarray(initial(domain.coordinates()), np.float32)
        if initial.ndim == domain.ndim + 1:
            initial = np.broadcast_to(initial, (readings.num_sims, *initial.shape))
    if not isinstance(initial, str):
        return _given(np.asarray(initial, np.float32), shape, count)
    if initial != "interpolated":
        raise ValueError(
            f"initial={initial!r} does not fit readings at points; give "
            f"'interpolated', an array of shape {shape}, or a function of positions"
        )
    u0 = np.zeros(shape, np.float32)
    names = meanings.channel_names(quantities)
    for q, where in zip(
        quantities, meanings.channels(quantities).values(), strict=True
    ):
        for channel in range(where.start, min(where.stop, count)):
            axis = channel - where.start if q.is_staggered else None
            for sim in range(readings.num_sims):
                u0[sim, ..., channel] = _interpolate(
                    readings, sim, names[channel], domain, dt, axis
                )
    return u0


def guess_states(
    readings: Readings, times: np.ndarray, domain: Domain, quantities: Quantities
) -> np.ndarray:
    """Guesses states at any time between the readings, as `data.baseline` does.

    Args:
        readings: Those that may be used: not held out.
        times: Shape `(n,)`.
        domain: The grid.
        quantities: Of the state.

    Returns:
        Shape `(N, n, *S, C)`, float32; 0 in channels that nobody read.
    """
    names = meanings.channel_names(quantities)
    shape = (readings.num_sims, len(times), *domain.resolution)
    result = np.zeros((*shape, len(names)), np.float32)
    seen = _with_images(readings, domain)
    for q, where in zip(
        quantities, meanings.channels(quantities).values(), strict=True
    ):
        for channel in range(where.start, where.stop):
            if names[channel] not in readings.names:
                continue
            column = readings.names.index(names[channel])
            axis = channel - where.start if q.is_staggered else None
            at = np.tile(_places(domain, axis), (len(times), 1))
            at_time = np.repeat(times, len(at) // len(times))
            for sim in range(readings.num_sims):
                known = (seen.sim == sim) & np.isfinite(seen.values[:, column])
                if known.any():
                    result[sim, ..., channel] = baseline.between(
                        seen.position[known],
                        seen.time[known],
                        seen.values[known][:, column, None],
                        at,
                        at_time,
                    ).reshape(shape[1:])
    return result


def _with_images(readings, domain):
    """With those of a periodic box's neighbours that may be nearest."""
    if not domain.periodic:
        return readings
    extent, parts = np.array(domain.extent), []
    for shift in _neighbours(domain):
        position = readings.position + shift
        near = (np.abs(position / extent - 0.5) <= 1).all(axis=1)
        moved = dataclasses.replace(readings, position=position)
        parts.append(moved.select(near))
    together = {
        name: np.concatenate([part.arrays[name] for part in parts])
        for name in readings.arrays
    }
    return dataclasses.replace(readings, **together)


def _neighbours(domain):
    """Shifts `(3^D, D)` to the box itself and all that touch it."""
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * domain.ndim), axis=-1)
    return steps.reshape(-1, domain.ndim) * np.array(domain.extent)


def _places(domain, axis):
    """Cell centres `(cells, D)`, or lower faces along an axis."""
    centres = domain.coordinates().reshape(-1, domain.ndim)
    if axis is None:
        return centres
    return centres - np.eye(domain.ndim)[axis] * domain.dx[axis] / 2


def _given(u0, shape, count):
    complete = u0.ndim == len(shape) and u0.shape[:-1] == shape[:-1]
    if not complete or u0.shape[-1] not in (count, shape[-1]):
        raise ValueError(
            f"the initial states have shape {u0.shape}, expected {shape}: one for "
            "each simulation, on the grid of the problem"
        )
    if not np.isfinite(u0).all():
        raise ValueError("the initial states hold values that are not finite")
    result = np.zeros(shape, np.float32)
    result[..., : u0.shape[-1]] = u0
    return result


def _interpolate(readings, sim, name, domain, dt, axis):
    """A smooth surface through the readings of one channel at t = 0."""
    if name not in readings.names:
        raise ValueError(
            f"nobody read {name}, so that its state at t = 0 can't be interpolated; "
            "give the initial states"
        )
    values = readings.values[:, readings.names.index(name)]
    chosen = (readings.sim == sim) & (readings.time < dt / 2) & np.isfinite(values)
    if not chosen.any():
        raise ValueError(
            f"simulation {readings.sims[sim]} has no reading of {name} before t = "
            f"{dt / 2:g}, to interpolate the state at t = 0 from; give the initial "
            "states, or fit them with physical.initial='fitted'"
        )
    places, index = np.unique(readings.position[chosen], axis=0, return_inverse=True)
    sums = np.bincount(index.ravel(), values[chosen])
    means = sums / np.bincount(index.ravel())
    at = _places(domain, axis)
    return fit_surface(places, means, at, domain).reshape(domain.resolution)


def fit_surface(
    places: np.ndarray, values: np.ndarray, at: np.ndarray, domain: Domain
) -> np.ndarray:
    """Fits a smooth function to scattered values.

    Linear between the places in 1-D; in 2-D and 3-D radial functions |x| (SciPy's
    `RBFInterpolator`), which are as smooth as leaving out a fifth of the values and
    predicting it suggests. Constant beyond the outermost places in a closed 1-D box.

    Args:
        places: Different ones, shape `(P, D)`.
        values: Shape `(P,)`.
        at: Where, shape `(M, D)`.
        domain: The box; a periodic one wraps.

    Returns:
        Shape `(M,)`.
    """
    mean, std = values.mean(), values.std() or 1.0
    smoothing = _choose_smoothing(places, (values - mean) / std, domain)
    if domain.ndim == 1 and not smoothing:
        period = domain.extent[0] if domain.periodic else None
        return np.interp(at[:, 0], *_sorted(places[:, 0], values), period=period)
    fit = _surface(places, (values - mean) / std, smoothing, domain)
    return mean + std * fit(at)


def _choose_smoothing(places, values, domain):
    if len(values) < _FEWEST_TO_SMOOTH:
        return 0.0
    part = np.random.default_rng(0).permutation(len(values)) % 5

    def error(smoothing):
        total = 0.0
        for left_out in range(5):
            kept = part != left_out
            fit = _surface(places[kept], values[kept], smoothing, domain)
            total += np.sum((fit(places[~kept]) - values[~kept]) ** 2)
        return total

    return min(_SMOOTHINGS, key=error)


def _surface(places, values, smoothing, domain):
    if domain.periodic:
        shifts = _neighbours(domain)
        places = (places[None] % np.array(domain.extent) + shifts[:, None]).reshape(
            -1, domain.ndim
        )
        values = np.tile(values, len(shifts))
    return RBFInterpolator(
        places,
        values,
        neighbors=min(_NEIGHBOURS, len(values)),
        smoothing=smoothing,
        kernel="linear",
    )


def _sorted(x, values):
    order = np.argsort(x)
    return x[order], values[order]

"""Observations on a grid as readings at points."""

import dataclasses

import numpy as np

from hyco_jax.data.observations import Observations
from hyco_jax.data.readings import Readings
from hyco_jax.grids import interpolation
from hyco_jax.grids import quantities as meanings
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities


def at_points(
    observations: Observations, domain: Domain, dt: float, quantities: Quantities
) -> Observations:
    """Makes data on one grid fit models on any other.

    Args:
        observations: On the grid of the data, complete at t = 0.
        domain: That grid; the box is the problem's too.
        dt: Time step of the data.
        quantities: Of the state.

    Returns:
        Readings, see `grid_readings`; the initial states are interpolated.

    Raises:
        ValueError: If the observations are not on the grid.
    """
    readings = grid_readings(observations, domain, dt, quantities)
    u0 = np.asarray(observations.observed.states[:, :1])

    def initial(positions):
        flat = positions.reshape(-1, domain.ndim)
        points = np.concatenate([np.zeros((len(flat), 1)), flat], axis=1)
        states = [
            interpolation.at_points(u, points, domain, dt, quantities) for u in u0
        ]
        return np.stack(states).reshape(len(u0), *positions.shape[:-1], -1)

    return dataclasses.replace(
        observations, observed=readings, initial=initial, truth=None, sigma=None
    )


def grid_readings(
    observations: Observations,
    domain: Domain,
    dt: float,
    quantities: Quantities,
    first: int = 1,
) -> Readings:
    """Makes readings of what was observed, where it was observed.

    Every cell that read something is a sensor at its centre, which reads all predicted
    channels that are centred; every face is one that reads its staggered component.
    Faces on a wall, which are 0 by definition, are none.

    Args:
        observations: On the grid, weights 0 where unobserved.
        domain: The grid of the data, which may be another than the problem's.
        dt: Time step of the data.
        quantities: Of the state.
        first: Step from which on they are taken; states at t = 0 are no observations
            where they are given.

    Returns:
        Readings of the V predicted channels, a row for each simulation, time and sensor
        with at least one value, and NaN for the others. A weight w divides sigma² by w.

    Raises:
        ValueError: If the observations are not on the grid, or weights differ though
            no sigma gives them a meaning.
    """
    states = np.asarray(observations.observed.states)
    weights = np.asarray(observations.observed.weights)
    channels = meanings.num_channels(quantities)
    if states.shape[2:] != (*domain.resolution, channels):
        raise ValueError(
            f"the states have shape {states.shape}, expected (simulations, steps + 1, "
            f"{', '.join(map(str, domain.resolution))}, {channels}); give the grid of "
            "the data"
        )
    count = channels - meanings.num_known(quantities)
    predicted = meanings.predicted_entries(quantities, domain)[..., :count]
    whole = states.shape
    states = states[:, first:, ..., :count]
    # Views, whose axes of length 1 are not copied.
    weights = np.broadcast_to(weights, whole)[:, first:, ..., :count]
    seen = (weights > 0) & predicted
    used = weights[seen]
    if observations.sigma is None and used.size and used.min() != used.max():
        raise ValueError(
            "the weights differ where something was observed, which readings can only "
            "say by their sigma; give the observations one, or weights 0 and 1"
        )
    names = meanings.channel_names(quantities)[:count]
    parts, sensors = [], []
    for where, offset in _places(quantities, domain.ndim):
        mask = seen[..., where]
        sim, step, *cell = np.nonzero(mask.any(axis=-1))
        rows = (sim, step, *cell)
        values = np.full((len(sim), count), np.nan)
        values[:, where] = np.where(mask[rows], states[rows][:, where], np.nan)
        sigma = None
        if observations.sigma is not None:
            sigma = np.full(values.shape, np.nan)
            of_rows = np.where(mask[rows], weights[rows][:, where], np.nan)
            sigma[:, where] = np.array(observations.sigma)[where] / np.sqrt(of_rows)
        flat = np.ravel_multi_index(cell, domain.resolution)
        cells, sensor = np.unique(flat, return_inverse=True)
        position = (np.stack(cell, axis=-1) + offset) * domain.dx
        parts.append(
            (sim, (step + first) * dt, position, values, sigma, sensor + len(sensors))
        )
        prefix = f"{names[where[0]]} " if 0 in offset else ""
        sensors += [prefix + _label(c, domain.resolution) for c in cells]
    sim, time, position, values, sigma, sensor = (
        None if column[0] is None else np.concatenate(column)
        for column in zip(*parts, strict=True)
    )
    return Readings(
        sim=sim.astype(np.int32),
        time=time,
        position=position,
        values=values,
        sigma=sigma,
        sensor=sensor.astype(np.int32),
        is_held_out=np.zeros(len(sim), bool),
        row=np.arange(len(sim)),
        names=names,
        sims=tuple(str(n) for n in range(whole[0])),
        sensors=tuple(sensors),
        units=("",) * count,
    )


def _places(quantities, ndim):
    """Predicted channels by where they are: `(channels, place in its cell (D,))`."""
    centred, places = [], []
    slices = meanings.channels(quantities).values()
    for q, where in zip(quantities, slices, strict=True):
        channels = range(where.start, where.stop)
        if q.is_predicted and not q.is_staggered:
            centred += channels
        elif q.is_predicted:
            faces = 0.5 - 0.5 * np.eye(ndim)
            places += [([c], face) for c, face in zip(channels, faces, strict=True)]
    return [(centred, np.full(ndim, 0.5))] * bool(centred) + places


def _label(cell, resolution):
    return ",".join(str(i) for i in np.unravel_index(cell, resolution))

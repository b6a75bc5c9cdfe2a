"""Readings made ready for both models: samples at points, on the device."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import struct

from hyco_jax.data import initial_states, pieces
from hyco_jax.data.observations import Observations
from hyco_jax.data.readings import Readings
from hyco_jax.data.record import HELD_OUT_SHARE
from hyco_jax.grids import quantities as meanings
from hyco_jax.models import segments
from hyco_jax.problem import Problem
from hyco_jax.types import Array, Query, Samples


@struct.dataclass
class PointReal:
    """The real data as both players see them, where they are at points.

    Attributes:
        records: A sample for each training simulation, with all its readings: for
            models that step in time.
        rows: A sample for each reading: for models that are functions of (x, t).
        pieces: As `records`, cut into segments that start from guessed states: for
            networks that step, where records are long. None for a single segment.
        apart: Readings that count in scores alone, in the same three forms; None where
            scores are those of the training data.
    """

    records: Samples
    rows: Samples
    pieces: Samples | None = None
    apart: "PointReal | None" = None

    @property
    def scored(self) -> "PointReal":
        """What scores count."""
        return self if self.apart is None else self.apart

    @property
    def whole(self) -> "PointReal":
        """What solvers learn from, the records, with nothing apart."""
        if self.apart is None:
            return self
        both = self.records, self.apart.records
        points = jnp.concatenate([own.query.points for own in both], axis=1)
        records = self.records.replace(
            query=self.records.query.replace(points=points),
            targets=jnp.concatenate([own.targets for own in both], axis=1),
            weights=jnp.concatenate([own.weights for own in both], axis=1),
        )
        return self.replace(records=records, apart=None)


class Placed(NamedTuple):
    """Readings, placed in a problem.

    Attributes:
        real: What the models learn from.
        num_steps: Number T of steps, up to the last training reading.
        segment_steps: Number L of steps of a segment, T for a single one.
        is_used: Rows that count, in training or in scores, shape `(R,)`: all but those
            that drive the system.
        starts: States of all simulations at the beginning of the n segments, but for
            known initial states guesses, shape `(N, n, *S, C)`.
        given: Driven channels up to the last reading, shape `(N, T' + 1, *S, G)`, or
            None.
        unit: What squares of each channel are measured by: mean variances of the
            training readings' errors where sigma is stated, else of the readings
            themselves, shape `(C,)`; 0 where nobody read a channel.
        scale: By which `augment` turns the weights into that measure.
        mean: Of each channel's training readings, shape `(C,)`.
        std: Their standard deviation, shape `(C,)`, at least that of driven channels.
        has_sigma: Whether the errors of the readings are known.
    """

    real: PointReal
    num_steps: int
    segment_steps: int
    is_used: np.ndarray
    starts: np.ndarray
    given: np.ndarray | None
    unit: np.ndarray
    scale: float
    mean: np.ndarray
    std: np.ndarray
    has_sigma: bool

    @property
    def u0(self) -> np.ndarray:
        """Initial states of all simulations, shape `(N, *S, C)`."""
        return self.starts[:, 0]


def count_steps(readings: Readings, dt: float) -> int:
    """Steps up to the last reading."""
    return max(1, math.ceil(readings.time.max() / dt - 1e-6))


def place(
    observations: Observations,
    problem: Problem,
    given: np.ndarray | None = None,
    num_segments: int = 1,
    fits_initial: bool = False,
    scores_apart: bool = False,
) -> Placed:
    """Places readings in a problem.

    Held-out rows take no part in anything here: neither in the initial states nor in
    the statistics.

    Args:
        observations: Checked ones, readings at points.
        problem: The physical system.
        given: Driven channels `(N, T' + 1, *S, G)`, where readings don't drive it.
        num_segments: Into how many records are cut.
        fits_initial: Whether states at t = 0 that nobody gives are guessed from later
            readings too, since they will be fitted.
        scores_apart: Whether a tenth of the readings, drawn at random, counts in scores
            alone, so that no model is praised for having fitted their noise.

    Raises:
        ValueError: If no training reading is left, the initial states can't be made, or
            a channel has no variance.
    """
    readings, domain = observations.observed, problem.domain
    is_used = np.ones(readings.count, bool)
    seen = readings.select(~readings.is_held_out)
    if problem.drive is not None:
        times = problem.dt * np.arange(count_steps(readings, problem.dt) + 1)
        given, drives = problem.drive(seen, domain, times)
        is_used[np.flatnonzero(~readings.is_held_out)[drives]] = False
    trains = is_used & ~readings.is_held_out
    trains &= np.isin(readings.sim, observations.train)
    training = readings.select(trains)
    values = _by_channel(training.values, training, problem)
    is_read = np.isfinite(values)
    if not is_read.any():
        raise ValueError(
            "no reading is left to train on; hold out less, or read more than what "
            "drives the system"
        )
    num_steps = count_steps(training, problem.dt)
    starts, length = _starts(
        observations, seen, problem, num_steps, num_segments, fits_initial
    )
    if given is not None:
        given = np.asarray(given, np.float32)
        at = np.minimum(length * np.arange(starts.shape[1]), given.shape[1] - 1)
        starts[..., -given.shape[-1] :] = given[:, at]
    mean, std = _statistics(values, is_read, given, problem)
    if training.sigma is None:
        inverse = np.broadcast_to(1 / std**2, values.shape)
    else:
        inverse = 1 / _by_channel(training.sigma, training, problem) ** 2
    inverse = np.where(is_read, inverse, 0)
    counts = is_read.sum(axis=0)
    unit = np.divide(counts, inverse.sum(axis=0), where=counts > 0, out=0.0 * std)
    scale = float(counts.sum() / inverse.sum())
    weights, sims = scale * inverse, observations.train

    def samples(chosen):
        own = training.select(chosen), values[chosen], weights[chosen]
        return _samples(own, sims, starts, given, num_steps, length, problem.dt)

    apart = _drawn(training.count) if scores_apart else np.zeros(training.count, bool)
    real = samples(~apart)
    if scores_apart:
        real = real.replace(apart=samples(apart))
    has_sigma = readings.sigma is not None
    return Placed(
        *(real, num_steps, length, is_used, starts, given),
        *(unit, scale, mean, std, has_sigma),
    )


def _drawn(count):
    """Marks a tenth of the readings, the same in every run."""
    chosen = np.zeros(count, bool)
    share = math.ceil(HELD_OUT_SHARE * count)
    chosen[np.random.default_rng(0).permutation(count)[:share]] = True
    return chosen


def _samples(own, sims, starts, given, num_steps, length, dt) -> PointReal:
    training, values, weights = own
    in_time = None if given is None else given[:, : num_steps + 1]
    records = _records(
        training, sims, values, weights, starts[:, 0], in_time, num_steps
    )
    count, cut = starts.shape[1], None
    if count > 1:
        cut = _records(
            pieces.cut(training, length, count, dt),
            pieces.cut_sims(sims, count),
            values,
            weights,
            *pieces.cut_states(starts, given, length, length),
            length,
        )
    return PointReal(records, _rows(training, values, weights), cut)


def _starts(observations, seen, problem, num_steps, num_segments, fits_initial):
    """States at the beginning of each segment, and the steps of one."""
    domain, quantities = problem.domain, problem.quantities
    steps = segments.segment_starts(num_steps, num_segments)
    is_guessed = fits_initial and isinstance(observations.initial, str)
    states = np.zeros((seen.num_sims, 0))
    if is_guessed or len(steps) > 1:
        times = problem.dt * steps
        states = initial_states.guess_states(seen, times, domain, quantities)
    if not is_guessed:
        u0 = initial_states.make_u0(
            observations.initial, seen, domain, problem.dt, quantities
        )
        known = meanings.num_known(quantities)
        rest = np.repeat(u0[:, None], len(steps), axis=1)
        if len(steps) > 1:
            count = u0.shape[-1] - known
            rest[:, 1:, ..., :count] = states[:, 1:, ..., :count]
        states = rest
    return states, segments.segment_steps(num_steps, num_segments)


def all_points(
    readings: Readings, placed: Placed, dt: float
) -> tuple[Query, np.ndarray]:
    """Asks for all readings of all simulations at once, from t = 0 on.

    Returns:
        The query, and where row r is in its answers, `(R, 2)`: simulation and point.
    """
    sims = range(readings.num_sims)
    points, where = _padded_points(readings, sims)
    num_steps = max(placed.num_steps, count_steps(readings, dt))
    return _query(sims, points, placed.u0, placed.given, num_steps), where


def all_points_in_pieces(
    readings: Readings, placed: Placed, dt: float
) -> tuple[Query, np.ndarray]:
    """As `all_points`, each from the beginning of its segment on.

    The simulations of the query are segments, see `pieces.cut`.
    """
    length, count = placed.segment_steps, placed.starts.shape[1]
    shifted = pieces.cut(readings, length, count, dt)
    sims = range(shifted.num_sims)
    points, where = _padded_points(shifted, sims)
    horizon = max(length, count_steps(shifted, dt))
    states = pieces.cut_states(placed.starts, placed.given, length, horizon)
    return _query(sims, points, *states, horizon), where


def _by_channel(columns, readings, problem):
    """Takes columns `(R, V)` to the channels they are of, `(R, C)`, NaN elsewhere."""
    names = meanings.channel_names(problem.quantities)
    result = np.full((len(columns), len(names)), np.nan)
    result[:, [names.index(name) for name in readings.names]] = columns
    return result


def _statistics(values, is_read, given, problem):
    """Mean and deviation of each channel; those of a quantity share the deviation."""
    counts = np.maximum(is_read.sum(axis=0), 1)
    filled = np.where(is_read, values, 0)
    mean = filled.sum(axis=0) / counts
    squares = np.where(is_read, (filled - mean) ** 2, 0).sum(axis=0)
    std = np.ones(len(mean))
    by_name = meanings.channels(problem.quantities)
    for q in problem.quantities:
        where = by_name[q.name]
        if is_read[:, where].any():
            variance = squares[where].sum() / is_read[:, where].sum()
            if not variance > 0:
                raise ValueError(
                    f"all training readings of {q.name} are {mean[where]}; a constant "
                    "field identifies nothing"
                )
            std[where] = np.sqrt(variance)
    if given is not None:
        driven = given.reshape(-1, given.shape[-1])
        mean[-driven.shape[1] :] = driven.mean(axis=0)
        std[-driven.shape[1] :] = np.where(
            driven.std(axis=0) > 0, driven.std(axis=0), 1
        )
    return mean, std


def _padded_points(readings, sims):
    """Points of each simulation, the shorter ones padded: `(B, M, 1 + D)`."""
    of_sim = [np.flatnonzero(readings.sim == sim) for sim in sims]
    longest = max(len(rows) for rows in of_sim)
    points = np.zeros((len(of_sim), longest, 1 + readings.position.shape[1]))
    where = np.zeros((readings.count, 2), int)
    for i, rows in enumerate(of_sim):
        points[i, : len(rows), 0] = readings.time[rows]
        points[i, : len(rows), 1:] = readings.position[rows]
        where[rows, 0], where[rows, 1] = i, np.arange(len(rows))
    return points, where


def _query(sims, points, u0, given, num_steps) -> Query:
    sims = np.array(sims)
    return Query(
        jnp.asarray(sims, jnp.int32),
        jnp.zeros(len(sims), jnp.int32),
        jnp.asarray(u0[sims]),
        jnp.asarray(points, jnp.float32),
        None if given is None else jnp.asarray(given[sims]),
        num_steps,
    )


def _records(training, sims, values, weights, u0, given, num_steps) -> Samples:
    points, where = _padded_points(training, sims)
    shape = (*points.shape[:2], values.shape[1])
    targets, padded = np.zeros(shape), np.zeros(shape)
    targets[where[:, 0], where[:, 1]] = np.where(np.isfinite(values), values, 0)
    padded[where[:, 0], where[:, 1]] = weights
    query = _query(sims, points, u0, given, num_steps)
    return Samples(query, _float32(targets), _float32(padded))


def _rows(training, values, weights) -> Samples:
    points = np.concatenate([training.time[:, None], training.position], axis=1)
    sim = jnp.asarray(training.sim, jnp.int32)
    query = Query(sim, jnp.zeros_like(sim), None, _float32(points[:, None]))
    targets = np.where(np.isfinite(values), values, 0)
    return Samples(query, _float32(targets[:, None]), _float32(weights[:, None]))


def _float32(array) -> Array:
    return jnp.asarray(array, jnp.float32)

"""The players of the cycle where data are readings at points.

A field answers its partner at ghost points, which are drawn afresh in every cycle, and
learns from the partner's values at such. A network that makes steps learns from windows
of the partner's trajectories, as it does where data are on the grid.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.data import augment, windows
from hyco_jax.data.placement import Placed, PointReal
from hyco_jax.grids.domain import Domain
from hyco_jax.hybrid import Player
from hyco_jax.models.segments import JUMP_WEIGHT, Answer
from hyco_jax.players.windows import Exchange, SampleFn
from hyco_jax.training import losses
from hyco_jax.training.full_batch import PartLossesFn
from hyco_jax.types import Array, Params, PredictFn, Query, Samples, TrainFn

Generate = Callable[[Params, PointReal, Array], object]

# Of more samples than this a score is a scan over chunks: a field's hidden layers at a
# million points are half a gigabyte each.
_SCORE_CHUNK = 2**15


@dataclasses.dataclass(frozen=True)
class Ghosts:
    """Points at which models answer each other, uniform in a box and in time.

    Attributes:
        count: Points of each simulation.
        region: `(lower, upper)` of the box along each axis, as shares of the extent.
        at_cells: Whether each is moved to the centre of its cell and the nearest step.
        first_time: The earliest one.
    """

    count: int
    region: tuple[tuple[float, float], ...]
    at_cells: bool = False
    first_time: float = 0.0


def make_ghost_query(
    ghosts: Ghosts, domain: Domain, dt: float
) -> Callable[[Array, PointReal], Query]:
    """Makes a function of a key and the real data that draws ghost points.

    Args:
        ghosts: How many, and where.
        domain: The grid of the cells.
        dt: Time step.
    """
    low, high = np.array(ghosts.region).T * np.array(domain.extent)
    dx = np.array(domain.dx, np.float32)

    def ask(key, real):
        query = real.records.query
        least = np.array([ghosts.first_time, *low], np.float32)
        most = np.array([query.horizon * dt, *high], np.float32)
        shape = (len(query.sim), ghosts.count, 1 + domain.ndim)
        share = jax.random.uniform(key, shape)
        points = least + (most - least) * share
        if ghosts.at_cells:
            cell = jnp.floor(points[..., 1:] / dx) + 0.5
            steps = jnp.round(points[..., :1] / dt)
            points = jnp.concatenate([steps * dt, cell * dx], axis=-1)
        return query.replace(points=points)

    return ask


def generate_at(
    ask: Callable[[Array, PointReal], Query], predict: PredictFn, placed: Placed
) -> Generate:
    """Makes the `generate` of a player that answers at ghost points.

    Args:
        ask: From `make_ghost_query`.
        predict: Of the model that generates.
        placed: The readings: every channel's error counts in the unit of theirs.
    """
    unit = placed.unit
    weights = np.divide(placed.scale, unit, where=unit > 0, out=np.zeros_like(unit))

    def generate(params, real, key):
        query = ask(key, real)
        answers = predict(params, query)
        return Samples(
            query, answers, jnp.asarray(weights, answers.dtype).reshape(1, 1, -1)
        )

    return generate


def generate_trajectories(
    predict: PredictFn, exchange: Exchange, sample_u0: SampleFn | None, num_driven: int
) -> Generate:
    """Makes the `generate` of a player whose partner makes steps.

    Args:
        predict: Of the model that generates, asked on the grid of the partner.
        exchange: How many trajectories, how long.
        sample_u0: Draws initial states, or None for the data's own.
        num_driven: Number of driven channels.
    """

    def generate(params, real, key):
        query = real.records.query
        count, num_steps = exchange.num_sims, exchange.num_steps
        sim = jnp.arange(count) % len(query.sim)
        given, u0 = None, query.u0[sim]
        if sample_u0 is not None:
            u0 = sample_u0(key, count)
        if num_driven:
            given = query.given[sim, : num_steps + 1]
            u0 = jnp.concatenate([u0[..., :-num_driven], given[:, 0]], axis=-1)
        zero = jnp.zeros_like(sim)
        elsewhere = Query(query.sim[sim], zero, u0, None, given, num_steps)
        answers = predict(params, elsewhere)
        return jnp.concatenate([u0[:, None], answers], axis=1)

    return generate


def generate_along(predict: PredictFn) -> Generate:
    """Makes the `generate` of a solver with states of its own for a network that steps.

    Args:
        predict: Of the solver, from these states.

    Returns:
        It gives the trajectories of the real simulations from the first step on.
    """

    def generate(params, real, key):
        del key
        return predict(params, real.records.query.replace(points=None))

    return generate


def generate_in_pieces(
    ask: Callable[[Array, PointReal], Query],
    predict: PredictFn,
    placed: Placed,
    dt: float,
) -> Generate:
    """As `generate_at`, of a network that steps from the beginning of every segment.

    Args:
        ask: From `make_ghost_query`, of the segments.
        predict: Of the network.
        placed: The readings.
        dt: Time step.
    """
    count, length = placed.starts.shape[1], placed.segment_steps
    at_pieces = generate_at(ask, predict, placed)

    def generate(params, real, key):
        pieces = real.replace(records=real.pieces)
        samples = at_pieces(params, pieces, key)
        records = real.records.query
        shape = (len(records.sim), -1)
        begin = jnp.arange(count, dtype=samples.targets.dtype) * length * dt
        asked = samples.query.points
        points = asked.reshape(len(records.sim), count, *asked.shape[1:])
        points = points.at[..., 0].add(begin[:, None])
        return Samples(
            records.replace(points=points.reshape(*shape, points.shape[-1])),
            samples.targets.reshape(*shape, samples.targets.shape[-1]),
            samples.weights,
        )

    return generate


def make_field_player(
    predict: PredictFn,
    train: TrainFn,
    generate: Generate,
    placed: Placed,
    batch_sizes: Mapping[int, tuple[int, ...]],
) -> Player:
    """Makes the player of a field.

    Args:
        predict: Of the field.
        train: The minibatch trainer, everything but `(state, data, key)` bound.
        generate: What it generates for the physical model.
        placed: The readings.
        batch_sizes: Points of each part in a batch, by the number of parts.
    """

    def augmented(real, generated, alpha):
        parts = [real.rows]
        if generated is not None:
            parts.append(_by_row(generated))
        count = len(parts)
        return augment.augment(
            parts, [1.0, alpha][:count], batch_sizes[count], placed.scale
        )

    score = _make_score(predict, placed, lambda real: real.rows)
    return Player(generate, augmented, train, score)


def make_network_player(
    predict: PredictFn,
    train: TrainFn,
    generate: Generate,
    placed: Placed,
    predicted: np.ndarray,
    horizon: int,
    num_driven: int,
    batch_sizes: Mapping[int, tuple[int, ...]],
) -> Player:
    """Makes the player of a network that makes steps.

    Of records that are cut into segments it is trained on these.

    Args:
        predict: Of the network.
        train: The minibatch trainer, everything but `(state, data, key)` bound.
        generate: What it generates for the physical model.
        placed: The readings.
        predicted: Entries that models predict.
        horizon: Steps of its windows of physical predictions.
        num_driven: Number of driven channels.
        batch_sizes: Simulations and windows of a batch, by the number of parts.
    """
    unit = placed.unit
    relative = np.divide(placed.scale, unit, where=unit > 0, out=np.zeros_like(unit))

    def augmented(real, generated, alpha):
        parts = [_pieces(real)]
        if generated is not None:
            weights = jnp.asarray(predicted * relative, generated.dtype)[None, None]
            parts.append(
                windows.predicted_windows(
                    generated, generated, weights, horizon, num_driven
                )
            )
        count = len(parts)
        return augment.augment(
            parts, [1.0, alpha][:count], batch_sizes[count], placed.scale
        )

    score = _make_score(predict, placed, _pieces)
    return Player(generate, augmented, train, score)


def make_physical_player(
    predict: PredictFn,
    train: TrainFn,
    generate: Generate,
    placed: Placed,
    part_losses: PartLossesFn | None = None,
) -> Player:
    """Makes the player of the physical model.

    Args:
        predict: Of the solver.
        train: The full-batch trainer, everything but `(state, data, key)` bound.
        generate: What it generates for the synthetic model.
        placed: The readings.
        part_losses: Of its score, if not `losses.part_losses`.
    """

    def augmented(real, generated, alpha):
        parts = [real.records]
        if generated is not None:
            parts.append(generated)
        counts = [part.count for part in parts]
        return augment.augment(parts, [1.0, alpha][: len(parts)], counts, placed.scale)

    score = _make_score(predict, placed, lambda real: real.records, part_losses)
    return Player(generate, augmented, train, score)


def make_jump_losses(
    answer: Callable[[Params, Query], Answer],
    unit: np.ndarray,
    jump_weight: float | None = None,
) -> PartLossesFn:
    """Makes `losses.shared_losses` of a solver with fitted states.

    Args:
        answer: See `models.segments`.
        unit: What squares of each channel's jumps are measured by, shape `(C,)`.
        jump_weight: Of the mean of these squares; by default the one that is among the
            parameters.

    Returns:
        The losses, that of the jumps in the share of the real data.
    """

    def part_losses(predict, params, parts):
        del predict
        weight = params[JUMP_WEIGHT] if jump_weight is None else jump_weight
        found = answer(params, losses.shared_query(parts))
        shares = losses.losses_of_shared(found.values, parts)
        if not found.jumps.size:
            return shares
        squares = jnp.mean(found.jumps**2 / jnp.asarray(unit, found.jumps.dtype))
        return shares.at[0].add(weight * squares)

    return part_losses


def _pieces(real):
    return real.records if real.pieces is None else real.pieces


def _by_row(samples: Samples) -> Samples:
    """A sample for each point."""
    query, targets = samples.query, samples.targets
    count = targets.shape[0] * targets.shape[1]
    sim = jnp.repeat(query.sim, targets.shape[1])
    points = query.points.reshape(count, 1, -1)
    weights = jnp.broadcast_to(samples.weights, targets.shape)
    return Samples(
        Query(sim, jnp.zeros_like(sim), None, points),
        targets.reshape(count, 1, -1),
        weights.reshape(count, 1, -1),
    )


def _make_score(predict, placed, choose, part_losses=None):
    part_losses = part_losses or functools.partial(
        losses.part_losses, chunk=_SCORE_CHUNK
    )

    def score(params, real):
        samples = choose(real.scored)
        (part,) = augment.augment([samples], [1.0], [samples.count], placed.scale)
        return part_losses(predict, params, [part]).sum()

    return score

"""The two players of a checked config, and their optimisers."""

from typing import NamedTuple

import numpy as np
import optax

from experiments.problem import Problem
from hyco_jax.data import data
from hyco_jax.data import record as records
from hyco_jax.grids import quantities as state
from hyco_jax.grids import resampling
from hyco_jax.hybrid import Player
from hyco_jax.players import coarse as coarse_player
from hyco_jax.players import windowed as players
from hyco_jax.training import full_batch as physical
from hyco_jax.training import minibatch as synthetic


def check_windows(config, record: records.Record):
    """Raises a ValueError if a horizon doesn't fit or an observation is not used."""
    if config.mode != "physical":
        used = [(*record.index(h), h) for h in set(schedule(config))]
        record.check_used(used)
    if config.mode != "synthetic":
        settings = _physical_settings(config)
        record.check_used([players.physical_windows(record, settings)])


def static_record(config, problem: Problem) -> records.Record:
    """What is known of simulated data before they are."""
    region = data.observed_region(problem.domain, config.data.region)
    num_times = config.data.num_steps + 1
    mask = data.observation_mask(num_times, region, config.data.every)
    num_channels = state.num_channels(problem.quantities)
    shape = (
        len(config.data.train_sim),
        num_times,
        *problem.domain.resolution,
        num_channels,
    )
    predicted = problem.predicted
    weights = (mask & predicted).astype(np.float32)
    return records.Record(weights, shape, np.ones(num_channels), predicted)


class Parts(NamedTuple):
    """A run's players, the synthetic one for each horizon, and their optimisers."""

    synthetic: dict[int, Player]
    physical: Player
    synthetic_tx: optax.GradientTransformation
    physical_tx: optax.GradientTransformationExtraArgs


def make_parts(config, problem, network, real) -> Parts:
    """Makes the players and optimisers of a checked config.

    Raises:
        ValueError: If data and config don't fit.
    """
    record = records.make_record(real, problem.quantities, problem.predicted)
    check_windows(config, record)
    horizons = schedule(config)
    settings = {h: _synthetic_settings(config, h) for h in set(horizons)}
    epochs = config.hybrid.synthetic_epochs_per_cycle
    num_updates = sum(
        epochs * players.count_updates(record, settings[h]) for h in horizons
    )
    synthetic_tx = synthetic.make_optimizer(
        config.synthetic.optimizer,
        config.synthetic.learning_rate,
        config.synthetic.scheduler,
        num_updates,
        config.synthetic.weight_decay,
        config.synthetic.clip_norm,
    )
    physical_tx = physical.make_optimizer(
        config.physical.method, config.physical.learning_rate
    )
    synthetic_players = {
        horizon: players.make_synthetic_player(
            record,
            settings[horizon],
            step=network.step,
            tx=synthetic_tx,
            sample_u0=problem.sample_u0,
            partner=_physical_settings(config),
        )
        for horizon in settings
    }
    physical_player = _make_physical_player(
        config, problem, real, physical_tx, settings[horizons[-1]]
    )
    return Parts(synthetic_players, physical_player, synthetic_tx, physical_tx)


def _make_physical_player(config, problem, real, tx, partner) -> Player:
    """The physical player, on the grid of the data or a coarser one."""
    factor, quantities = problem.factor, problem.quantities

    def restrict(states):
        return resampling.restrict(states, factor, quantities, problem.domain)

    def restrict_observed(real):
        return resampling.restrict_observed(real, factor, quantities, problem.domain)

    record = records.make_record(
        restrict_observed(real),
        quantities,
        state.predicted_entries(quantities, problem.physics_domain),
    )
    player = players.make_physical_player(
        record,
        _physical_settings(config),
        step=problem.model.step,
        tx=tx,
        sample_u0=lambda key, num_samples: restrict(
            problem.sample_u0(key, num_samples)
        ),
        partner=partner,
        penalty=problem.penalty,
    )
    if factor == 1:
        return player
    return coarse_player.on_coarser_grid(
        player,
        restrict=restrict,
        restrict_observed=restrict_observed,
        prolong=lambda states: resampling.prolong(
            states, factor, quantities, problem.physics_domain
        ),
    )


def schedule(config) -> list[int]:
    """The horizon of each cycle: it grows in equal parts of the run."""
    total = config.hybrid.warmup + config.hybrid.cycles
    horizons = config.synthetic.horizons
    return [horizons[i * len(horizons) // total] for i in range(total)]


def _synthetic_settings(config, horizon: int) -> players.SyntheticSettings:
    return players.SyntheticSettings(
        horizon=horizon,
        generated_horizon=config.synthetic.generated_horizon,
        num_epochs=config.hybrid.synthetic_epochs_per_cycle,
        batch_size=config.synthetic.batch_size,
        num_real=config.synthetic.num_real,
        num_generated=config.hybrid.num_generated_synthetic,
        num_predict_steps=config.hybrid.num_predict_steps_synthetic,
        input_noise=config.synthetic.input_noise,
    )


def _physical_settings(config) -> players.PhysicalSettings:
    return players.PhysicalSettings(
        method=config.physical.method,
        horizon=config.physical.horizon,
        window_stride=config.physical.window_stride,
        window_chunk=config.physical.window_chunk,
        num_iterations=config.hybrid.physical_epochs_per_cycle,
        abs_tol=config.physical.abs_tol,
        num_generated=config.hybrid.num_generated_physical,
        num_predict_steps=config.hybrid.num_predict_steps_physical,
    )

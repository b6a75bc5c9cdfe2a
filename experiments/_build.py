"""From a checked config and a problem to players and the stages that train them."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments import problem as problems
from experiments.problem import Problem
from hyco_jax import (
    coarse_player,
    hybrid,
    physical,
    players,
    records,
    resampling,
    state,
    synthetic,
)
from hyco_jax.hybrid import Cycle, Player
from hyco_jax.run import Stage
from hyco_jax.types import HybridState, Model, Trajectories


def check_windows(config, record: records.Record):
    """Raises a ValueError if a horizon doesn't fit or an observation is not used."""
    if config.mode != "physical":
        used = [(*record.index(h), h) for h in set(_schedule(config))]
        record.check_used(used)
    if config.mode != "synthetic":
        settings = _physical_settings(config)
        record.check_used([players.physical_windows(record, settings)])


class Setup(NamedTuple):
    """Players, and the stages that train them, in order.

    Attributes:
        stages: What is trained.
        init_state: Makes the state before the first cycle of a stage.
        players: The two players of the last hybrid cycle, by model.
    """

    stages: tuple[Stage, ...]
    init_state: Callable[[], HybridState]
    players: dict[str, hybrid.Player]


class _Parts(NamedTuple):
    """A run's players, the synthetic one for each horizon, and their optimisers."""

    synthetic: dict[int, Player]
    physical: Player
    synthetic_tx: optax.GradientTransformation
    physical_tx: optax.GradientTransformationExtraArgs


def build(
    config,
    problem: Problem,
    network: Model,
    real: Trajectories,
    evaluate: Callable[[str], Callable[[HybridState], dict[str, float]]],
) -> Setup:
    """Builds all that a run trains.

    Args:
        config: A checked config.
        problem: The physical system.
        network: The synthetic model.
        real: The observed training simulations.
        evaluate: Maps the name of a stage to its evaluation.

    Returns:
        The players and stages; nothing is compiled yet.

    Raises:
        ValueError: If data and config don't fit.
    """
    record = records.make_record(real, problem.quantities, problem.predicted)
    check_windows(config, record)
    horizons = _schedule(config)
    parts = _make_parts(config, problem, network, real, record, horizons)
    cycle_fns = _make_cycle_fns(config, parts, horizons)
    stages = tuple(
        Stage(
            name,
            tuple(cycle_fns[name]),
            evaluate(name),
            config.log_every,
            config.eval_every,
            config.save_every,
            config.keep_checkpoints,
        )
        for name in _stage_names(config)
    )
    last = {"synthetic": parts.synthetic[horizons[-1]], "physical": parts.physical}
    init_state = _make_init_state(config, problem, network, parts, last, real)
    return Setup(stages, init_state, last)


def _make_parts(config, problem, network, real, record, horizons) -> _Parts:
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
    return _Parts(synthetic_players, physical_player, synthetic_tx, physical_tx)


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


def _make_cycle_fns(config, parts: _Parts, horizons) -> dict[str, list[Cycle]]:
    """The jitted cycles of each stage; one compilation for each kind and horizon."""

    @functools.cache
    def hybrid_cycle(horizon):
        cycle = hybrid.make_hybrid_cycle(
            parts.synthetic[horizon],
            parts.physical,
            alpha_synthetic=config.hybrid.alpha_synthetic,
            alpha_physical=config.hybrid.alpha_physical,
            trust_power=config.hybrid.trust_power,
        )
        return jax.jit(cycle, donate_argnums=0)

    @functools.cache
    def synthetic_cycle(horizon):
        cycle = hybrid.make_solo_cycle("synthetic", parts.synthetic[horizon])
        return jax.jit(cycle, donate_argnums=0)

    physical_cycle = hybrid.make_solo_cycle("physical", parts.physical)
    warmup = config.hybrid.warmup
    return {
        "physical": [jax.jit(physical_cycle, donate_argnums=0)] * config.hybrid.cycles,
        "synthetic": [synthetic_cycle(h) for h in horizons],
        "hybrid": [synthetic_cycle(h) for h in horizons[:warmup]]
        + [hybrid_cycle(h) for h in horizons[warmup:]],
    }


def _make_init_state(config, problem, network, parts: _Parts, last, real):
    @jax.jit
    def sides(key, real):
        synthetic_state = synthetic.init(
            network.init(key), ["network"], parts.synthetic_tx
        )
        physical_state = synthetic.init(
            problem.model.init(key), list(config.physical.learnable), parts.physical_tx
        )
        return (
            hybrid.init_side(last["synthetic"], synthetic_state, real),
            hybrid.init_side(last["physical"], physical_state, real),
        )

    def init_state():
        key = problems.seeded_key(config, problems.NETWORK)
        synthetic_side, physical_side = sides(key, real)
        state = HybridState(
            jnp.zeros((), jnp.int32),
            problems.seeded_key(config, problems.RUN),
            synthetic_side,
            physical_side,
        )
        # Two leaves of one buffer can't be donated.
        return jax.tree.map(jnp.copy, state)

    return init_state


def _stage_names(config) -> tuple[str, ...]:
    if config.mode == "hybrid" and config.baselines:
        return ("physical", "synthetic", "hybrid")
    return (config.mode,)


def _schedule(config) -> list[int]:
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

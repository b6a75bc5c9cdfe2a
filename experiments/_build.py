"""From a checked config and a problem to models, players and stages."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax import data, hybrid, networks, physical, players, records, synthetic
from hyco_jax.domain import Domain
from hyco_jax.run import Stage
from hyco_jax.types import Array, HybridState, Model, Params, Trajectories

_DATA, _NETWORK, _RUN = range(3)


class Problem(NamedTuple):
    """What an experiment has to say of its physical system.

    Attributes:
        domain: The grid that is fitted.
        model: The physical model with unknown parameters.
        simulate: Maps a key to true trajectories `(N, T + 1, *S, C)`.
        sample_u0: Maps a key and a number to initial states `(num, *S, C)`.
        coefficients: Maps params to named physical coefficients.
        true_coefficients: Their true values on the grid.
        penalty: Maps params to a term of the physical loss, or None.
    """

    domain: Domain
    model: Model
    simulate: Callable[[Array], Array]
    sample_u0: Callable[[Array, int], Array]
    coefficients: Callable[[Params], dict[str, Array]]
    true_coefficients: dict[str, np.ndarray]
    penalty: Callable[[Params], Array] | None


def seeded_key(config, use: int) -> Array:
    """The PRNG key of one use of the config's seed."""
    return jax.random.fold_in(jax.random.key(config.seed), use)


def generate_data(config, problem: Problem) -> tuple[np.ndarray, Trajectories]:
    """Simulates the truth and observes it."""
    sim_key, noise_key = jax.random.split(seeded_key(config, _DATA))
    truth = problem.simulate(sim_key)
    region = data.observed_region(problem.domain, config.data.region)
    observed = data.observe(
        noise_key, truth, region, config.data.every, config.data.noise_std
    )
    return np.asarray(truth), observed


def make_network(config, problem: Problem) -> Model:
    """Makes the synthetic model that the config names."""
    u_shape = (*problem.domain.resolution, problem.domain.ndim)
    options = config.synthetic
    module = networks.make_network(
        options.name,
        u_shape,
        activation=options.activation,
        padding=options.padding,
        coordinates=options.coordinates,
        **options[options.name].to_dict(),
    )
    return networks.as_model(module, u_shape)


def select(real: Trajectories, sims: tuple[int, ...]) -> Trajectories:
    """Selects simulations."""
    weights = real.weights
    if weights.shape[0] > 1:
        weights = weights[np.array(sims)]
    return Trajectories(real.states[np.array(sims)], weights)


def static_record(config, problem: Problem) -> records.Record:
    """What is known of simulated data before they are."""
    region = data.observed_region(problem.domain, config.data.region)
    num_times = config.data.num_steps + 1
    mask = data.observation_mask(num_times, region, config.data.every)
    shape = (
        len(config.data.train_sim),
        num_times,
        *problem.domain.resolution,
        problem.domain.ndim,
    )
    return records.Record(mask.astype(np.float32), shape, 1.0)


def check_windows(config, record: records.Record):
    """Raises a ValueError if a horizon doesn't fit or an observation is not used."""
    if config.mode != "physical":
        used = [(*record.index(h), h) for h in set(_schedule(config))]
        record.check_used(used)
    if config.mode != "synthetic":
        settings = _physical_settings(config)
        record.check_used([players.physical_windows(record, settings)])


class Setup(NamedTuple):
    """Models, and the stages that train them, in order.

    Attributes:
        network: The synthetic model.
        stages: What is trained.
        init_state: Makes the state before the first cycle of a stage.
        players: The two players of the last hybrid cycle, by model.
    """

    network: Model
    stages: tuple[Stage, ...]
    init_state: Callable[[], HybridState]
    players: dict[str, hybrid.Player]


def build(
    config,
    problem: Problem,
    real: Trajectories,
    evaluate: Callable[[str], Callable[[HybridState], dict[str, float]]],
) -> Setup:
    """Builds all that a run trains.

    Args:
        config: A checked config.
        problem: The physical system.
        real: The observed training simulations.
        evaluate: Maps the name of a stage to its evaluation.

    Returns:
        The models and stages; nothing is compiled yet.

    Raises:
        ValueError: If data and config don't fit.
    """
    network = make_network(config, problem)
    record = records.make_record(real)
    horizons = _schedule(config)
    settings = {h: _synthetic_settings(config, h) for h in set(horizons)}
    physical_settings = _physical_settings(config)
    epochs = config.hybrid.synthetic_epochs_per_cycle
    synthetic_tx = synthetic.make_optimizer(
        config.synthetic.optimizer,
        config.synthetic.learning_rate,
        config.synthetic.scheduler,
        sum(epochs * players.count_updates(record, settings[h]) for h in horizons),
        config.synthetic.weight_decay,
        config.synthetic.clip_norm,
    )
    physical_tx = physical.make_optimizer(
        config.physical.method, config.physical.learning_rate
    )
    check_windows(config, record)

    synthetic_players = {
        horizon: players.make_synthetic_player(
            record,
            settings[horizon],
            step=network.step,
            tx=synthetic_tx,
            sample_u0=problem.sample_u0,
            partner=physical_settings,
        )
        for horizon in settings
    }
    physical_player = players.make_physical_player(
        record,
        physical_settings,
        step=problem.model.step,
        tx=physical_tx,
        sample_u0=problem.sample_u0,
        partner=settings[horizons[-1]],
        penalty=problem.penalty,
    )

    @functools.cache
    def cycle_fn(kind, horizon):
        if kind == "hybrid":
            cycle = hybrid.make_hybrid_cycle(
                synthetic_players[horizon],
                physical_player,
                alpha_synthetic=config.hybrid.alpha_synthetic,
                alpha_physical=config.hybrid.alpha_physical,
                trust_power=config.hybrid.trust_power,
            )
        elif kind == "synthetic":
            cycle = hybrid.make_solo_cycle(kind, synthetic_players[horizon])
        else:
            cycle = hybrid.make_solo_cycle(kind, physical_player)
        return jax.jit(cycle, donate_argnums=0)

    warmup = config.hybrid.warmup
    cycle_fns = {
        "physical": [cycle_fn("physical", None)] * config.hybrid.cycles,
        "synthetic": [cycle_fn("synthetic", h) for h in horizons],
        "hybrid": [cycle_fn("synthetic", h) for h in horizons[:warmup]]
        + [cycle_fn("hybrid", h) for h in horizons[warmup:]],
    }
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

    @jax.jit
    def sides(key, real):
        synthetic_state = synthetic.init(network.init(key), ["network"], synthetic_tx)
        physical_state = synthetic.init(
            problem.model.init(key), list(config.physical.learnable), physical_tx
        )
        synthetic_player = synthetic_players[horizons[0]]
        return (
            hybrid.init_side(synthetic_player, synthetic_state, real),
            hybrid.init_side(physical_player, physical_state, real),
        )

    def init_state():
        synthetic_side, physical_side = sides(seeded_key(config, _NETWORK), real)
        state = HybridState(
            jnp.zeros((), jnp.int32),
            seeded_key(config, _RUN),
            synthetic_side,
            physical_side,
        )
        # Two leaves of one buffer can't be donated.
        return jax.tree.map(jnp.copy, state)

    last_players = {
        "synthetic": synthetic_players[horizons[-1]],
        "physical": physical_player,
    }
    return Setup(network, stages, init_state, last_players)


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

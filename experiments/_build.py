"""From a checked config and a problem to the stages that train the two players."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments import _players
from experiments import problem as problems
from experiments.problem import Problem
from hyco_jax import hybrid
from hyco_jax.hybrid import Cycle
from hyco_jax.running.loop import Stage
from hyco_jax.training import minibatch as synthetic
from hyco_jax.types import HybridState, Model, Trajectories


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
    parts = _players.make_parts(config, problem, network, real)
    horizons = _players.schedule(config)
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


def _make_cycle_fns(config, parts: _players.Parts, horizons) -> dict[str, list[Cycle]]:
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


def _make_init_state(config, problem, network, parts: _players.Parts, last, real):
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

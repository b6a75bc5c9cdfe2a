"""From readings at points and settings to the stages that are trained, in order."""

import functools
import math

import jax.numpy as jnp
import numpy as np

from hyco_jax import calls, stages
from hyco_jax import settings as all_settings
from hyco_jax.config import schema
from hyco_jax.data.placement import Placed
from hyco_jax.models import ensemble as ensembles
from hyco_jax.models import segments
from hyco_jax.players import physical as physical_players
from hyco_jax.players import points
from hyco_jax.players import synthetic as synthetic_players
from hyco_jax.players.points import Ghosts
from hyco_jax.players.smoothness import make_adapt
from hyco_jax.problem import Problem
from hyco_jax.settings import Settings
from hyco_jax.stages import Models, Plan
from hyco_jax.training import full_batch, losses, minibatch


def make_plan(
    problem: Problem, placed: Placed, settings: Settings, models: Models
) -> Plan:
    """Makes the players and the stages; nothing is compiled.

    Args:
        problem: The physical system.
        placed: The readings.
        settings: Of the fit.
        models: Both models.

    Raises:
        ValueError: If readings and settings don't fit.
    """
    check(settings, problem, placed.num_steps)
    hybrid, real = settings.hybrid, placed.real
    num_cycles = hybrid.num_trainings
    make_synthetic = _make_field if _is_field(settings) else _make_network
    synthetic, updates = make_synthetic(problem, placed, settings, models)
    txs = {
        "synthetic": synthetic_players.make_optimizer(
            settings.synthetic, num_cycles * updates
        ),
        "physical": physical_players.make_optimizer(
            settings.physical, hybrid.num_fits + hybrid.cooldown
        ),
    }
    players = {
        "synthetic": synthetic(txs["synthetic"]),
        "physical": _make_physical(problem, placed, settings, models, txs["physical"]),
    }
    last_fit = players["physical"], real
    by_horizon = {name: functools.partial(_same, p) for name, p in players.items()}
    if hybrid.cooldown:
        whole = placed._replace(real=real.whole)
        last = _make_physical(
            problem, whole, settings, models, txs["physical"], is_last=True
        )
        by_horizon["cooldown"] = functools.partial(_same, last)
        last_fit = last, real.whole
    horizons = [placed.num_steps] * num_cycles
    made = calls.make_stages(settings, by_horizon, horizons)
    init_state = stages.make_init_state(settings, models, players, txs, real)
    predict = models.on_data_grid.predict
    return Plan(made, init_state, real, players, predict, last_fit)


def check(settings: Settings, problem: Problem, num_steps: int):
    """Checks settings against readings.

    Raises:
        ValueError: If a value is not allowed.
    """
    schema.check(settings)
    hybrid, synthetic = settings.hybrid, settings.synthetic
    ndim = problem.domain.ndim
    on_grid_only = {"generated_from": "initial_states", "trust_by": "record"}
    for name, usual in on_grid_only.items():
        if getattr(hybrid, name) != usual:
            schema.fail(
                f"hybrid.{name}",
                getattr(hybrid, name),
                f"{usual!r} where data are at points",
            )
    if len(hybrid.ghost_region) not in (0, ndim):
        schema.fail(
            "hybrid.ghost_region",
            hybrid.ghost_region,
            f"() or {ndim} entries, as pde.resolution has",
        )
    if settings.mode == "hybrid" and synthetic.num_real >= synthetic.batch_size:
        schema.fail(
            "synthetic.num_real",
            synthetic.num_real,
            f"less than synthetic.batch_size={synthetic.batch_size}, to leave room for "
            "predictions",
        )
    longest = hybrid.steps_physical_to_synthetic or num_steps
    if settings.physical.fits_states:
        # Of its own states, from the first step on.
        longest = num_steps - 1
    if not _is_field(settings) and synthetic.generated_horizon > longest:
        schema.fail(
            "synthetic.generated_horizon",
            synthetic.generated_horizon,
            f"at most the {longest} steps that are generated for it",
        )


def _same(player, horizon):
    del horizon
    return player


def _is_field(settings):
    return settings.synthetic.name == "field"


def _ask(problem, settings, count=None):
    region = settings.hybrid.ghost_region or ((0.0, 1.0),) * problem.domain.ndim
    ghosts = Ghosts(
        count or settings.hybrid.ghost_points,
        region,
        settings.hybrid.ghosts_at == "cells",
        # The state before the step of a steady equation says nothing.
        problem.dt if problem.is_steady else 0.0,
    )
    return points.make_ghost_query(ghosts, problem.physics_domain, problem.dt)


def _make_field(problem, placed, settings, models):
    """A function of the optimiser that makes the field's player; updates of a cycle."""
    synthetic = settings.synthetic
    num_ghosts = len(placed.u0) * settings.hybrid.ghost_points
    count = placed.real.rows.count
    sizes = {
        1: (min(synthetic.batch_size, count),),
        2: (
            min(synthetic.num_real, count),
            min(synthetic.batch_size - synthetic.num_real, num_ghosts),
        ),
    }
    updates = synthetic.updates_per_epoch or math.ceil(
        (count + num_ghosts) / synthetic.batch_size
    )
    predict = models.synthetic.predict

    def make(tx):
        return points.make_field_player(
            predict,
            _descend(models.trained, tx, synthetic, sizes, updates),
            points.generate_at(_ask(problem, settings), predict, placed),
            placed,
            sizes,
        )

    return make, synthetic.num_epochs * updates


def _make_network(problem, placed, settings, models):
    """The same of a network that makes steps."""
    synthetic, hybrid = settings.synthetic, settings.hybrid
    longest = hybrid.steps_physical_to_synthetic or placed.num_steps
    per_window = longest + 1 - synthetic.generated_horizon
    num_windows = hybrid.num_physical_to_synthetic * per_window
    records, ask = placed.real.records, _ask(problem, settings)
    if settings.physical.fits_states:
        num_windows = records.count * (placed.num_steps - synthetic.generated_horizon)
    generate = points.generate_at(ask, models.synthetic.predict, placed)
    if placed.real.pieces is not None:
        records = placed.real.pieces
        share = math.ceil(hybrid.ghost_points / placed.starts.shape[1])
        ask = _ask(problem, settings, share)
        generate = points.generate_in_pieces(
            ask, models.synthetic.predict, placed, problem.dt
        )
    count = records.count
    sizes = {
        1: (min(synthetic.batch_size, count),),
        2: (min(synthetic.num_real, count), synthetic.batch_size - synthetic.num_real),
    }
    updates = synthetic.updates_per_epoch or math.ceil(
        (count + num_windows) / synthetic.batch_size
    )
    predict = models.synthetic.predict

    def make(tx):
        return points.make_network_player(
            predict,
            _descend(models.trained, tx, synthetic, sizes, updates),
            generate,
            placed,
            problem.predicted,
            synthetic.generated_horizon,
            problem.num_driven,
            sizes,
        )

    return make, synthetic.num_epochs * updates


def _descend(model, tx, synthetic, sizes, updates):
    def train(state, parts, key):
        return minibatch.train(
            state,
            parts,
            key,
            predict=model.predict,
            tx=tx,
            num_epochs=synthetic.num_epochs,
            batch_sizes=sizes[len(parts)],
            updates_per_epoch=updates,
            chunk=synthetic.batch_chunk or None,
        )

    if synthetic.members > 1:
        return ensembles.train_members(train, synthetic.members)
    return train


def _make_physical(problem, placed, settings, models, tx, is_last=False):
    physical = settings.physical
    predict, answer = models.on_data_grid.predict, models.own_states
    # Of the real simulations, from their own initial states where these are fitted.
    of_real, part_losses, scored = predict, losses.shared_losses, None
    if answer is not None:
        of_real = _from_own_states(predict)
        unit = jump_unit(placed)
        part_losses = points.make_jump_losses(answer, unit)
        # Scores of all cycles have to be of one measure.
        scored = points.make_jump_losses(answer, unit, physical.jump_weights[1])

    adapt = make_adapt(
        models.physical,
        of_real,
        int((np.asarray(placed.real.records.weights) > 0).sum()),
        1.0 if placed.has_sigma else None,
    )

    differentiate = stages.choose_derivatives(settings, models)

    def train(state, parts, key):
        state, metrics = full_batch.train(
            state,
            parts,
            predict=of_real,
            tx=tx,
            method=physical.method,
            num_iterations=physical.num_iterations,
            abs_tol=physical.abs_tol,
            keep_best=physical.keep_best,
            part_losses=part_losses,
            penalty=models.physical.penalty,
            differentiate=differentiate,
        )
        raised = _raise_jump_weight(state, settings, is_last)
        state = adapt(raised, parts, key)
        return state, metrics

    return points.make_physical_player(
        of_real,
        train,
        _make_physical_generate(problem, placed, settings, predict, of_real),
        placed,
        scored,
    )


def jump_unit(placed: Placed) -> np.ndarray:
    """What squares of each channel's jumps are measured by, shape `(C,)`."""
    return np.where(placed.unit > 0, placed.unit, placed.std**2)


def _make_physical_generate(problem, placed, settings, predict, of_real):
    if _is_field(settings):
        return points.generate_at(_ask(problem, settings), of_real, placed)
    if settings.physical.fits_states:
        return points.generate_along(of_real)
    sample_u0 = None
    if problem.sample_u0 is not None and not problem.num_driven:

        def sample_u0(key, count):
            return problem.sample_u0(key, problem.domain, count)

    exchange = all_settings.exchanges(settings, placed.num_steps)["physical"]
    return points.generate_trajectories(
        predict, exchange, sample_u0, problem.num_driven
    )


def _from_own_states(predict):
    return lambda params, query: predict(params, query.replace(u0=None))


def _raise_jump_weight(state, settings, is_last):
    """Raises the weight of jumps, if there is one, for the next cycle.

    It reaches its last value in the last hybrid cycle. A cooldown begins anew with the
    first one: with all of the weight L-BFGS stops within a few iterations of where a
    strong partner has led the solver.
    """
    if segments.JUMP_WEIGHT not in state.constants:
        return state
    physical, hybrid = settings.physical, settings.hybrid
    first, last = physical.jump_weights
    num_cycles = hybrid.cooldown if is_last else hybrid.num_fits
    growth = physical_players.jump_growth(physical, num_cycles)
    weight = state.constants[segments.JUMP_WEIGHT]
    raised = jnp.clip(weight * growth, min(first, last), max(first, last))
    if hybrid.cooldown and settings.mode == "hybrid" and not is_last:
        # Half a cycle's growth before the last value: sums of floats don't meet it.
        is_over = jnp.abs(jnp.log(weight / last)) <= abs(math.log(growth)) / 2
        raised = jnp.where(is_over | (num_cycles == 1), first, raised)
    constants = {**state.constants, segments.JUMP_WEIGHT: raised}
    return state.replace(constants=constants)

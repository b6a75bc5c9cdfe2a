"""From a problem, its data and settings to the stages that are trained, in order."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from hyco_jax import calls, hybrid
from hyco_jax import settings as all_settings
from hyco_jax.config import schema
from hyco_jax.data import record as records
from hyco_jax.data import statistics
from hyco_jax.data.observations import Observations
from hyco_jax.data.placement import Placed
from hyco_jax.data.record import Real
from hyco_jax.grids import quantities as meanings
from hyco_jax.hybrid import Player
from hyco_jax.models import ensemble as ensembles
from hyco_jax.models import neural_field, regularisation, resampled, segments
from hyco_jax.models.ensemble import Ensemble
from hyco_jax.models.physical import PhysicalModel, make_physical
from hyco_jax.models.segments import Answer
from hyco_jax.networks import settings as networks
from hyco_jax.players import physical as physical_players
from hyco_jax.players import synthetic as synthetic_players
from hyco_jax.players.smoothness import Adapt, make_adapt
from hyco_jax.problem import Problem
from hyco_jax.running.loop import Stage
from hyco_jax.settings import Settings
from hyco_jax.training.forward import Differentiate
from hyco_jax.training.state import init as init_train_state
from hyco_jax.types import HybridState, Model, Params, PredictFn, Query

# What a synthetic model knows of the data, and no optimiser touches.
_CONSTANTS = ("normalisation", "record")

# Uses of a seed, see `seeded_key`.
DATA, NETWORK, RUN = range(3)


class Models(NamedTuple):
    """Both models of a fit.

    Attributes:
        physical: The PDE with its coefficients, on its own grid.
        own_states: Where it has fitted states, what it says from these, see
            `models.segments`; else None.
        on_data_grid: The same, asked on the grid of the data.
        synthetic: The network, or the mean of several.
        ensemble: These, if there are several.
    """

    physical: PhysicalModel
    on_data_grid: Model
    synthetic: Model
    own_states: Callable[[Params, Query], Answer] | None = None
    ensemble: Ensemble | None = None

    @property
    def trained(self) -> Model:
        """What the synthetic trainer trains: the network, or one of several."""
        return self.synthetic if self.ensemble is None else self.ensemble.member

    @property
    def by_name(self) -> dict[str, Model]:
        """Both as they answer on the grid of the data."""
        return {"physical": self.on_data_grid, "synthetic": self.synthetic}


class Plan(NamedTuple):
    """What is trained, compiled when it is called.

    Attributes:
        stages: In order.
        init_state: Makes the state before the first cycle of a stage.
        real: The real data that cycles take.
        players: The two players of the last hybrid cycle, by model.
        fitted: The physical model's `predict`, as it is asked to be fitted.
        last_fit: The physical player of the last cycle and the real data as it takes
            them: what the fit of the coefficients ended with.
    """

    stages: tuple[Stage, ...]
    init_state: Callable[[], HybridState]
    real: Any
    players: dict[str, Player]
    fitted: PredictFn
    last_fit: tuple[Player, Any]


class Prepared(NamedTuple):
    """A problem with its data, checked and ready to be fitted.

    Attributes:
        problem: The physical system, its substeps planned for the data.
        data: What was observed.
        placed: What is trained on, where it is at points.
        models: Both models.
        plan: What is trained.
    """

    problem: Problem
    data: Observations
    placed: Placed | None
    models: Models
    plan: Plan


class _Records(NamedTuple):
    """Static facts of what each model is trained on, and of what is scored."""

    training: records.Record
    physical: records.Record
    scored: records.Record
    has_sigma: bool


def make_models(
    problem: Problem,
    settings: Settings,
    data: Observations | Placed | None = None,
    network: nn.Module | Model | None = None,
) -> Models:
    """Makes both models; nothing is compiled.

    Args:
        problem: The physical system.
        settings: Of the fit.
        data: Observations on the grid or placed readings: the part of them that the
            network is trained on normalises it, if asked for. Models whose parameters
            are stored don't need them.
        network: Takes the place of the named one.

    Raises:
        ValueError: If an option doesn't fit the problem.
    """
    physical = make_physical(problem, settings.coefficients, settings.physical.remat)
    normalisation, record = None, None
    if isinstance(data, Placed):
        mean, std = data.mean, data.std
        normalisation = {"mean": mean, "std": std}
        if not settings.synthetic.field.normalise:
            mean, std = np.zeros_like(mean), np.ones_like(std)
        record = neural_field.make_record(
            len(data.u0), data.num_steps, mean, std, data.given
        )
    elif data is not None and settings.synthetic.normalise:
        training = _make_real(settings, data).training
        normalisation = statistics.normalisation(training, problem.quantities)
    if not settings.synthetic.normalise:
        normalisation = None
    synthetic = networks.make_model(
        settings.synthetic, problem, normalisation, record, network
    )
    own_states = None
    if settings.physical.fits_states:
        for name in physical.adapts:
            schema.fail(
                f"coefficients.{name}.smoothness",
                "auto",
                "'given' with fitted states, whose own share nobody tells apart",
            )
        placed = data if isinstance(data, Placed) else None
        own = _with_states(problem, settings.physical, physical.model, placed)
        penalty, roughness = (
            _with_roughness(problem, settings.physical, of_coefficients, placed)
            for of_coefficients in (physical.penalty, physical.roughness)
        )
        physical = physical._replace(
            model=own.model, penalty=penalty, roughness=roughness
        )
        own_states = own.answer
    on_data_grid = resampled.on_data_grid(physical.model, problem.resampling)
    several = None
    if settings.synthetic.members > 1:
        several = ensembles.ensemble(synthetic, settings.synthetic.members, _CONSTANTS)
        synthetic = several.model
    return Models(physical, on_data_grid, synthetic, own_states, several)


def _with_states(problem, settings, model, placed):
    """Gives the solver states of its own; nobody guesses them without data."""
    domain, guess = problem.physics_domain, None
    if placed is not None:
        guess = segments.make_params(
            problem.resampling.to_physical(jnp.asarray(placed.starts)),
            placed.segment_steps,
            settings.jump_weights[0],
        )
    predicted = meanings.predicted_entries(problem.quantities, domain)
    return segments.with_states(
        model,
        guess,
        domain,
        problem.dt,
        problem.quantities,
        predicted,
        settings.initial == "fitted",
    )


def _with_roughness(problem, settings, penalty, placed):
    """Adds that of fitted states to the penalty of the coefficients."""
    weight, domain = settings.state_smoothness, problem.physics_domain
    if not weight or placed is None:
        return penalty
    unit = np.asarray(placed.std**2, np.float32)

    def with_roughness(params):
        states = params[segments.STATES].reshape(-1, *params[segments.STATES].shape[2:])
        rough = jax.vmap(lambda u: regularisation.h1_penalty(u / unit**0.5, domain))
        other = 0.0 if penalty is None else penalty(params)
        return other + weight * rough(states).mean()

    return with_roughness


def make_plan(
    problem: Problem, observations: Observations, settings: Settings, models: Models
) -> Plan:
    """Makes the players and the stages; nothing is compiled.

    Args:
        problem: The physical system.
        observations: Checked ones.
        settings: Of the fit.
        models: Both models.

    Raises:
        ValueError: If data and settings don't fit.
    """
    observed = observations.select(observations.train)
    num_sims, num_times = observed.states.shape[:2]
    weights = np.asarray(observed.weights)
    check_windows(problem, settings, weights, num_sims, num_times - 1)
    real = _make_real(settings, observations)
    facts = _make_records(problem, real, observations.sigma)
    horizons = all_settings.schedule(settings, facts.training.num_steps)
    txs = {
        "synthetic": _synthetic_tx(settings, facts, horizons),
        "physical": physical_players.make_optimizer(
            settings.physical, settings.hybrid.num_fits + settings.hybrid.cooldown
        ),
    }
    players = _make_players(problem, settings, models, facts, txs, set(horizons))
    last = {name: player(horizons[-1]) for name, player in players.items()}
    last_fit = last["physical"], real
    if settings.hybrid.cooldown:
        all_facts = _make_records(problem, real.whole, observations.sigma)
        whole = _make_players(problem, settings, models, all_facts, txs, set(horizons))
        players["cooldown"] = whole["physical"]
        last_fit = whole["physical"](horizons[-1]), real.whole
    stages = calls.make_stages(settings, players, horizons)
    init_state = make_init_state(settings, models, last, txs, real)
    fitted = _fitted(problem, models)
    return Plan(stages, init_state, real, last, fitted, last_fit)


def check_windows(
    problem: Problem,
    settings: Settings,
    weights: np.ndarray,
    num_sims: int,
    num_steps: int,
):
    """Checks settings against training data of which only the weights are known.

    Args:
        problem: The physical system.
        settings: Of the fit.
        weights: Of the training simulations, axes of full length or 1.
        num_sims: Their number.
        num_steps: Their steps.

    Raises:
        ValueError: If a setting doesn't fit, or an observation is no window's target.
    """
    if all_settings.holds_out(settings):
        num_steps = records.training_steps(weights, num_steps)
        weights = weights[:, : num_steps + 1]
    shape = (num_sims, num_steps + 1, *problem.domain.resolution, problem.num_channels)
    record = records.Record(weights, shape, 1.0, problem.predicted)
    resampling, domain = problem.resampling, problem.resampling.common
    physical = dataclasses.replace(
        record,
        weights=np.asarray(resampling.weights_to_common(weights)),
        shape=(*shape[:2], *domain.resolution, shape[-1]),
        predicted=meanings.predicted_entries(problem.quantities, domain),
    )
    all_settings.check(settings, num_steps, physical.is_full)
    if settings.mode != "physical":
        horizons = set(all_settings.schedule(settings, num_steps))
        record.check_used([(*record.index(h), h) for h in horizons])
    if settings.mode != "synthetic":
        index = physical_players.real_index(physical, settings.physical)
        physical.check_used([index])


def _make_real(settings: Settings, observations: Observations) -> Real:
    observed = observations.select(observations.train)
    return records.make_real(observed, all_settings.holds_out(settings))


def seeded_key(seed: int, use: int) -> jax.Array:
    """The PRNG key of one use of a seed."""
    return jax.random.fold_in(jax.random.key(seed), use)


def _make_records(problem, real, sigma) -> _Records:
    quantities = problem.quantities
    training = records.make_record(real.training, quantities, problem.predicted, sigma)
    physical, common = training, problem.resampling.common
    if common != problem.domain:
        physical = records.make_record(
            problem.resampling.observed_to_common(real.training),
            quantities,
            meanings.predicted_entries(quantities, common),
            sigma,
        )
    return _Records(training, physical, training.of(real.scored), sigma is not None)


def _synthetic_tx(settings, facts, horizons):
    receives = all_settings.exchanges(settings, facts.training.num_steps)["physical"]
    updates = sum(
        synthetic_players.count_updates(
            facts.training, settings.synthetic, horizon, receives
        )
        for horizon in horizons
    )
    return synthetic_players.make_optimizer(
        settings.synthetic, settings.synthetic.num_epochs * updates
    )


def _make_players(problem, settings, models, facts, txs, horizons):
    """Functions of a horizon that make each player; the physical one ignores it."""
    made = all_settings.exchanges(settings, facts.training.num_steps)
    visits = _visits(problem, settings)
    by_simulation = settings.hybrid.trust_by == "simulation"
    sample_u0 = None
    if problem.sample_u0 is not None:

        def sample_u0(key, num_samples):
            return problem.sample_u0(key, problem.domain, num_samples)

    synthetic = {
        horizon: synthetic_players.make_player(
            facts.training,
            facts.scored,
            settings.synthetic,
            horizon,
            predict=models.synthetic.predict,
            trained=models.trained.predict,
            tx=txs["synthetic"],
            sample_u0=sample_u0,
            gives=made["synthetic"],
            receives=made["physical"],
            visits=visits,
            by_simulation=by_simulation,
        )
        for horizon in horizons
    }
    physical = physical_players.make_player(
        facts.physical,
        facts.scored,
        settings.physical,
        fitted=_fitted(problem, models),
        predict=models.on_data_grid.predict,
        resampling=problem.resampling,
        tx=txs["physical"],
        sample_u0=sample_u0,
        gives=made["physical"],
        receives=made["synthetic"],
        visits=visits,
        by_simulation=by_simulation,
        adapt=_make_adapt(problem, models, facts),
        penalty=models.physical.penalty,
        differentiate=choose_derivatives(settings, models),
    )
    return {"synthetic": synthetic.__getitem__, "physical": lambda horizon: physical}


def fitted_names(models: Models) -> list[str]:
    """Names of the parameters that the physical trainer fits."""
    states = [] if models.own_states is None else [segments.STATES]
    return [*models.physical.learned, *states]


def choose_derivatives(settings: Settings, models: Models) -> Differentiate:
    """Chooses how the physical trainer's gradients are made.

    Raises:
        ValueError: If there are too many parameters for forward mode.
    """
    variables = jax.eval_shape(models.physical.model.init, jax.random.key(0))
    # Of a refined model nobody guesses the states.
    known = [name for name in fitted_names(models) if name in variables]
    leaves = jax.tree.leaves({name: variables[name] for name in known})
    count = sum(leaf.size for leaf in leaves)
    return physical_players.choose_derivatives(settings.physical, count)


def _visits(problem, settings) -> float:
    chosen = settings.hybrid.generated_from
    share = all_settings.GENERATED_FROM[chosen]
    if share and problem.num_driven:
        schema.fail(
            "hybrid.generated_from",
            chosen,
            "'initial_states' where something is driven, at times of its own",
        )
    return share


def _make_adapt(problem, models, facts) -> Adapt:
    # Of means over cells nobody stated how large the noise is.
    is_stated = facts.has_sigma and problem.resampling.common == problem.domain
    return make_adapt(
        models.physical,
        _fitted(problem, models),
        facts.physical.num_observed,
        1.0 if is_stated else None,
    )


def _fitted(problem, models) -> PredictFn:
    """Asked on the coarser grid, so that real data aren't interpolated to a finer."""
    if problem.resampling.common != problem.physics_domain:
        return models.on_data_grid.predict
    return models.physical.model.predict


def make_init_state(
    settings: Settings,
    models: Models,
    last: Mapping[str, Player],
    txs: Mapping[str, optax.GradientTransformation],
    real: Any,
) -> Callable[[], HybridState]:
    """Makes the function that makes the state before the first cycle of a stage.

    Args:
        settings: Of the fit.
        models: Both models.
        last: The players of the last cycle, by model.
        txs: Their optimisers.
        real: The real data.
    """
    inits = {
        "synthetic": models.synthetic.init,
        "physical": models.physical.model.init,
    }

    @jax.jit
    def sides(key, real):
        result = {}
        for name, player in last.items():
            variables = inits[name](key)
            names = fitted_names(models)
            if name == "synthetic":
                names = [n for n in variables if n not in _CONSTANTS]
            state = init_train_state(variables, names, txs[name])
            result[name] = hybrid.init_side(player, state, real)
        return result

    def init_state():
        state = HybridState(
            jnp.zeros((), jnp.int32),
            seeded_key(settings.seed, RUN),
            **sides(seeded_key(settings.seed, NETWORK), real),
        )
        # Two leaves of one buffer can't be donated.
        return jax.tree.map(jnp.copy, state)

    return init_state

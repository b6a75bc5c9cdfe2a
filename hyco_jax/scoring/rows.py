"""Scores of every row of the table, and the arrays that figures draw."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from hyco_jax.data import speeds, statistics
from hyco_jax.data.observations import Observations
from hyco_jax.models import ensemble as ensembles
from hyco_jax.models import resampled, stepper
from hyco_jax.models.segments import STATES
from hyco_jax.players import windows
from hyco_jax.problem import Problem
from hyco_jax.scoring import calibration, evaluate, metrics, readings, table
from hyco_jax.scoring import coefficients as fitted
from hyco_jax.stages import Models
from hyco_jax.types import HybridState, Params, Trajectories


class Judge(NamedTuple):
    """What models are scored with.

    Attributes:
        problem: The physical system.
        models: Both models.
        observations: Whose simulations are scored.
        reference: What answers are compared with, on the device.
        evaluate: The jitted evaluation of each model.
        true_coefficients: Of the learned ones that are known, on the physical grid;
            on the data's, if that is coarser and the truth is known there alone.
        is_field: Whether the synthetic model only knows the training simulations.
        weights: Of squares of errors, broadcast to `(*S, C)`.
        members: Of an ensemble, the jitted function of its parameters and the
            reference that gives the spread of its answers, `(N, T, *S, C)`, and the
            nRMSE of each member, `(M, N, T + 1)`; else None.
    """

    problem: Problem
    models: Models
    observations: Observations
    reference: Trajectories
    evaluate: Mapping[str, Callable]
    true_coefficients: Mapping[str, np.ndarray]
    is_field: bool
    weights: np.ndarray
    members: Callable | None

    def splits(self, model: str) -> dict[str, tuple[int, ...]]:
        """Simulations of each split that a model can answer."""
        splits = self.observations.splits
        if model == "synthetic" and self.is_field:
            return {"train": splits["train"]}
        return splits

    @property
    def shown(self) -> int:
        """The simulation that figures show."""
        split = "train" if self.is_field else self.observations.shown
        return self.observations.splits[split][0]


def make_judge(
    problem: Problem,
    models: Models,
    observations: Observations,
    is_field: bool = False,
    is_own: bool = False,
) -> Judge:
    """Prepares scores; nothing is compiled.

    Args:
        problem: The physical system.
        models: Both models.
        observations: Checked ones, whose simulations are scored; those for training
            say what a square is measured by.
        is_field: Whether the synthetic model only knows the training simulations.
        is_own: Whether the models were trained on them, and may have fitted their
            initial states.
    """
    training = observations.select(observations.train)
    # The norm of the loss, in which quantities of different units add up.
    scale = statistics.variance(training.states, training.weights, problem.quantities)
    weights = problem.predicted / np.asarray(scale)
    # A known truth tells errors apart by where something was observed.
    region = observed_region(observations)
    region = None if observations.truth is None else region
    driven, resampling = problem.num_driven, problem.resampling
    reference = jax.device_put(observations.reference)

    def synthetic_rollouts(params, reference):
        query = windows.whole_query(reference.states, driven)
        return stepper.trajectories(models.synthetic.predict, params, query)

    def physical_rollouts(params, reference):
        query = windows.whole_query(reference.states, driven)
        query = resampled.to_physical(query, resampling)
        predict = models.physical.model.predict
        states = stepper.trajectories(predict, params, query)
        if models.own_states is None or not is_own:
            return states
        own = predict(params, query.replace(u0=None))
        own = jnp.concatenate([params[STATES][query.sim, :1], own], axis=1)
        is_trained = np.isin(np.arange(len(states)), observations.train)
        return jnp.where(is_trained.reshape(-1, *[1] * (states.ndim - 1)), own, states)

    def diagnostics_on(domain):
        def diagnose(u):
            result = {}
            if problem.diagnostics is not None:
                result |= problem.diagnostics(domain, u)
            if problem.model_speeds is not None:
                speed = problem.model_speeds.of(u)
                # What carries may be known, and finite when the rest no longer is.
                result["speed"] = jnp.where(jnp.isfinite(u).all(), speed, jnp.inf)
            return result

        return diagnose

    options = {"region": region, "weights": weights}
    evaluates = {
        "physical": evaluate.make_evaluate(
            physical_rollouts,
            to_data=resampling.to_data,
            diagnostics=diagnostics_on(problem.physics_domain),
            **options,
        ),
        "synthetic": evaluate.make_evaluate(
            synthetic_rollouts,
            diagnostics=diagnostics_on(problem.domain),
            **options,
        ),
    }
    truth = fitted.true_values(problem, models, observations.truth)
    return Judge(
        problem,
        models,
        observations,
        reference,
        evaluates,
        truth,
        is_field,
        weights,
        _make_members(models, weights, driven),
    )


def _make_members(models, weights, driven):
    if models.ensemble is None:
        return None

    @jax.jit
    def members(params, reference):
        query = windows.whole_query(reference.states, driven)
        answers = models.ensemble.answers(params, query)
        counted = jnp.asarray(weights, answers.dtype)[None, None]
        counted = jnp.broadcast_to(counted, reference.states.shape)
        if reference.weights is not None:
            counted = counted * reference.weights
        ndim = reference.states.ndim - 3
        states = reference.states[:, 1:]
        nrmse = metrics.nrmse(answers, states, counted[:, 1:], ndim)
        first = jnp.full_like(nrmse[..., :1], jnp.nan)
        return {
            "spread": ensembles.spread(answers),
            "nrmse": jnp.concatenate([first, nrmse], axis=-1),
        }

    return members


def observed_region(observations: Observations) -> np.ndarray:
    """Marks the cells in which something was observed after t = 0, shape `(*S,)`."""
    weights = np.asarray(observations.observed.weights)
    shape = observations.observed.states.shape
    seen = weights[:, 1:] > 0 if weights.shape[1] > 1 else weights > 0
    return np.broadcast_to(seen.any(axis=(0, 1, -1)), shape[2:-1])


def score_cycle(judge: Judge, stage: str, state: HybridState) -> dict[str, float]:
    """Scores a state for the log: nRMSE of training and validation, coefficients."""
    line = {}
    for model in (m for s, m in table.ROW_STAGE.values() if s == stage):
        params = getattr(state, model).train.variables
        errors = judge.evaluate[model](params, judge.reference)
        splits = judge.splits(model)
        for split in ("train", "val"):
            if split in splits:
                summary = evaluate.summarise(errors, splits[split], judge.problem.dt)
                line[f"{model}/{split}_nrmse"] = summary["nrmse"]
        if model == "physical":
            for name, error in fitted.errors(judge, params).items():
                line[f"physical/{name}_error"] = error
    return line


def score_rows(
    judge: Judge, params: Mapping[str, tuple[str, Params]], seconds: Mapping[str, float]
) -> tuple[dict[str, dict], dict[str, np.ndarray]]:
    """Scores every row of the table.

    Args:
        judge: From `make_judge`.
        params: Maps rows to a model, "physical" or "synthetic", and its parameters.
        seconds: Of training, by row.

    Returns:
        The rows, and the arrays of figures, see `scoring.plots`.
    """
    shown, dt = judge.shown, judge.problem.dt
    rows, arrays = {}, _arrays(judge, shown)
    for row, (model, variables) in params.items():
        errors = jax.device_get(judge.evaluate[model](variables, judge.reference))
        rows[row] = {"seconds": seconds.get(row)}
        if model == "physical":
            rows[row] |= fitted.columns(judge, variables)
            values = judge.models.physical.values(variables)
            rows[row] |= readings.coefficient_columns(values)
            arrays |= fitted.arrays(judge, row, variables)
        for split, sims in judge.splits(model).items():
            summary = evaluate.summarise(errors, sims, dt)
            rows[row] |= {f"{split}/{name}": value for name, value in summary.items()}
            if model == "physical":
                _warn_of_limits(judge.problem, row, split, summary)
            arrays[f"nrmse/{split}/{row}"] = evaluate.mean_curve(errors, sims)
        if model == "synthetic" and judge.members is not None:
            columns, bands = _calibrate(judge, row, variables, errors)
            rows[row] |= columns
            arrays |= bands
        arrays[f"rollout/{row}"] = errors["rollouts"][shown]
    return rows, arrays


def _calibrate(judge, row, variables, errors):
    """Columns on simulations that were not trained on, and bands of the curves."""
    found = jax.device_get(judge.members(variables, judge.reference))
    reference = jax.device_get(judge.reference)
    weights = 1.0 if reference.weights is None else reference.weights
    weights = np.broadcast_to(judge.weights * weights, reference.states.shape)[:, 1:]
    gaps = errors["rollouts"][:, 1:] - reference.states[:, 1:]
    columns, bands = {}, {}
    for split, sims in judge.splits("synthetic").items():
        own = list(sims)
        if split != "train":
            scores = calibration.scores(gaps[own], found["spread"][own], weights[own])
            columns |= {f"{split}/{name}": value for name, value in scores.items()}
        curves = [evaluate.mean_curve({"nrmse": m}, own) for m in found["nrmse"]]
        bands[f"members/{split}/{row}"] = np.stack(
            [np.min(curves, axis=0), np.max(curves, axis=0)]
        )
    return columns, bands


def _arrays(judge, shown) -> dict[str, np.ndarray]:
    """What figures need beside the rows."""
    problem, observations = judge.problem, judge.observations
    domain = problem.domain
    quantities = [q for q in problem.quantities if q.is_predicted]
    arrays = fitted.true_arrays(judge)
    if observations.truth is None:
        seen = observations.select((shown,))
        seen = jnp.where(seen.weights[0] > 0, seen.states[0], jnp.nan)
        arrays["rollout/observed"] = np.asarray(seen)
    else:
        arrays["rollout/truth"] = np.asarray(observations.truth.states[shown])
    return arrays | {
        "quantities": np.array([q.name for q in quantities]),
        "components": np.array([q.num_components for q in quantities]),
        "coordinates": domain.coordinates(),
        "extent": np.array(domain.extent),
        "dt": np.array(problem.dt),
        "times": problem.dt * np.arange(observations.num_steps + 1),
        "time_unit": np.array(problem.time_unit),
        "length_unit": np.array(problem.length_unit),
        "observed": observed_region(observations),
    }


def _warn_of_limits(problem, row, split, summary):
    planned = problem.model_speeds
    if planned is not None:
        speed = summary["max_speed"]
        if speed > planned.largest:
            found = f"reach a speed of {speed:.3g}"
            if not np.isfinite(speed):
                found = "are not finite, as where a flow is too fast"
            logging.warning(
                "%s: the %s rollouts %s: %s",
                table.ROWS[row],
                split,
                found,
                speeds.remedy(planned, speed),
            )
            # A divergence may come from that.
            return
    for name, limit in problem.limits.items():
        # Not <=, so that a NaN warns.
        if not summary[f"max_{name}"] <= limit:
            logging.warning(
                "%s: the largest %s of the %s rollouts is %.3g, above %.3g: raise the "
                "resolution or lower dt",
                table.ROWS[row],
                name,
                split,
                summary[f"max_{name}"],
                limit,
            )

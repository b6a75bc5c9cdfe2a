"""What came of a run: scores of every row, files, figures and the table."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from experiments import _build
from experiments import problem as problems
from experiments.problem import Problem
from hyco_jax.data import data, storage
from hyco_jax.grids import resampling
from hyco_jax.running import metric_writer
from hyco_jax.scoring import evaluate, metrics, plots, table
from hyco_jax.types import HybridState, Model, Trajectories

# Where each row of the table comes from.
ROW_STAGE = {
    "physical_alone": ("physical", "physical"),
    "synthetic_alone": ("synthetic", "synthetic"),
    "hybrid_physical": ("hybrid", "physical"),
    "hybrid_synthetic": ("hybrid", "synthetic"),
}


class Context(NamedTuple):
    """What the tasks of a run share."""

    config: ConfigDict
    problem: Problem
    folder: Path
    truth: np.ndarray
    network: Model
    setup: _build.Setup
    evaluate: dict[str, Callable]
    real: Trajectories


def make_context(config, problem, folder, truth, observed) -> Context:
    """Builds models and stages for given data; nothing is compiled yet."""
    real = problems.select(observed, config.data.train_sim)
    network = problems.make_network(config, problem, real)
    evaluate_fns = _make_evaluate_fns(config, problem, network, real)

    def evaluation(stage):
        models = [m for row, (s, m) in ROW_STAGE.items() if s == stage]

        def score(state):
            line = {}
            for model in models:
                side = getattr(state, model)
                params = side.train.variables
                errors = evaluate_fns[model](params, truth)
                for split in ("train", "val"):
                    sims = config.data[f"{split}_sim"]
                    summary = evaluate.summarise(errors, sims, config.pde.dt)
                    line[f"{model}/{split}_nrmse"] = summary["nrmse"]
                if model == "physical":
                    for name, error in _coefficient_errors(problem, params).items():
                        line[f"physical/{name}_error"] = error
            return line

        return score

    setup = _build.build(config, problem, network, real, evaluation)
    return Context(config, problem, folder, truth, network, setup, evaluate_fns, real)


def _make_evaluate_fns(config, problem, network, real) -> dict[str, Callable]:
    region = data.observed_region(problem.domain, config.data.region)
    # The norm of the loss, in which quantities of different units add up.
    scale = data.variance(real.states, real.weights, problem.quantities)
    weights = problem.predicted / np.asarray(scale)
    factor, quantities = problem.factor, problem.quantities

    def diagnostics_on(domain):
        if problem.diagnostics is None:
            return None
        return lambda u: problem.diagnostics(domain, u)

    return {
        "physical": evaluate.make_evaluate(
            problem.model.step,
            region,
            weights,
            restrict=lambda u: resampling.restrict(
                u, factor, quantities, problem.domain
            ),
            prolong=lambda u: resampling.prolong(
                u, factor, quantities, problem.physics_domain
            ),
            diagnostics=diagnostics_on(problem.physics_domain),
        ),
        "synthetic": evaluate.make_evaluate(
            network.step, region, weights, diagnostics=diagnostics_on(problem.domain)
        ),
    }


def rows_of(context: Context) -> dict[str, tuple[str, str]]:
    """The trained rows of the table that a run has: their stage and model."""
    stages = {stage.name for stage in context.setup.stages}
    return {row: at for row, at in ROW_STAGE.items() if at[0] in stages}


def _coefficient_errors(problem, params) -> dict[str, float]:
    values = problem.coefficients(params)
    return {
        name: float(metrics.relative_error(values[name], truth))
        for name, truth in problem.true_coefficients.items()
    }


def score_rows(context: Context, states, splits: dict[str, tuple[int, ...]]):
    """Scores every row of the table; also returns what the figures draw."""
    problem, truth = context.problem, context.truth
    candidates = {
        row: (model, getattr(states[stage], model).best_variables)
        for row, (stage, model) in rows_of(context).items()
    }
    if any(model == "physical" for model, _ in candidates.values()):
        guess = problem.model.init(jax.random.key(0))
        candidates = {"initial_guess": ("physical", guess)} | candidates
    seconds = seconds_of(context.folder)
    rows, arrays = {}, {}
    for row, (model, params) in candidates.items():
        errors = jax.device_get(context.evaluate[model](params, truth))
        rows[row] = {"seconds": seconds.get(ROW_STAGE.get(row, ("",))[0])}
        if model == "physical":
            coefficient_errors = _coefficient_errors(problem, params)
            rows[row]["coefficient_error"] = max(coefficient_errors.values())
            rows[row] |= {
                f"coefficient_error/{name}": error
                for name, error in coefficient_errors.items()
            }
            for name, value in problem.coefficients(params).items():
                shape = problem.true_coefficients[name].shape
                value = np.broadcast_to(value, shape)
                arrays[f"coefficient/{name}/{row}"] = _on_data_grid(problem, value)
        for split, sims in splits.items():
            summary = evaluate.summarise(errors, sims, context.config.pde.dt)
            rows[row] |= {f"{split}/{name}": value for name, value in summary.items()}
            if model == "physical":
                _warn_of_limits(problem, row, split, summary)
            arrays[f"nrmse/{split}/{row}"] = errors["nrmse"][list(sims)].mean(axis=0)
        arrays[f"rollout/{row}"] = errors["rollouts"][splits["val"][0]]
    return rows, arrays


def _on_data_grid(problem, value) -> np.ndarray:
    """Repeats a field's values on the physical grid to the cells of the data's."""
    value = np.asarray(value)
    if value.ndim:
        for axis in range(problem.domain.ndim):
            value = np.repeat(value, problem.factor, axis)
    return value


def _warn_of_limits(problem, row, split, summary):
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


def seconds_of(folder: Path) -> dict[str, float]:
    """Seconds of training of each stage, compilation included."""
    seconds = {}
    for line in metric_writer.read(folder / "timings.jsonl"):
        total = seconds.get(line["stage"], 0.0) + line["cycle_seconds"]
        seconds[line["stage"]] = total
    return seconds


def write_results(context: Context, states: dict[str, HybridState]):
    """Writes eval.json, arrays and figures, unless a finished run has them already."""
    config, folder, domain = context.config, context.folder, context.problem.domain
    cycles = {name: int(state.cycle) for name, state in states.items()}
    path = folder / "eval.json"
    finished = metric_writer.read(path)
    if finished and finished[0]["cycles"] == cycles:
        print_table(finished[0]["rows"])
        return
    splits = {"train": config.data.train_sim, "val": config.data.val_sim}
    rows, arrays = score_rows(context, states, splits)
    identified = {k: v for k, v in arrays.items() if k.startswith("coefficient/")}
    identified |= {
        f"coefficient/{name}/truth": _on_data_grid(context.problem, truth)
        for name, truth in context.problem.true_coefficients.items()
    }
    quantities = [q for q in context.problem.quantities if not q.is_static]
    arrays |= identified | {
        "quantities": np.array([q.name for q in quantities]),
        "components": np.array([q.num_components for q in quantities]),
        "rollout/truth": context.truth[splits["val"][0]],
        "coordinates": domain.coordinates(),
        "extent": np.array(domain.extent),
        "dt": np.array(config.pde.dt),
        "times": config.pde.dt * np.arange(config.data.num_steps + 1),
        "observed": data.observed_region(domain, config.data.region),
    }
    storage.write_npz(folder / "coefficient.npz", identified)
    storage.write_npz(folder / "arrays.npz", arrays)
    history = metric_writer.read(folder / "metrics.jsonl")
    plots.draw_all(plots.middle_plane(arrays), history, folder / "figures")
    # Last, since it says that all the rest is there.
    metric_writer.write(path, {"cycles": cycles, "rows": rows})
    print_table(rows)


def print_table(rows: dict[str, dict[str, float]]):
    """Prints the columns of the table; `eval.json` holds more."""
    shown = {
        row: {name: values.get(name) for name in table.COLUMNS}
        for row, values in rows.items()
    }
    print(table.format_table(shown))

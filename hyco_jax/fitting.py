"""Fits both models to data, alone and together: the one composition of the library."""

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from hyco_jax import error_bars, point_stages, report, stages
from hyco_jax import result as results
from hyco_jax import settings as all_settings
from hyco_jax.config import schema
from hyco_jax.data import observations as observed
from hyco_jax.data import placement, speeds
from hyco_jax.data.grid_readings import grid_readings
from hyco_jax.data.observations import Observations
from hyco_jax.data.placement import Placed
from hyco_jax.data.readings import Readings
from hyco_jax.problem import Problem
from hyco_jax.result import Result, Trained
from hyco_jax.running import loop, metric_writer
from hyco_jax.running import tensorboard as boards
from hyco_jax.running import workdir as workdirs
from hyco_jax.running.time_limit import TimeLimit
from hyco_jax.scoring import reading_rows, rows, table
from hyco_jax.settings import Settings
from hyco_jax.stages import Prepared
from hyco_jax.types import HybridState, Model
from hyco_jax.uncertainty import mcmc


def fit(
    problem: Problem,
    data: Observations,
    settings: Settings,
    workdir: str | Path | None = None,
    callback: Callable[[dict[str, Any]], None] | None = None,
    network: nn.Module | Model | None = None,
    max_minutes: float | None = None,
    tensorboard: bool = False,
) -> Result:
    """Fits the coefficients of a PDE and a network to data, alone and together.

    Args:
        problem: The physical system.
        data: What was observed.
        settings: All the rest.
        workdir: Where the run is kept and continued from; by default nowhere.
        callback: Called with every line of the log, a dict of numbers.
        network: A Flax module or a model that takes the place of the named one.
        max_minutes: How long the call may take. It ends after the cycle after which
            the next one would not fit, but makes one at least.
        tensorboard: Whether to show the log and the figures in the workdir's
            `tensorboard/` too.

    Returns:
        What was found.

    Raises:
        ValueError: If problem, data, settings or workdir don't fit each other; found
            before anything is compiled, and earlier results stay.
        Terminated: If SIGTERM came, or, as `OutOfTime`, if the next cycle would not
            fit; the same call goes on.
    """
    limit = TimeLimit(max_minutes)
    boards.check(tensorboard, workdir)
    prepared = prepare(problem, data, settings, network)
    problem, models, plan = prepared.problem, prepared.models, prepared.plan
    scores = _make_scores(problem, settings, models, prepared.data, prepared.placed)
    with _opened(workdir) as folder:
        _claim(folder, prepared, settings)
        with boards.opened(folder, tensorboard) as events:
            callbacks = [call for call in (events and events.add, callback) if call]
            watch = loop.Watch(
                scores.of_cycle,
                callbacks,
                settings.log_every,
                settings.eval_every,
                settings.save_every,
                settings.keep_checkpoints,
                _hints(problem),
                limit,
            )
            states = {
                stage.name: loop.run(stage, plan.init_state(), plan.real, watch, folder)
                for stage in plan.stages
            }
            _sort_logs(folder, [stage.name for stage in plan.stages])
            if _is_finished(folder, states):
                result = _loaded(folder, models)
                if not (folder / report.NAME).exists():
                    report.write(result, folder)
            else:
                loop.check_time(limit, "the scoring")
                result = _score(scores, models, states, folder, workdir)
                result = error_bars.add(result, prepared, settings)
                results.save(result, folder)
                if workdir is not None:
                    report.write(result, folder)
            if events is not None:
                events.add_figures(folder / "figures")
            return result


def content(data: Observations, placed: Placed | None = None) -> Any:
    """All that is trained on or scored, a pytree of arrays, for a checksum."""
    if not isinstance(data.observed, Readings):
        return data.observed, data.truth
    return data.observed.arrays, None if placed is None else placed.u0


def prepare(
    problem: Problem,
    data: Observations,
    settings: Settings,
    network: nn.Module | Model | None = None,
) -> Prepared:
    """Checks problem, data and settings, and makes of them what is trained.

    Nothing is compiled, and nothing is written.

    Args:
        problem: The physical system.
        data: What was observed.
        settings: Of the fit.
        network: Takes the place of the named one.

    Raises:
        ValueError: If they don't fit each other.
    """
    if settings.uncertainty.samples:
        mcmc.load()
    data = _as_readings(
        problem, observed.check(data, problem.domain, problem.quantities)
    )
    if not isinstance(data.observed, Readings):
        speeds.check_observed(problem, data)
        problem = speeds.plan_for(problem, data)
    placed = _place(problem, data, settings)
    models = stages.make_models(problem, settings, placed or data, network)
    if placed is None:
        plan = stages.make_plan(problem, data, settings, models)
    else:
        plan = point_stages.make_plan(problem, placed, settings, models)
    return Prepared(problem, data, placed, models, plan)


def _as_readings(problem, data) -> Observations:
    """Takes data on the grid whose initial states aren't given as readings."""
    if isinstance(data.observed, Readings) or data.is_initial_given:
        return data
    if problem.num_driven:
        raise ValueError(
            f"initial={data.initial!r} does not fit data on the grid with driven "
            "channels; give the states at t = 0 with initial='given'"
        )
    readings = grid_readings(
        data, problem.domain, problem.dt, problem.quantities, first=0
    )
    return dataclasses.replace(data, observed=readings, sigma=None)


def _place(problem, data, settings) -> Placed | None:
    """Places readings; data on the grid too, where a field or states are fitted."""
    if isinstance(data.observed, Readings):
        return _placed_for(problem, data, settings)
    if settings.synthetic.name != "field" and not settings.physical.fits_states:
        return None
    states = np.asarray(data.observed.states)
    readings = grid_readings(data, problem.domain, problem.dt, problem.quantities)
    at_points = dataclasses.replace(
        data, observed=readings, initial=states[:, 0], truth=None, sigma=None
    )
    driven = problem.num_driven
    given = states[..., -driven:] if driven else None
    return _placed_for(problem, at_points, settings, given)


def _placed_for(problem, data, settings, given=None) -> Placed:
    physical = settings.physical
    return placement.place(
        data,
        problem,
        given,
        num_segments=physical.segments,
        fits_initial=physical.initial == "fitted",
        scores_apart=all_settings.holds_out(settings),
    )


def load(
    workdir: str | Path,
    problem: Problem | None = None,
    network: nn.Module | Model | None = None,
) -> Result:
    """Gives the result of a finished run back, without its data, compiling nothing.

    Args:
        workdir: Where the run is kept.
        problem: The physical system; by default made again from what the run's
            `config.json` says, if its PDE is one of `hyco_jax.pde`.
        network: What was passed to `fit`, if anything was.

    Raises:
        ValueError: If the workdir holds no finished run.
    """
    workdir = Path(workdir)
    config = workdirs.read_config(workdir)
    problem, settings = restore(config, problem)
    models = stages.make_models(problem, settings, None, network)
    return _loaded(workdir, models)


def restore(
    config: dict[str, Any], problem: Problem | None = None
) -> tuple[Problem, Settings]:
    """Makes problem and settings of the content of a `config.json`.

    Args:
        config: The content.
        problem: The physical system, by default made of the content too.

    Returns:
        The problem, its substeps planned as in the run, and the settings.

    Raises:
        ValueError: If the PDE is not one of `hyco_jax.pde`.
    """
    from hyco_jax import pde

    if problem is None:
        problem = pde.make_problem(config)
    if "planned_speed" in config:
        problem = speeds.planned(problem, config["planned_speed"])
    names = set(schema.to_dict(Settings()))
    template = Settings(coefficients=pde.coefficient_settings(problem.roles))
    own = {name: value for name, value in config.items() if name in names}
    return problem, schema.from_dict(template, own)


def evaluate(
    result: Result,
    problem: Problem,
    settings: Settings,
    data: Observations,
    network: nn.Module | Model | None = None,
    is_own: bool = False,
) -> dict[str, dict[str, float | None]]:
    """Scores the models of a result on other data.

    Args:
        result: What was found.
        problem: The physical system.
        settings: Of the fit.
        data: The other data.
        network: What was passed to `fit`, if anything was.
        is_own: Whether the data are those of the fit, whose initial states the models
            may have fitted.

    Returns:
        The rows of the table.
    """
    data = _as_readings(
        problem, observed.check(data, problem.domain, problem.quantities)
    )
    if not isinstance(data.observed, Readings):
        problem = speeds.plan_for(problem, data)
    models = stages.make_models(problem, settings, None, network)
    placed = _place(problem, data, settings) if is_own else None
    scores = _make_scores(problem, settings, models, data, placed)
    candidates = {
        row: (results.ROLES[row], trained.params)
        for row, trained in result.trained.items()
    }
    seconds = {row: values.get("seconds") for row, values in result.rows.items()}
    rows = scores.of_rows(candidates, seconds)[0]
    # The ± is of the fit: it stays what it is on other data.
    for row in rows:
        own = result.rows[row].items() if row in result.rows else ()
        rows[row] |= {name: value for name, value in own if table.is_term(name)}
    return rows


class _Scores(NamedTuple):
    """Functions that score a state for the log, and all rows of the table."""

    of_cycle: Callable[[str, HybridState], dict[str, float]]
    of_rows: Callable[..., tuple[dict[str, dict], dict[str, np.ndarray]]]


def make_evaluation(
    prepared: Prepared, settings: Settings
) -> Callable[[str, HybridState], dict[str, float]]:
    """Makes the function that scores a stage's state for the log.

    Args:
        prepared: What is fitted.
        settings: Of the fit.
    """
    made = _make_scores(
        prepared.problem, settings, prepared.models, prepared.data, prepared.placed
    )
    return made.of_cycle


def _make_scores(problem, settings, models, data, own: Placed | None) -> _Scores:
    """Functions that score; `own` is what was trained on, None for other data."""
    is_field = settings.synthetic.name == "field"
    if isinstance(data.observed, Readings):
        module = reading_rows
        placed = own or placement.place(data, problem)
        judge = reading_rows.make_judge(
            problem, models, data, placed, is_field, own is not None
        )
    else:
        module = rows
        judge = rows.make_judge(problem, models, data, is_field, own is not None)
    return _Scores(
        functools.partial(module.score_cycle, judge),
        functools.partial(module.score_rows, judge),
    )


@contextlib.contextmanager
def _opened(workdir: str | Path | None) -> Iterator[Path]:
    """The locked workdir, or a temporary one."""
    if workdir is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    with workdirs.open_workdir(workdir):
        yield Path(workdir)


def _claim(folder, prepared, settings):
    """Binds a workdir to config and data, or refuses it before it is written to."""
    config = {**prepared.problem.spec, **schema.to_dict(settings)}
    free = all_settings.free_keys(settings)
    workdirs.compare_config(folder, config, free)
    loop.check_resumable(prepared.plan.stages, folder)
    checksum = workdirs.data_checksum(content(prepared.data, prepared.placed))
    workdirs.check_data(folder, checksum)
    workdirs.write_config(folder, config)
    workdirs.write_run_info(folder)


def _hints(problem) -> dict[str, str]:
    planned = problem.model_speeds
    if planned is None:
        return {}
    return {"physical": f"if a flow became too fast, {speeds.remedy(planned)}"}


def _sort_logs(folder, names):
    # A damaged checkpoint of an earlier stage was redone after the later ones.
    for file in ("metrics.jsonl", "timings.jsonl"):
        metric_writer.sort(folder / file, lambda line: names.index(line["stage"]))
    workdirs.update_durations(folder, seconds_of(folder))


def _is_finished(folder, states) -> bool:
    finished = metric_writer.read(folder / "eval.json")
    cycles = {name: int(state.cycle) for name, state in states.items()}
    return bool(finished) and finished[0]["cycles"] == cycles


def _loaded(folder, models) -> Result:
    return results.load(folder, models.by_name)


def _score(scores, models, states, folder, workdir) -> Result:
    """Scores every row of the table by its best parameters."""
    candidates = {}
    if any(stage != "synthetic" for stage in states):
        guess = models.physical.model.init(jax.random.key(0))
        candidates["initial_guess"] = ("physical", guess)
    for row, (stage, model) in table.ROW_STAGE.items():
        if stage in states:
            params = getattr(states[stage], model).best_variables
            candidates[row] = (model, params)
    spent = seconds_of(folder)
    seconds = {row: spent.get(stage) for row, (stage, _) in table.ROW_STAGE.items()}
    values, arrays = scores.of_rows(candidates, seconds)
    return Result(
        values,
        arrays,
        metric_writer.read(folder / "metrics.jsonl"),
        {row: Trained(models.by_name[m], p) for row, (m, p) in candidates.items()},
        {name: int(state.cycle) for name, state in states.items()},
        None if workdir is None else folder,
    )


def seconds_of(folder: Path) -> dict[str, float]:
    """Seconds of training of each stage, compilation included."""
    seconds = {}
    for line in metric_writer.read(folder / "timings.jsonl"):
        total = seconds.get(line["stage"], 0.0) + line["cycle_seconds"]
        seconds[line["stage"]] = total
    return seconds

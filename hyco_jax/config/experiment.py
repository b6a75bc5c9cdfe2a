"""An experiment: the config of a run of one PDE, from its keys to its results."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from absl import logging
from flax import traverse_util
from ml_collections import ConfigDict

from hyco_jax import dry_run as rehearsal
from hyco_jax import fitting, pde, point_stages, stages
from hyco_jax import settings as all_settings
from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key, section
from hyco_jax.data import generate, simulation, storage
from hyco_jax.data import observations as observations_file
from hyco_jax.data.generate import DataSettings
from hyco_jax.data.observations import Observations
from hyco_jax.data.readings import Readings
from hyco_jax.problem import GridSettings, Problem
from hyco_jax.result import Result
from hyco_jax.running import loop, metric_writer
from hyco_jax.running import tensorboard as boards
from hyco_jax.running import workdir as workdirs
from hyco_jax.running.time_limit import TimeLimit
from hyco_jax.settings import Settings

TASKS = ("generate", "train", "evaluate")


@dataclasses.dataclass(frozen=True)
class Experiment(Settings):
    """The settings of a fit, of its problem and of its data."""

    experiment_name: str = key(
        "", "name of the PDE; the experiment sets it", rules.TEXT
    )
    variant: str = key(
        "default", "name of the variant of the config file, which sets it", rules.TEXT
    )
    notes: str = key("", "any text, for the record", rules.TEXT)
    tasks: tuple[str, ...] = key(
        TASKS,
        "what a run does: simulate data, train, score a finished run on its own or "
        "other data",
        rules.subset(*TASKS),
    )
    pde: GridSettings = section(GridSettings)
    data: DataSettings = section(DataSettings)


def template(module: ModuleType) -> Experiment:
    """The keys of a PDE's experiments, with their defaults."""
    return Experiment(
        experiment_name=module.__name__.rpartition(".")[2],
        pde=module.Settings(),
        data=module.DataSettings(),
        coefficients=pde.coefficient_settings(module.COEFFICIENTS),
    )


def get_config(
    module: ModuleType,
    variant: str,
    variants: Mapping[str, Mapping[str, Any]],
    *layers: Mapping[str, Any],
) -> ConfigDict:
    """Makes the config of a variant, named after the colon of `--config=file.py:name`.

    Args:
        module: The file of the PDE.
        variant: One of `variants`.
        variants: Maps names to the nested values that differ from the layers.
        *layers: Nested values that differ from the defaults, laid over one another.
            What belongs to a choice that a later one revokes falls back.

    Raises:
        ValueError: If the variant or a key is unknown, or a value not allowed.
    """
    if variant not in variants:
        raise ValueError(f"variant {variant!r} is not one of {list(variants)}")
    settings = template(module)
    for values in (*layers, variants[variant], {"variant": variant}):
        settings = schema.from_dict(settings, values)
    return schema.to_config(settings)


def run(
    experiment: Experiment,
    module: ModuleType,
    workdir: str | Path | None = None,
    max_minutes: float | None = None,
    command: Sequence[str] = (),
    tensorboard: bool = False,
) -> Result | None:
    """Runs the tasks of an experiment; continues what an earlier run left.

    Args:
        experiment: A checked one.
        module: The file of its PDE.
        workdir: Where the run is kept; by default `default_workdir`.
        max_minutes: How long it may take, see `hyco_jax.fit`.
        command: The words that start it, for the record.
        tensorboard: Whether to write event files, see `hyco_jax.fit`.

    Returns:
        The result; None if nothing was trained.

    Raises:
        ValueError: If config, data or workdir can't be used; earlier results stay.
        Terminated: If SIGTERM came, or, as `OutOfTime`, if time ran out.
    """
    limit = TimeLimit(max_minutes)
    boards.check(tensorboard)
    problem = _checked_problem(experiment, module)
    folder = Path(workdir) if workdir else default_workdir(experiment)
    if "evaluate" in experiment.tasks and "train" not in experiment.tasks:
        _evaluate_only(experiment, problem, folder)
        return None
    with workdirs.open_workdir(folder):
        observations = _claim(experiment, module, problem, folder)
        if command:
            workdirs.note_command(folder, command)
    if "train" not in experiment.tasks:
        return None
    result = fitting.fit(
        problem,
        observations,
        experiment,
        folder,
        max_minutes=limit.minutes_left,
        tensorboard=tensorboard,
    )
    print(result.table())
    logging.info("results are in %s", folder)
    return result


def dry_run(
    experiment: Experiment, module: ModuleType, workdir: str | Path | None = None
) -> str:
    """Says what `run` would do, see `hyco_jax.dry_run`; nothing is saved.

    Args:
        experiment: A checked one.
        module: The file of its PDE.
        workdir: As in `run`; it need not exist.

    Raises:
        ValueError: If config, data or workdir can't be used.
    """
    problem = _checked_problem(experiment, module)
    folder = Path(workdir) if workdir else default_workdir(experiment)
    chosen = {**problem.spec, **schema.to_dict(experiment)}
    workdirs.compare_config(folder, chosen, all_settings.free_keys(experiment))
    observations, _ = _get_data(experiment, module, problem, folder)
    return rehearsal.dry_run(problem, observations, experiment, folder)


def default_workdir(experiment: Experiment) -> Path:
    """runs/<experiment>-<variant>-<hash of what a continued run has to share>."""
    free = set(all_settings.free_keys(experiment)) - {"data.path"}
    config = traverse_util.flatten_dict(schema.to_dict(experiment), sep=".")
    relevant = {name: value for name, value in config.items() if name not in free}
    digest = workdirs.config_hash(relevant)
    name = f"{experiment.experiment_name}-{experiment.variant}-{digest}"
    return Path("runs") / name


def _checked_problem(experiment, module) -> Problem:
    """Makes the problem; finds all that can be found before anything is simulated."""
    options = experiment.data
    generate.check(options, len(experiment.pde.resolution))
    problem = module.make_problem(experiment.pde, options)
    stages.make_models(problem, experiment)
    if options.path:
        if not Path(options.path).is_file():
            raise ValueError(
                f"config.data.path={options.path!r} does not exist; set "
                "--config.data.path to an .npz file, or to '' to simulate"
            )
        return problem
    if (
        experiment.synthetic.name == "field"
        or experiment.physical.fits_states
        or options.at_points
    ):
        point_stages.check(experiment, problem, options.num_steps)
        return problem
    region = simulation.observed_region(problem.domain, options.region)
    mask = simulation.observation_mask(options.num_steps + 1, region, options.every)
    weights = (mask & problem.predicted).astype(np.float32)
    num_sims = len(options.train_sim)
    stages.check_windows(problem, experiment, weights, num_sims, options.num_steps)
    return problem


def _claim(experiment, module, problem, folder) -> Observations:
    """Gets the data and binds the workdir to them and the config, or refuses both."""
    chosen = schema.to_dict(experiment)
    free = all_settings.free_keys(experiment)
    workdirs.compare_config(folder, {**problem.spec, **chosen}, free)
    observations, path = _get_data(experiment, module, problem, folder)
    prepared = fitting.prepare(problem, observations, experiment)
    problem = prepared.problem
    loop.check_resumable(prepared.plan.stages, folder)
    # The config first: data of another one would be taken for its own.
    workdirs.write_config(folder, {**problem.spec, **chosen})
    if not path.exists():
        storage.save(path, observations, problem.domain, problem.dt)
    return observations


def _get_data(experiment, module, problem, folder) -> tuple[Observations, Path]:
    """Checked data, and their file; those of a new run are not in it yet."""
    path = Path(experiment.data.path or folder / "data.npz")
    if path.exists():
        return _load(experiment, problem, path), path
    if "generate" not in experiment.tasks:
        raise ValueError(
            f"{path} does not exist; add 'generate' to --config.tasks, or set "
            "--config.data.path"
        )
    observations = make_data(experiment, module, problem)
    checked = observations_file.check(observations, problem.domain, problem.quantities)
    return checked, path


def make_data(
    experiment: Experiment, module: ModuleType, problem: Problem
) -> Observations:
    """Makes what the PDE's file reads at points, else simulated data on the grid."""
    key = stages.seeded_key(experiment.seed, stages.DATA)
    if experiment.data.at_points:
        return module.observe(problem, experiment.data, key)
    return generate.simulate(problem, experiment.data, key)


def _load(experiment, problem, path) -> Observations:
    """Loads simulations from a file, split as the config says, and checks them."""
    options = experiment.data
    own = not options.path
    splits = None
    if not own:
        names = ("train", "val", "test")
        splits = {name: getattr(options, f"{name}_sim") for name in names}
    observations = storage.load(path, problem.domain, problem.dt, splits)
    if isinstance(observations.observed, Readings):
        return observations_file.check(observations, problem.domain, problem.quantities)
    found = observations.observed.states.shape[:2]
    if not own and found != (options.num_sims, options.num_steps + 1):
        raise ValueError(
            f"{path} holds {found[0]} simulations of {found[1] - 1} steps, the config "
            f"has {options.num_sims} of {options.num_steps}; set "
            "--config.data.num_sims and --config.data.num_steps"
        )
    try:
        return observations_file.check(observations, problem.domain, problem.quantities)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _evaluate_only(experiment: Experiment, problem: Problem, folder: Path):
    """Scores a finished run on its own or other data; the run's files stay."""
    # What is scored is the run's own; only the data, and what is free, may differ.
    config = {**problem.spec, **schema.to_dict(experiment)}
    free = {"seed", "hybrid.cycles", *all_settings.free_keys(experiment)}
    free |= {f"data.{name}" for name in config["data"]}
    own = folder / "data.npz"
    with workdirs.open_workdir(folder):
        workdirs.compare_config(folder, config, free)
        result = fitting.load(folder)
        # The run's substeps, whatever data.amplitude is now.
        problem, _ = fitting.restore(workdirs.read_config(folder))
        path = Path(experiment.data.path or own)
        observations = _load(experiment, problem, path)
        rows = fitting.evaluate(
            result, problem, experiment, observations, is_own=path == own
        )
        if path != own:
            digest = workdirs.data_checksum(fitting.content(observations))[:8]
            target = folder / f"eval-{path.stem}-{digest}.json"
            metric_writer.write(target, {"rows": rows})
    print(dataclasses.replace(result, rows=rows).table())

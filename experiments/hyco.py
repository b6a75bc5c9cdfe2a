"""What a run does: generate data, train the stages, evaluate, write it all down."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from absl import logging
from ml_collections import ConfigDict

from experiments import _main, _players, _results
from experiments import problem as problems
from experiments.problem import Problem
from hyco_jax.data import storage
from hyco_jax.running import checkpoints, metric_writer
from hyco_jax.running import loop as host_loop
from hyco_jax.running import workdir as workdirs
from hyco_jax.types import HybridState, Params, StepFn

# Keys of length and logging: they may change when a run is continued.
FREE_KEYS = (
    "hybrid.cycles",
    "tasks",
    "notes",
    "log_every",
    "eval_every",
    "save_every",
    "keep_checkpoints",
)

MakeProblem = Callable[[ConfigDict], Problem]


def main(make_problem: MakeProblem):
    """The command line of an experiment: `--config=FILE [--workdir=DIR]`."""
    _main.main(lambda config, folder: run(config, make_problem, folder))


class Trained(NamedTuple):
    """A model with its parameters, ready to step: `u = m.step(m.params, u)`."""

    step: StepFn
    params: Params


class Pair(NamedTuple):
    """Both models of a run."""

    physical: Trained
    synthetic: Trained


def run(
    config: ConfigDict, make_problem: MakeProblem, folder: str | Path | None = None
):
    """Runs the tasks of a config in a workdir; continues what an earlier run left.

    Args:
        config: The config.
        make_problem: Checks the config and makes the physical system.
        folder: The workdir, or None for the default one.

    Raises:
        ValueError: If config, data or workdir can't be used; earlier results stay.
        Terminated: If SIGTERM came.
    """
    problem = make_problem(config)
    problems.make_network(config, problem)
    _check_path(config)
    if not config.data.path:
        _players.check_windows(config, _players.static_record(config, problem))
    plain = config.to_dict()
    folder = Path(folder) if folder else default_workdir(plain)
    if config.tasks == ("evaluate",):
        _evaluate_only(config, make_problem, folder)
        return
    with workdirs.open_workdir(folder):
        if (folder / "config.json").exists():
            workdirs.check_config(folder, plain, FREE_KEYS)
        truth, observed = _get_data(config, problem, folder)
        context = _results.make_context(config, problem, folder, truth, observed)
        # Only now that all fits: a refused config must not bind the workdir.
        workdirs.check_config(folder, plain, FREE_KEYS)
        workdirs.check_data(folder, workdirs.data_checksum((truth, observed)))
        if not (config.data.path or (folder / "data.npz").exists()):
            storage.save(
                folder / "data.npz", truth, observed, problem.domain, config.pde.dt
            )
        if config.tasks == ("generate",):
            return
        workdirs.write_run_info(folder)
        states = _train(context) if "train" in config.tasks else _restore(context)
        if "evaluate" in config.tasks:
            _results.write_results(context, states)
    logging.info("results are in %s", folder)


def default_workdir(plain: dict) -> Path:
    """runs/<experiment>-<variant>-<hash of the config, logging keys apart>."""
    relevant = {k: v for k, v in plain.items() if k not in FREE_KEYS}
    name, variant = plain["experiment_name"], plain["variant"]
    return Path("runs") / f"{name}-{variant}-{workdirs.config_hash(relevant)}"


def load(workdir: str | Path, make_problem: MakeProblem) -> Pair:
    """Loads both models of a run with their parameters, ready to step.

        physical, synthetic = hyco.load("runs/burgers-default-0123abcd", make_problem)
        u = physical.step(physical.params, u)

    Args:
        workdir: Where the run is kept.
        make_problem: Of its experiment, such as `experiments.burgers.make_problem`.

    Returns:
        The physical and the synthetic model, each with `step` and `params`. Both map
        states `(*S, C)` on their own grid.
    """
    context = _reopen(Path(workdir), make_problem)
    states = _restore(context)
    last = {model: states[stage] for stage, model in _results.rows_of(context).values()}
    missing = {"physical", "synthetic"} - set(last)
    sides = {
        model: getattr(last.get(model, next(iter(states.values()))), model)
        for model in ("physical", "synthetic")
    }
    for model in missing:
        logging.warning("%s was not trained in %s: untrained", model, workdir)
    return Pair(
        Trained(context.problem.model.step, sides["physical"].best_variables),
        Trained(context.network.step, sides["synthetic"].best_variables),
    )


def _check_path(config):
    """Finds a missing data file before anything is kept."""
    if config.data.path and not Path(config.data.path).is_file():
        raise ValueError(
            f"config.data.path={config.data.path!r} does not exist; set "
            "--config.data.path to an .npz file, or to '' to simulate"
        )


def _get_data(config, problem, folder):
    """Loads the run's data, or simulates them."""
    own = folder / "data.npz"
    if not config.data.path and not own.exists():
        if "generate" not in config.tasks:
            raise ValueError(
                f"{own} does not exist; add 'generate' to --config.tasks, or set "
                "--config.data.path"
            )
        return problems.generate_data(config, problem)
    path = Path(config.data.path) if config.data.path else own
    truth, observed = storage.load(
        path, problem.domain, config.pde.dt, problem.quantities
    )
    expected = (config.data.num_sims, config.data.num_steps + 1)
    if truth.shape[:2] != expected:
        raise ValueError(
            f"{path} holds {truth.shape[0]} simulations of {truth.shape[1] - 1} steps, "
            f"the config has {expected[0]} of {expected[1] - 1}; set "
            "--config.data.num_sims and --config.data.num_steps"
        )
    return truth, observed


def _train(context: _results.Context) -> dict[str, HybridState]:
    states = {}
    for stage in context.setup.stages:
        states[stage.name] = host_loop.run(
            stage, context.setup.init_state(), context.real, context.folder
        )
    # A damaged checkpoint of an earlier stage was redone after the later ones.
    names = [stage.name for stage in context.setup.stages]
    for file in ("metrics.jsonl", "timings.jsonl"):
        metric_writer.sort(
            context.folder / file, lambda line: names.index(line["stage"])
        )
    workdirs.update_durations(context.folder, _results.seconds_of(context.folder))
    return states


def _restore(context: _results.Context) -> dict[str, HybridState]:
    states = {}
    for stage in context.setup.stages:
        directory = context.folder / "checkpoints" / stage.name
        restored = checkpoints.restore(directory, context.setup.init_state())
        if restored is None:
            raise ValueError(
                f"{directory} holds no checkpoint; add 'train' to --config.tasks"
            )
        states[stage.name] = restored[0]
    return states


def _reopen(folder: Path, make_problem: MakeProblem) -> _results.Context:
    path = folder / "config.json"
    if not path.exists():
        raise ValueError(f"{path} does not exist; is {folder} the workdir of a run?")
    config = ConfigDict(_tuples(json.loads(path.read_text())))
    problem = make_problem(config)
    own = config.data.path or folder / "data.npz"
    truth, observed = storage.load(
        Path(own), problem.domain, config.pde.dt, problem.quantities
    )
    return _results.make_context(config, problem, folder, truth, observed)


def _tuples(value):
    if isinstance(value, dict):
        return {name: _tuples(entry) for name, entry in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _evaluate_only(config, make_problem: MakeProblem, folder: Path):
    """Scores a finished run on its own or other data; the run's files stay."""
    context = _reopen(folder, make_problem)
    old, new = context.config.to_dict(), config.to_dict()
    # What is scored is the run's own; only the data, and what is free, may differ.
    same = {name: old[name] for name in ("data", "seed", *FREE_KEYS) if name in old}
    same["hybrid"] = new["hybrid"] | {"cycles": old["hybrid"]["cycles"]}
    workdirs.check_config(folder, new | same)
    problem = context.problem
    trained_on = Path(context.config.data.path or folder / "data.npz")
    path = Path(config.data.path) if config.data.path else trained_on
    truth, _ = storage.load(path, problem.domain, config.pde.dt, problem.quantities)
    if max(config.data.train_sim + config.data.val_sim) >= len(truth):
        raise ValueError(
            f"{path} holds {len(truth)} simulations; set --config.data.train_sim and "
            f"--config.data.val_sim below {len(truth)}"
        )
    states = _restore(context)
    splits = {"train": config.data.train_sim, "val": config.data.val_sim}
    rows, _ = _results.score_rows(context._replace(truth=truth), states, splits)
    if path != trained_on:
        target = folder / f"eval-{path.stem}.json"
        metric_writer.write(target, {"rows": rows})
    _results.print_table(rows)

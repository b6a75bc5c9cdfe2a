"""A published experiment as its config has it: the settings and data of every row."""

import importlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from experiments.published import (
    elliptic,
    gray_scott,
    heat,
    inviscid_burgers,
    kuramoto_sivashinsky,
)
from experiments.published.entry import Entry
from hyco_jax import fitting
from hyco_jax.config import experiment, schema
from hyco_jax.stages import Prepared

ENTRIES: dict[str, Entry] = {
    "heat": heat.ENTRY,
    "gray_scott": gray_scott.ENTRY,
    "kuramoto_sivashinsky": kuramoto_sivashinsky.ENTRY,
    "helmholtz": elliptic.HELMHOLTZ,
    "darcy": elliptic.DARCY,
    "inviscid_burgers": inviscid_burgers.WAVES,
    "inviscid_burgers_field": inviscid_burgers.FIELD,
}


class Case(NamedTuple):
    """One experiment.

    Attributes:
        name: Such as "heat_half".
        config: As `configs/published.py` has it.
        entry: What is known of its PDE.
        seeds: Of the networks, sensors, noise and random points.
    """

    name: str
    config: Mapping[str, Any]
    entry: Entry
    seeds: tuple[int, ...]


def make_case(name: str, config: Mapping[str, Any], num_seeds: int) -> Case:
    """Makes the experiment of a config.

    Its seeds begin with 1: settings were chosen on the data of seed 0.
    """
    seeds = tuple(range(1, num_seeds + 1))
    return Case(name, config, ENTRIES[config["experiment"]], seeds)


def settings(case: Case, row: str, seed: int) -> experiment.Experiment:
    """The settings of a row: those of the experiment's own config, and the row's.

    Raises:
        ValueError: If a key is unknown or a value not allowed.
    """
    template = experiment.template(case.entry.module)
    configs = importlib.import_module(f"configs.{template.experiment_name}")
    values = configs.get_config(case.config["variant"])
    base = schema.from_dict(template, values)
    return schema.from_dict(base, {**case.config["rows"][row], "seed": seed})


def prepare(case: Case, rows: Iterable[str]) -> dict[str, list[Prepared]]:
    """Prepares rows for each seed, all on the same data of that seed.

    What a plan has as a constant, the unit and scale of the data, is the first seed's
    in all.

    Args:
        case: The experiment.
        rows: Some of its config's.

    Returns:
        By row, what is prepared for each seed.

    Raises:
        ValueError: If a setting is not allowed.
    """
    result = {row: [] for row in rows}
    for seed in case.seeds:
        own = {row: settings(case, row, seed) for row in result}
        first, module = next(iter(own.values())), case.entry.module
        problem = module.make_problem(first.pde, first.data)
        data = experiment.make_data(first, module, problem)
        for row, chosen in own.items():
            result[row].append(fitting.prepare(problem, data, chosen))
    return result

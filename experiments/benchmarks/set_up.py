"""What a run of `configs/burgers.py` trains, with its data in memory."""

from typing import NamedTuple

from configs import burgers as configs
from hyco_jax import stages
from hyco_jax.config import experiment, schema
from hyco_jax.config.experiment import Experiment
from hyco_jax.data import generate, observations
from hyco_jax.data.observations import Observations
from hyco_jax.pde import burgers
from hyco_jax.problem import Problem
from hyco_jax.scoring import rows
from hyco_jax.stages import Models, Plan


class SetUp(NamedTuple):
    """A run, uncompiled."""

    settings: Experiment
    problem: Problem
    models: Models
    data: Observations
    plan: Plan
    judge: rows.Judge


def read(variant: str) -> tuple[Experiment, Problem]:
    """Reads a variant of `configs/burgers.py`."""
    config = configs.get_config(variant)
    settings = schema.from_dict(experiment.template(burgers), config)
    return settings, burgers.make_problem(settings.pde, settings.data)


def make(variant: str) -> SetUp:
    """Builds what a variant of `configs/burgers.py` trains."""
    settings, problem = read(variant)
    key = stages.seeded_key(settings.seed, stages.DATA)
    data = generate.simulate(problem, settings.data, key)
    data = observations.check(data, problem.domain, problem.quantities)
    models = stages.make_models(problem, settings, data)
    plan = stages.make_plan(problem, data, settings, models)
    judge = rows.make_judge(problem, models, data)
    return SetUp(settings, problem, models, data, plan, judge)

"""How much the truth changes when its grid and time step are halved once more.

python -m experiments.truth --config=configs/burgers.py [--config.data.refine=4]

A table compares models as long as that is below a fifth of the smallest error there;
else raise data.refine.
"""

import dataclasses
import sys

import jax
import numpy as np
from absl import flags
from ml_collections import config_flags

from hyco_jax import pde, stages
from hyco_jax.config import experiment, schema
from hyco_jax.data import generate, statistics
from hyco_jax.problem import Problem
from hyco_jax.scoring import metrics


def change(problem: Problem, data: generate.DataSettings, key: jax.Array) -> float:
    """Computes the nRMSE between the truth and one of twice the refinement.

    It is defined as the table's, as if the truth were a model of the better one: mean
    over the simulations that are reported and the times after t = 0.
    """
    finer = dataclasses.replace(data, refine=2 * data.refine)
    coarse, fine = (generate.simulate(problem, d, key) for d in (data, finer))
    training = fine.select(fine.train)
    scale = statistics.variance(training.states, training.weights, problem.quantities)
    sims = list(fine.splits[fine.shown])
    states, reference = (d.truth.states[sims, 1:] for d in (coarse, fine))
    weights = problem.predicted / np.asarray(scale)
    return float(metrics.nrmse(states, reference, weights, problem.domain.ndim).mean())


def main(argv: list[str]):
    """Prints the change for the config that the flags name."""
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    values(argv)
    if values.config is None:
        raise ValueError("--config is missing; try --config=configs/burgers.py")
    module = pde.find(values.config.experiment_name)
    settings = schema.from_dict(experiment.template(module), values.config)
    problem = module.make_problem(settings.pde, settings.data)
    key = stages.seeded_key(settings.seed, stages.DATA)
    refine = settings.data.refine
    found = change(problem, settings.data, key)
    print(f"refine {refine} -> {2 * refine} changes the truth by {found:.2g} (nRMSE)")


if __name__ == "__main__":
    try:
        main(sys.argv)
    except (flags.Error, ValueError) as error:
        sys.exit(f"error: {error}")

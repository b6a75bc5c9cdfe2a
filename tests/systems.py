"""Short runs of the physical systems, and what must come of them."""

import importlib
import json

import numpy as np

from experiments import hyco
from hyco_jax.grids import quantities as state
from hyco_jax.models import rollout

ROWS = ["initial_guess", "hybrid_physical", "hybrid_synthetic"]


def make_config(system, variant="smoke"):
    config = importlib.import_module(f"configs.{system}").get_config(variant)
    config.baselines = False
    config.synthetic.horizons = (6,)
    # Compiling is most of the time: one cycle, without the line search of L-BFGS.
    config.hybrid.cycles, config.hybrid.warmup = 2, 0
    config.physical.method = "adam"
    return config


def find_make_problem(system):
    return importlib.import_module(f"experiments.{system}").make_problem


def check_run(system, workdir):
    """Runs a system and checks its table and figures."""
    config, make_problem = make_config(system), find_make_problem(system)
    hyco.run(config, make_problem, workdir)
    rows = json.loads((workdir / "eval.json").read_text())["rows"]
    assert list(rows) == ROWS
    problem = make_problem(config)
    for name in config.physical.learnable:
        assert rows["hybrid_physical"][f"coefficient_error/{name}"] >= 0
        assert (workdir / "figures" / f"coefficient_{name}.png").exists()
    for row in ROWS:
        assert np.isfinite(rows[row]["val/nrmse"])
        for name, limit in problem.limits.items():
            assert row == ROWS[2] or rows[row][f"val/max_{name}"] <= limit
    for quantity in problem.quantities:
        figure = workdir / "figures" / f"fields_{quantity.name}.png"
        assert figure.exists() != quantity.is_static
    check_what_is_not_predicted(workdir, problem, make_problem)


def check_what_is_not_predicted(workdir, problem, make_problem):
    """Static channels and faces on walls stay as they are, bit by bit."""
    truth = np.load(workdir / "data.npz")["truth"]
    _, synthetic = hyco.load(workdir, make_problem)
    states = np.asarray(
        rollout.rollout(synthetic.step, synthetic.params, truth[0, 0], 3)
    )
    fixed = np.broadcast_to(~problem.predicted, states.shape)
    np.testing.assert_array_equal(
        states[fixed], np.broadcast_to(truth[:1, 0], states.shape)[fixed]
    )
    num_static = state.num_static(problem.quantities)
    assert fixed[..., states.shape[-1] - num_static :].all()

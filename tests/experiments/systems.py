"""Short runs of the physical systems, and what must come of them."""

import importlib
import json

import numpy as np

import hyco_jax
from hyco_jax import pde
from hyco_jax.config import experiment, schema
from hyco_jax.grids import quantities
from hyco_jax.result import Result

ROWS = ["initial_guess", "hybrid_physical", "hybrid_synthetic"]

# Compiling is most of the time: one cycle, without the line search of L-BFGS.
SHORT = {
    "data": {"refine": 2},
    "baselines": False,
    "physical": {"method": "adam"},
    "synthetic": {"horizons": (0,)},
    "hybrid": {"cycles": 2, "warmup": 0},
}


def make_settings(system: str, changes=None) -> experiment.Experiment:
    """The settings of a short run, with nested changes."""
    config = importlib.import_module(f"configs.{system}").get_config("smoke")
    template = schema.from_dict(experiment.template(pde.find(system)), config)
    for values in (SHORT, changes or {}):
        template = schema.from_dict(template, values)
    return template


def run(system: str, workdir, changes=None) -> Result:
    """Runs a system with nested changes."""
    settings = make_settings(system, changes)
    return experiment.run(settings, pde.find(system), workdir)


def check_run(system: str, workdir):
    """Runs a system and checks its table and what it found."""
    result = run(system, workdir)
    rows = json.loads((workdir / "eval.json").read_text())["rows"]
    assert list(rows) == ROWS
    assert rows == result.rows
    settings = make_settings(system)
    problem = pde.find(system).make_problem(settings.pde, settings.data)
    learned = [n for n, c in settings.coefficients.items() if c.is_learned]
    assert list(result.coefficients) == learned
    for name in learned:
        assert rows["hybrid_physical"][f"coefficient_error/{name}"] >= 0
    for row in ROWS:
        for split in ("train", "val", "test"):
            assert np.isfinite(rows[row][f"{split}/nrmse"])
            for name, limit in problem.limits.items():
                assert row == ROWS[2] or rows[row][f"{split}/max_{name}"] <= limit
    check_what_is_not_predicted(workdir, problem)


def check_figures(system: str, workdir):
    """Each learned coefficient has its figure, and each quantity that moves."""
    settings = make_settings(system)
    for name, coefficient in settings.coefficients.items():
        figure = workdir / "figures" / f"coefficient_{name}.png"
        assert figure.exists() or not coefficient.is_learned
    problem = pde.find(system).make_problem(settings.pde, settings.data)
    for quantity in problem.quantities:
        figure = workdir / "figures" / f"fields_{quantity.name}.png"
        assert figure.exists() != quantity.is_static


def check_what_is_not_predicted(workdir, problem):
    """Static channels and faces on walls stay as they are, bit by bit."""
    truth = np.load(workdir / "data.npz")["truth"]
    states = hyco_jax.load(workdir).synthetic.rollout(truth[0, 0], 3)
    states = np.asarray(states)
    fixed = np.broadcast_to(~problem.predicted, states.shape)
    np.testing.assert_array_equal(
        states[fixed], np.broadcast_to(truth[:1, 0], states.shape)[fixed]
    )
    num_known = quantities.num_known(problem.quantities)
    assert fixed[..., states.shape[-1] - num_known :].all()

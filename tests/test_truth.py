"""The truth is the equation's, not its grid's: halving that hardly changes it.

One row for each system, whose truth has a scheme that is accurate enough for it.
"""

import pytest

from experiments import truth
from hyco_jax import pde
from hyco_jax.config import experiment, schema

# What differs from the defaults, and the bound of the change of the truth.
SYSTEMS = {
    "heat": ({"pde": {"resolution": (16, 16)}, "data": {"refine": 4}}, 1e-3),
    "gray_scott": ({"pde": {"dt": 10.0}, "data": {"refine": 4, "scale": 8.0}}, 1e-3),
}
SMALL = {"num_sims": 2, "num_steps": 4, "train_sim": (0,), "val_sim": (1,)}


@pytest.mark.parametrize("system", SYSTEMS)
def test_halving_cells_and_steps_hardly_changes_the_truth(key, system):
    changes, bound = SYSTEMS[system]
    module = pde.find(system)
    settings = experiment.template(module)
    for values in ({"data": SMALL}, changes):
        settings = schema.from_dict(settings, values)
    problem = module.make_problem(settings.pde, settings.data)
    assert 0 < truth.change(problem, settings.data, key) < bound


def test_the_change_of_a_truth_of_second_order_falls_by_four(key):
    module = pde.find("heat")
    settings = schema.from_dict(module.Settings(), {"resolution": (16, 16)})
    first, second = (
        truth.change(
            module.make_problem(settings),
            schema.from_dict(module.DataSettings(), {**SMALL, "refine": refine}),
            key,
        )
        for refine in (2, 4)
    )
    assert first / second == pytest.approx(4, abs=0.3)


def test_the_command_prints_the_change(capsys):
    truth.main(["truth", "--config=configs/burgers.py:smoke"])
    assert "refine 4 -> 8 changes the truth by 0.0" in capsys.readouterr().out

"""Physical systems run from their config to table and figures."""

import dataclasses

import jax
import numpy as np
import pytest

import hyco_jax
from hyco_jax import pde, stages
from hyco_jax.data import observations
from hyco_jax.data.observations import Truth
from hyco_jax.scoring import rows
from tests.experiments import systems

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("quick_compilation"),
]


@pytest.mark.parametrize(
    "system", ["heat", "advection", "inviscid_burgers", "gray_scott"]
)
def test_a_system_runs_to_its_table_and_figures(tmp_path, system, capsys):
    systems.check_run(system, tmp_path)
    assert "hybrid synthetic" in capsys.readouterr().out


@pytest.mark.usefixtures("no_figures")
def test_the_physical_model_may_live_on_a_coarser_grid(tmp_path):
    changes = {
        "pde": {"physics_resolution": (16,)},
        "coefficients": {"potential": {"num_modes": 4}},
    }
    systems.run("inviscid_burgers", tmp_path, changes)
    result = hyco_jax.load(tmp_path)
    # Its own grid has 16 cells; it answers on that of the data, in steps of two.
    states = np.asarray(result.physical.rollout(np.zeros((32, 1), np.float32), 1))
    assert states.shape == (2, 32, 1)
    np.testing.assert_array_equal(result.coefficients["potential"].shape, (32,))
    arrays = np.load(tmp_path / "arrays.npz")
    assert arrays["rollout/hybrid_physical"].shape == arrays["rollout/truth"].shape
    coefficient = arrays["coefficient/potential/hybrid_physical"]
    np.testing.assert_array_equal(coefficient[::2], coefficient[1::2])


def test_a_true_number_is_compared_with_a_field_where_one_is_fitted():
    changes = {
        "pde": {"conductivity": "constant"},
        "coefficients": {"conductivity": {"kind": "field", "guess": 0.5}},
    }
    settings = systems.make_settings("heat", changes)
    problem = pde.find("heat").make_problem(settings.pde, settings.data)
    states = np.asarray(jax.random.normal(jax.random.key(0), (3, 7, 16, 16, 1)))
    truth = Truth(states, problem.true_values(problem.domain))
    data = observations.from_arrays(states, train=(0, 1), val=(2,))
    data = dataclasses.replace(data, truth=truth)
    models = stages.make_models(problem, settings, data)
    judge = rows.make_judge(problem, models, data)
    np.testing.assert_array_equal(
        judge.true_coefficients["conductivity"], np.ones((16, 16))
    )


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("name", ["fno", "transformer"])
def test_every_network_can_be_the_synthetic_model(tmp_path, name):
    options = {
        "fno": {"modes": 3, "width": 4, "depth": 1},
        "transformer": {"width": 8, "depth": 1, "heads": 2},
    }
    network = {"name": name, name: options[name]}
    network |= {"learn_scale": True, "input_noise": 0.01}
    changes = {"mode": "synthetic", "synthetic": network}
    result = systems.run("smoke", tmp_path, changes)
    assert np.isfinite(result.rows["synthetic_alone"]["test/nrmse"])


def test_a_run_in_3d_ends_with_figures_of_its_middle_plane(tmp_path):
    changes = {
        "pde": {"resolution": (8,) * 3, "extent": (8.0,) * 3, "dt": 0.1},
        "data": {"region": ((0.25, 0.75),) * 3, "refine": 1, "scale": 2.0},
        "mode": "physical",
    }
    result = systems.run("burgers", tmp_path, changes)
    guess, fitted = (result.rows[n] for n in ("initial_guess", "physical_alone"))
    assert fitted["val/nrmse_inside"] < guess["val/nrmse_inside"]
    assert fitted["test/nrmse_inside"] < guess["test/nrmse_inside"]
    for name in ("coefficient_viscosity", "fields_velocity", "nrmse", "history"):
        assert (tmp_path / "figures" / f"{name}.png").exists()

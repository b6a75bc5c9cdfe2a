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
]


# One has a quantity that stays, the other two quantities and two numbers to find.
@pytest.mark.usefixtures("coarse_pictures")
@pytest.mark.parametrize("system", ["advection", "gray_scott"])
def test_a_system_runs_to_its_table_and_figures(tmp_path, system, capsys):
    systems.check_run(system, tmp_path)
    systems.check_figures(system, tmp_path)
    assert "hybrid synthetic" in capsys.readouterr().out


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("system", ["heat", "inviscid_burgers"])
def test_a_system_runs_to_its_table(tmp_path, system):
    systems.check_run(system, tmp_path)


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    "cells, mode, row",
    [(16, "hybrid", "hybrid_physical"), (64, "physical", "physical_alone")],
)
def test_the_physical_model_may_live_on_another_grid(tmp_path, cells, mode, row):
    changes = {
        "mode": mode,
        "pde": {"physics_resolution": (cells,)},
        "coefficients": {"potential": {"num_modes": 4}},
    }
    fitted = systems.run("inviscid_burgers", tmp_path, changes)
    result = hyco_jax.load(tmp_path)
    assert result.rows == fitted.rows
    # It answers on the grid of the data, which has 32 cells.
    u0 = np.load(tmp_path / "data.npz")["truth"][0, 0]
    states = np.asarray(result.physical.rollout(u0, 1))
    assert states.shape == (2, 32, 1)
    np.testing.assert_array_equal(states, fitted.physical.rollout(u0, 1))
    arrays = np.load(tmp_path / "arrays.npz")
    assert arrays[f"rollout/{row}"].shape == arrays["rollout/truth"].shape
    # There a field is repeated, or averaged.
    coefficient = arrays[f"coefficient/potential/{row}"]
    np.testing.assert_array_equal(coefficient, result.coefficients["potential"])
    own = potential(changes, result.physical.params)
    assert own.shape == (cells,)
    expected = np.repeat(own, 2) if cells == 16 else own.reshape(32, 2).mean(axis=1)
    np.testing.assert_allclose(coefficient, expected, rtol=1e-6, atol=1e-7)
    # Another call finds the run finished; its data score as before.
    again = systems.run("inviscid_burgers", tmp_path, changes)
    assert again.rows == result.rows


def potential(changes, params):
    """The fitted field on the physical grid."""
    settings = systems.make_settings("inviscid_burgers", changes)
    problem = pde.find("inviscid_burgers").make_problem(settings.pde, settings.data)
    models = stages.make_models(problem, settings)
    return np.asarray(models.physical.values(params)["potential"])


def make_judge(changes, truth_of):
    """Of heat on 16² cells, with the true coefficients `truth_of(problem)`."""
    settings = systems.make_settings("heat", changes)
    problem = pde.find("heat").make_problem(settings.pde, settings.data)
    states = np.asarray(jax.random.normal(jax.random.key(0), (3, 7, 16, 16, 1)))
    data = observations.from_arrays(states, train=(0, 1), val=(2,))
    data = dataclasses.replace(data, truth=Truth(states, truth_of(problem)))
    models = stages.make_models(problem, settings, data)
    return rows.make_judge(problem, models, data)


FIELD = {"coefficients": {"conductivity": {"kind": "field", "guess": 0.5}}}
FINER = FIELD | {"pde": {"physics_resolution": (32, 32)}}


def test_a_true_number_is_compared_with_a_field_where_one_is_fitted():
    changes = FIELD | {"pde": {"conductivity": "constant"}}
    judge = make_judge(changes, lambda problem: problem.true_values(problem.domain))
    np.testing.assert_array_equal(
        judge.true_coefficients["conductivity"], np.ones((16, 16))
    )


@pytest.mark.parametrize("is_own", [True, False])
def test_a_finer_field_is_compared_with_the_truth_on_the_finest_grid_it_is_known_on(
    is_own,
):
    def truth_of(problem):
        scale = 1 if is_own else 2
        truth = problem.true_values(problem.domain)["conductivity"]
        return {"conductivity": scale * truth}

    judge = make_judge(FINER, truth_of)
    raw = {"conductivity": jax.random.normal(jax.random.key(1), (32, 32))}
    value = np.asarray(judge.models.physical.values(raw)["conductivity"], np.float64)
    means = value.reshape(16, 2, 16, 2).mean(axis=(1, 3))
    # Loaded data may have another truth than the problem's: on their own grid.
    truth, found = truth_of(judge.problem)["conductivity"], means
    if is_own:
        fine = judge.problem.physics_domain
        truth, found = judge.problem.true_values(fine)["conductivity"], value
    error = np.linalg.norm(found - truth) / np.linalg.norm(truth)
    scored, arrays = rows.score_rows(judge, {"physical_alone": ("physical", raw)}, {})
    assert scored["physical_alone"]["coefficient_error"] == pytest.approx(error, 1e-5)
    drawn = arrays["coefficient/conductivity/physical_alone"]
    np.testing.assert_allclose(drawn, means, rtol=1e-5)
    assert arrays["coefficient/conductivity/truth"].shape == (16, 16)


def test_a_true_field_on_another_grid_is_refused():
    with pytest.raises(ValueError, match=r"conductivity has shape \(5, 5\), expected"):
        make_judge(FIELD, lambda problem: {"conductivity": np.ones((5, 5))})


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


@pytest.mark.usefixtures("coarse_pictures")
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

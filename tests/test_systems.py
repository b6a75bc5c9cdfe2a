"""Physical systems run from their config to table and figures."""

import json

import numpy as np
import pytest

from experiments import hyco
from tests import systems

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


def test_the_physical_model_may_live_on_a_coarser_grid(tmp_path):
    config, make_problem = (
        systems.make_config("inviscid_burgers"),
        systems.find_make_problem("inviscid_burgers"),
    )
    config.pde.physics_resolution = (16,)
    config.coefficients.potential.num_modes = 4
    hyco.run(config, make_problem, tmp_path)
    physical, synthetic = hyco.load(tmp_path, make_problem)
    assert physical.step(physical.params, np.zeros((16, 1), np.float32)).shape == (
        16,
        1,
    )
    arrays = np.load(tmp_path / "arrays.npz")
    assert arrays["rollout/hybrid_physical"].shape == arrays["rollout/truth"].shape
    coefficient = arrays["coefficient/potential/hybrid_physical"]
    np.testing.assert_array_equal(coefficient[::2], coefficient[1::2])


def test_a_physical_grid_that_does_not_divide_the_datas_is_refused():
    config = systems.make_config("inviscid_burgers")
    config.pde.physics_resolution = (20,)
    with pytest.raises(ValueError, match=r"physics_resolution=\(20,\) .* whole number"):
        systems.find_make_problem("inviscid_burgers")(config)


@pytest.mark.parametrize("name", ["fno", "transformer"])
def test_every_network_can_be_the_synthetic_model(tmp_path, name):
    config = systems.make_config("smoke")
    config.synthetic.name = name
    config.synthetic.fno.update({"modes": 3, "width": 4, "depth": 1})
    config.synthetic.transformer.update({"width": 8, "depth": 1, "heads": 2})
    config.synthetic.learn_scale = True
    config.synthetic.input_noise = 0.01
    config.mode = "synthetic"
    hyco.run(config, systems.find_make_problem("smoke"), tmp_path)
    rows = json.loads((tmp_path / "eval.json").read_text())["rows"]
    assert np.isfinite(rows["synthetic_alone"]["val/nrmse"])


def test_a_run_in_3d_ends_with_figures_of_its_middle_plane(tmp_path):
    config = systems.make_config("burgers")
    cube = {"resolution": (8,) * 3, "extent": (8.0,) * 3}
    config.pde.update(cube)
    config.data.region = ((0.25, 0.75),) * 3
    config.data.update({"refine": 1, "scale": 2.0})
    config.mode = "physical"
    hyco.run(config, systems.find_make_problem("burgers"), tmp_path)
    rows = json.loads((tmp_path / "eval.json").read_text())["rows"]
    guess, fitted = rows["initial_guess"], rows["physical_alone"]
    assert fitted["val/nrmse_inside"] < guess["val/nrmse_inside"]
    for name in ("coefficient_viscosity", "fields_velocity", "nrmse", "history"):
        assert (tmp_path / "figures" / f"{name}.png").exists()

"""Every physical system runs from its config to its table and figures."""

import importlib
import json

import numpy as np
import pytest

from experiments import hyco
from hyco_jax import rollout, state

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("quick_compilation"),
]

SYSTEMS = (
    "heat",
    "advection",
    "inviscid_burgers",
    "smoke",
    "kolmogorov",
    "gray_scott",
)
ROWS = ["initial_guess", "hybrid_physical", "hybrid_synthetic"]


def config_of(system, variant="smoke"):
    config = importlib.import_module(f"configs.{system}").get_config(variant)
    config.baselines = False
    config.synthetic.horizons = (6,)
    # One program each for training and scores: compiling is most of the time.
    config.hybrid.cycles, config.hybrid.warmup = 2, 0
    return config


def make_problem_of(system):
    return importlib.import_module(f"experiments.{system}").make_problem


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_runs_to_its_table_and_figures(tmp_path, system, capsys):
    config, make_problem = config_of(system), make_problem_of(system)
    hyco.run(config, make_problem, tmp_path)
    rows = json.loads((tmp_path / "eval.json").read_text())["rows"]
    assert list(rows) == ROWS
    problem = make_problem(config)
    for name in config.physical.learnable:
        assert rows["hybrid_physical"][f"coefficient_error/{name}"] >= 0
        assert (tmp_path / "figures" / f"coefficient_{name}.png").exists()
    for row in ROWS:
        assert np.isfinite(rows[row]["val/nrmse"])
        for name, limit in problem.limits.items():
            assert row == ROWS[2] or rows[row][f"val/max_{name}"] <= limit
    for quantity in problem.quantities:
        figure = tmp_path / "figures" / f"fields_{quantity.name}.png"
        assert figure.exists() != quantity.is_static
    assert "hybrid synthetic" in capsys.readouterr().out
    check_what_is_not_predicted(tmp_path, problem, make_problem)


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


def test_the_physical_model_may_live_on_a_coarser_grid(tmp_path):
    config, make_problem = (
        config_of("inviscid_burgers"),
        make_problem_of("inviscid_burgers"),
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
    config = config_of("inviscid_burgers")
    config.pde.physics_resolution = (20,)
    with pytest.raises(ValueError, match=r"physics_resolution=\(20,\) .* whole number"):
        make_problem_of("inviscid_burgers")(config)


@pytest.mark.parametrize("name", ["fno", "transformer"])
def test_every_network_can_be_the_synthetic_model(tmp_path, name):
    config = config_of("smoke")
    config.synthetic.name = name
    config.synthetic.fno.update({"modes": 3, "width": 4, "depth": 1})
    config.synthetic.transformer.update({"width": 8, "depth": 1, "heads": 2})
    config.synthetic.learn_scale = True
    config.synthetic.input_noise = 0.01
    config.mode = "synthetic"
    hyco.run(config, make_problem_of("smoke"), tmp_path)
    rows = json.loads((tmp_path / "eval.json").read_text())["rows"]
    assert np.isfinite(rows["synthetic_alone"]["val/nrmse"])


def test_a_run_in_3d_ends_with_figures_of_its_middle_plane(tmp_path):
    config = config_of("burgers")
    cube = {"resolution": (8,) * 3, "extent": (8.0,) * 3}
    config.pde.update(cube)
    config.data.region = ((0.25, 0.75),) * 3
    config.data.update({"refine": 1, "scale": 2.0})
    config.mode = "physical"
    hyco.run(config, make_problem_of("burgers"), tmp_path)
    rows = json.loads((tmp_path / "eval.json").read_text())["rows"]
    guess, fitted = rows["initial_guess"], rows["physical_alone"]
    assert fitted["val/nrmse_inside"] < guess["val/nrmse_inside"]
    for name in ("coefficient_viscosity", "fields_velocity", "nrmse", "history"):
        assert (tmp_path / "figures" / f"{name}.png").exists()

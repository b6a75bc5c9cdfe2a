"""A short run of soil: measured data, no truth, from its config to its figures."""

import json

import numpy as np
import pytest

import hyco_jax
from configs import soil as configs
from hyco_jax.config import experiment, schema
from hyco_jax.pde import soil

pytestmark = [
    pytest.mark.slow,
]


def test_measured_data_run_to_a_table_with_the_baseline_and_figures(tmp_path, capsys):
    config = configs.get_config("smoke")
    config.baselines = False
    settings = schema.from_dict(experiment.template(soil), config)
    result = experiment.run(settings, soil, tmp_path)
    printed = capsys.readouterr().out
    assert "interpolation" in printed and "held out rmse" in printed
    assert "diffusivity in m²/s" in printed and "coef. error" not in printed
    rows = json.loads((tmp_path / "eval.json").read_text())["rows"]
    assert rows == result.rows
    # By hand, in the issue: linear between 10 and 50 cm.
    assert rows["interpolation"]["held_out/rmse"] == pytest.approx(0.309, abs=0.003)
    for row in ("hybrid_physical", "hybrid_synthetic"):
        assert 0 < rows[row]["held_out/rmse"] < 3
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"sensors.png", "series_temperature.png", "errors_temperature.png"} <= names
    assert not any(name.startswith("nrmse") for name in names)
    loaded = hyco_jax.load(tmp_path)
    np.testing.assert_array_equal(
        loaded.coefficients["diffusivity"], result.coefficients["diffusivity"]
    )
    again = experiment.run(settings, soil, tmp_path)
    assert again.rows == result.rows

import dataclasses

import numpy as np
import pytest

from hyco_jax import result
from hyco_jax.data import baseline, storage
from hyco_jax.data.observations import Observations
from hyco_jax.scoring import readings, table
from tests.scoring import sensing

UNIT = np.array([2.0, 4.0])
RMSE = ("rmse_temperature", "rmse_wind_x")


def wave(position, time):
    return np.sin(position.sum(axis=1) + time)


def test_rows_of_training_simulations_are_told_apart_by_what_is_held_out_and_used():
    observed = sensing.make(1, wave, sims=4)
    observations = Observations(observed, train=(0, 2), val=(1,), test=(3,))
    used = observed.sensor == 0
    rows = readings.splits(observations, used)
    assert list(rows) == ["train", "held_out", "val", "test"]
    training = np.isin(observed.sim, [0, 2])
    np.testing.assert_array_equal(rows["val"], (observed.sim == 1) & ~used)
    np.testing.assert_array_equal(rows["held_out"], training & observed.is_held_out)
    np.testing.assert_array_equal(sum(rows.values()), ~used)
    observations = dataclasses.replace(observations, val=(), test=())
    assert list(readings.splits(observations)) == ["train", "held_out"]


def test_errors_of_a_known_size_have_known_scores():
    observed = sensing.make(1, wave, sigma=0.5)
    rows = {"train": ~observed.is_held_out, "held_out": observed.is_held_out}
    error = np.where(observed.is_held_out[:, None], [3.0, 4.0], [1.0, -1.0])
    # What is at t = 0 or was never read doesn't count.
    error[observed.time == 0] = 1e9
    values = observed.values.copy()
    values[7] = np.nan
    observed = dataclasses.replace(observed, values=values)
    predictions = (values + error).astype(np.float64)
    assert readings.score(observed, predictions, UNIT, rows) == pytest.approx(
        {
            "train/chi2": 4.0,
            "train/rmse_temperature": 1.0,
            "train/rmse_wind_x": 1.0,
            "held_out/chi2": (36 + 64) / 2,
            "held_out/rmse_temperature": 3.0,
            "held_out/rmse_wind_x": 4.0,
        }
    )
    observed = dataclasses.replace(observed, sigma=None)
    scores = readings.score(observed, predictions, UNIT, rows)
    assert scores["held_out/nrmse"] == pytest.approx(np.sqrt((1.5**2 + 1) / 2))
    assert scores["train/nrmse"] == pytest.approx(np.sqrt((1 / 4 + 1 / 16) / 2))
    assert "held_out/chi2" not in scores


def test_sigma_scaled_by_ten_scales_chi2_by_a_hundredth_and_nothing_else():
    rng = np.random.default_rng(0)
    observed = sensing.make(2, wave)
    sigma = 0.1 + rng.random(observed.values.shape)
    predictions = observed.values + rng.standard_normal(observed.values.shape)
    rows = {"train": ~observed.is_held_out, "held_out": observed.is_held_out}
    one, ten = (
        readings.score(dataclasses.replace(observed, sigma=s), predictions, UNIT, rows)
        for s in (sigma, 10 * sigma)
    )
    for name, value in one.items():
        factor = 1 / 100 if name.endswith("chi2") else 1
        assert ten[name] == pytest.approx(factor * value, rel=1e-12)


def test_noise_of_the_stated_size_is_explained():
    rng = np.random.default_rng(0)
    observed = sensing.make(1, wave, sensors=40, times=101)
    sigma = 0.1 + rng.random(observed.values.shape)
    noise = sigma * rng.standard_normal(sigma.shape)
    noisy = dataclasses.replace(observed, values=observed.values + noise, sigma=sigma)
    rows = {"train": np.ones(observed.count, bool)}
    scores = readings.score(noisy, observed.values, UNIT, rows)
    # Of 8400 squares of a standard deviation of sqrt(2).
    assert abs(scores["train/chi2"] - 1) < 4 * np.sqrt(2 / 8400)


def test_what_diverged_is_infinite_and_what_was_never_read_is_nothing():
    observed = sensing.make(1, wave)
    rows = {"train": ~observed.is_held_out, "held_out": observed.is_held_out}
    predictions = observed.values.copy()
    predictions[observed.sensor == 0] = np.nan
    scores = readings.score(observed, predictions, UNIT, rows)
    assert scores["train/nrmse"] == scores["train/rmse_wind_x"] == np.inf
    assert scores["held_out/nrmse"] == 0
    values = np.where(observed.is_held_out[:, None], [1.0, np.nan], observed.values)
    unread = dataclasses.replace(observed, values=values)
    scores = readings.score(unread, predictions, UNIT, rows)
    assert scores["held_out/rmse_wind_x"] is None
    assert readings.score(observed, predictions, UNIT, rows, 1.0) == dict.fromkeys(
        scores
    )


def test_the_interpolation_is_scored_where_it_holds_no_value_and_has_some_to_go_by():
    observed = sensing.make(1, wave)
    values = observed.values.copy()
    values[~observed.is_held_out, 1] = np.nan
    observed = dataclasses.replace(observed, values=values)
    rows = {"train": ~observed.is_held_out, "held_out": observed.is_held_out}
    found = baseline.interpolate(observed)
    scores = readings.score_interpolation(observed, found, UNIT, rows)
    assert set(scores) == {f"held_out/{name}" for name in ("nrmse", *RMSE)}
    assert 0 < scores["held_out/rmse_temperature"] < 0.2
    assert scores["held_out/nrmse"] is scores["held_out/rmse_wind_x"] is None


def test_scores_and_arrays_make_a_table_with_units_and_survive_a_file(tmp_path):
    observed = sensing.make(1, wave, sigma=0.1)
    rows = {"train": ~observed.is_held_out, "held_out": observed.is_held_out}
    scores = readings.score(observed, observed.values + 0.1, UNIT, rows)
    values = {"rate": np.float32(0.5), "growth": np.ones(3)}
    scores |= readings.coefficient_columns(values) | {"train/max_speed": 1.0}
    storage.write_npz(tmp_path / "arrays.npz", sensing.arrays(observed))
    arrays = storage.read_npz(tmp_path / "arrays.npz")
    arrays["coefficient_unit/rate"] = np.array("1/s")
    assert readings.units(arrays) == {
        "rmse_temperature": "°C",
        "coefficient/rate": "1/s",
    }
    found = result.Result({"hybrid_physical": scores}, arrays, [], {}, {})
    text = found.table()
    assert "Units: rmse temperature in °C, rate in 1/s." in " ".join(text.split())
    header = [cell.strip() for cell in text.split("\n")[0].strip("|").split("|")]
    assert header[1:3] == ["rate", "train chi²"] and len(header) == 8
    assert not table.is_column("train/max_speed")

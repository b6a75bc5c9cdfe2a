"""A fit to readings, from the data to the table, and what can be asked afterwards."""

import dataclasses

import jax
import numpy as np
import pytest

import hyco_jax
from hyco_jax import fitting
from hyco_jax.types import Query
from tests import readings as decay

PROBLEM = decay.make_problem()
SETTINGS = decay.make_settings()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("points") / "run"
    data = decay.observe(PROBLEM, decay.make_readings(sigma=0.1))
    settings = decay.make_settings(uncertainty={"noise": True, "profile": True})
    return hyco_jax.fit(PROBLEM, data, settings, workdir), workdir, data


def test_every_row_is_scored_on_what_was_held_out(fitted):
    result, workdir, _ = fitted
    rows = ["physical_alone", "synthetic_alone", "hybrid_physical", "hybrid_synthetic"]
    assert set(result.rows) == {"initial_guess", *rows, "interpolation"}
    for row in (*rows, "interpolation"):
        assert np.isfinite(result.rows[row]["held_out/chi2"])
        assert np.isfinite(result.rows[row]["held_out/rmse"])
    table = result.table().replace("\n", " ")
    assert "held out chi²" in table and "Units: rmse in K." in table
    assert {path.name for path in (workdir / "figures").iterdir()} >= {
        *("sensors.png", "errors_temperature.png", "history.png")
    }


def test_the_coefficient_is_identified(fitted):
    found = fitted[0].rows["physical_alone"]["coefficient/conductivity"]
    assert found == pytest.approx(decay.CONDUCTIVITY, rel=0.05)
    assert fitted[0].coefficients["conductivity"] == pytest.approx(found, rel=0.05)


def test_the_coefficient_has_the_standard_error_of_the_textbook(fitted):
    result, workdir, data = fitted
    used = data.observed.select(~data.observed.is_held_out)
    # u ~ exp(-κ k² t): its derivative with respect to κ is -k² t u.
    slopes = decay.WAVE**2 * used.time * used.values[:, 0]
    expected = 0.1 / np.sqrt(np.sum(slopes**2))
    found = result.uncertainty["physical_alone"]
    assert found["numbers"]["conductivity"]["noise"] == pytest.approx(expected, rel=0.1)
    low, high = found["profiles"]["conductivity"]["interval"]
    assert high - low == pytest.approx(2 * 1.96 * expected, rel=0.1)
    assert found["sigma"] == {} and found["determined"] == pytest.approx(1.0)
    rows = result.rows
    assert rows["hybrid_physical"]["coefficient_noise/conductivity"] > 0
    assert " ± " in result.table()
    loaded = hyco_jax.load(workdir, PROBLEM)
    assert loaded.uncertainty["physical_alone"]["words"] == found["words"]


def test_a_loaded_field_needs_no_data(fitted):
    result, workdir, _ = fitted
    loaded = hyco_jax.load(workdir, PROBLEM)
    assert loaded.table() == result.table()
    points = np.array([[[0.1, 0.5], [0.4, 3.9]]], np.float32)
    zero = np.zeros(1, np.int32)
    query = Query(zero, zero, None, points)
    jax.tree.map(
        np.testing.assert_array_equal,
        loaded.synthetic.predict(query),
        result.synthetic.predict(query),
    )


def test_a_finished_run_is_not_trained_again_and_other_readings_are_scored(fitted):
    result, workdir, data = fitted
    lines = []
    again = hyco_jax.fit(PROBLEM, data, SETTINGS, workdir, lines.append)
    assert again.rows == result.rows and not lines
    scored = hyco_jax.evaluate(result, PROBLEM, SETTINGS, data)
    for row, values in scored.items():
        chi2 = result.rows[row]["held_out/chi2"]
        assert values["held_out/chi2"] == pytest.approx(chi2, rel=1e-6)
    other = dataclasses.replace(data.observed, values=data.observed.values + 1.0)
    other = dataclasses.replace(data, observed=other)
    with pytest.raises(ValueError, match="the data of .* have changed"):
        hyco_jax.fit(PROBLEM, other, SETTINGS, workdir)


@pytest.mark.usefixtures("no_figures")
def test_a_run_that_was_stopped_goes_on_bit_by_bit(fitted, tmp_path):
    result, _, data = fitted

    def stop(line):
        if line["stage"] == "hybrid" and line["cycle"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hyco_jax.fit(PROBLEM, data, SETTINGS, tmp_path / "run", stop)
    resumed = hyco_jax.fit(PROBLEM, data, SETTINGS, tmp_path / "run")
    for row, trained in result.trained.items():
        jax.tree.map(
            np.testing.assert_array_equal, resumed.trained[row].params, trained.params
        )


@pytest.mark.usefixtures("no_figures")
def test_a_field_learns_from_data_on_the_grid_and_answers_for_what_it_knows():
    x = PROBLEM.domain.coordinates()
    times = decay.DT * np.arange(decay.STEPS + 1)
    states = (
        decay.wave(x, times[:, None, None])[None]
        * np.array([1, 2, 3.0])[:, None, None, None]
    )
    data = hyco_jax.from_arrays(states, train=(0, 1), test=(2,))
    result = hyco_jax.fit(PROBLEM, data, SETTINGS)
    rows = result.rows
    assert rows["hybrid_synthetic"]["train/nrmse"] < 0.8
    assert "test/nrmse" not in rows["hybrid_synthetic"]
    assert rows["hybrid_physical"]["test/nrmse"] < 0.02
    table = result.table()
    assert "The field knows the training simulations alone" in table.replace("\n", " ")


@pytest.mark.parametrize("normalise", [True, False])
def test_a_field_is_in_units_of_the_data_unless_told_not_to_be(normalise):
    data = decay.observe(PROBLEM, decay.make_readings())
    settings = decay.make_settings(synthetic={"field": {"normalise": normalise}})
    field = fitting.prepare(PROBLEM, data, settings).models.synthetic
    record = field.init(jax.random.key(0))["record"]
    trained = data.observed.values[~data.observed.is_held_out]
    expected = (trained.mean(), trained.std()) if normalise else (0.0, 1.0)
    found = (record["mean"].item(), record["std"].item())
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"hybrid": {"ghost_region": ((0.0, 0.5),) * 2}}, "ghost_region.* 1 entries"),
        (
            {"hybrid": {"generated_from": "both"}},
            "generated_from.*'initial_states' where data are at points",
        ),
        (
            {"hybrid": {"trust_power": 1.0, "trust_by": "simulation"}},
            "trust_by.*'record' where data are at points",
        ),
        ({"synthetic": {"num_real": 64}}, "less than synthetic.batch_size=64"),
        ({"synthetic": {"normalise": True}}, "normalise"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_compiled(
    changes, text
):
    data = decay.observe(PROBLEM, decay.make_readings())
    with pytest.raises(ValueError, match=text):
        hyco_jax.fit(PROBLEM, data, decay.make_settings(**changes))

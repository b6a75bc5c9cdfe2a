"""Figures of data that are readings at points."""

import numpy as np
import pytest
from PIL import Image

from hyco_jax.scoring import plots
from hyco_jax.scoring.plots import (
    animation,
    coefficient,
    rollouts,
    sensors,
    series,
    style,
)
from tests.scoring import saved, sensing

FIGURES = [
    *("coefficient_rate.png", "sensors.png"),
    *("series_temperature.png", "errors_temperature.png"),
    *("series_wind_x.png", "errors_wind_x.png"),
]


def wave(position, time):
    return np.sin(position.sum(axis=1) + time)


def make_arrays(ndim, **options):
    """Arrays of a run on readings: without a truth, and without rollouts."""
    arrays = saved.make_arrays(ndim, ["hybrid_physical"], has_truth=False)
    left_out = ("rollout", "nrmse", "coefficient/growth", "coefficient/wind")
    arrays = {k: v for k, v in arrays.items() if not k.startswith(left_out)}
    arrays["extent"] = np.array(sensing.SIDES[:ndim])
    arrays["observed"] = np.ones_like(arrays["observed"])
    return arrays | sensing.arrays(sensing.make(ndim, wave, **options))


@pytest.mark.parametrize("moving", [False, True], ids=["static", "moving"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.usefixtures("no_warnings")
def test_every_figure_of_readings_is_written(tmp_path, monkeypatch, ndim, moving):
    monkeypatch.setattr(plots, "DPI", 30)
    arrays = plots.middle_plane(make_arrays(ndim, moving=moving, sigma=0.2))
    arrays["predicted/physical_alone"][arrays["readings/time"] > 0.5] = np.inf
    written = plots.draw_all(arrays, [], tmp_path)
    assert [path.name for path in written] == FIGURES
    for path in written:
        with Image.open(path) as picture:
            assert np.ptp(np.asarray(picture.convert("L"))) > 100


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.usefixtures("no_warnings")
def test_fields_of_models_are_drawn_where_there_is_nothing_to_compare(tmp_path, ndim):
    arrays = saved.make_arrays(ndim, ["physical_alone", "hybrid_physical"])
    del arrays["rollout/truth"]
    arrays["observed"][:] = True
    figure = rollouts.draw(arrays, "density")
    # Two images at each of a time or three, and their colour bar.
    assert len(figure.axes) == (3 if ndim == 1 else 7)
    assert figure.axes[0].get_title().startswith("physical\nalone")
    limits = [image.get_clim() for ax in figure.axes for image in ax.images]
    assert len(set(limits)) == 1
    animation.save(arrays, "density", tmp_path / "rollout.gif")
    with Image.open(tmp_path / "rollout.gif") as gif:
        assert gif.n_frames == 6


def test_series_show_held_out_sensors_with_both_hybrid_models_and_the_baseline():
    arrays = make_arrays(1, sensors=10)
    figure = series.draw(arrays, 0)
    assert [ax.get_title() for ax in figure.axes] == [
        f"sensor s{i}" for i in (3, 7, 11)
    ]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["measured", "hybrid physical", "hybrid synthetic", "interpolation"]
    assert figure.axes[0].get_ylabel() == "temperature (°C)"
    assert series.draw(arrays, 1).axes[0].get_ylabel() == "wind x"
    own = arrays["readings/sensor"] == 7
    measured, physical, *_ = figure.axes[1].get_lines()
    np.testing.assert_array_equal(measured.get_xdata(), arrays["readings/time"][own])
    np.testing.assert_array_equal(
        measured.get_ydata(), arrays["readings/values"][own, 0]
    )
    # Method 1 is off by 0.2.
    np.testing.assert_allclose(physical.get_ydata() - measured.get_ydata(), 0.2)
    assert physical.get_color() == style.LINES["hybrid_physical"]["color"]


def test_without_a_pair_all_methods_are_drawn_and_there_are_at_most_six_panels():
    observed = sensing.make(1, wave, sensors=40)
    arrays = sensing.arrays(observed, ["initial_guess", "physical_alone"])
    figure = series.draw(arrays, 0)
    assert len(figure.axes) == series.MAX_PANELS
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["measured", "physical alone", "interpolation"]


def test_errors_over_time_are_those_of_the_readings_held_out():
    arrays = make_arrays(2, sensors=8, sigma=0.25)
    top, bottom = series.errors(arrays, 1).axes
    means = {line.get_label(): line.get_ydata() for line in top.lines[:4]}
    np.testing.assert_allclose(means["physical alone"], 0.1)
    np.testing.assert_allclose(means["hybrid synthetic"], 0.3)
    held_out = arrays["readings/split"] == "held_out"
    error = arrays["predicted/interpolation"] - arrays["readings/values"]
    error = error[held_out, 1].reshape(-1, 21)
    np.testing.assert_allclose(means["interpolation"], error.mean(axis=0), atol=1e-12)
    roots = bottom.lines[3].get_ydata()
    np.testing.assert_allclose(roots, np.sqrt((error**2).mean(axis=0)))
    np.testing.assert_array_equal(bottom.lines[-1].get_ydata(), 0.25)
    assert bottom.get_ylabel() == "rms error of\nwind x"


def test_many_times_are_gathered_into_intervals():
    arrays = make_arrays(1, times=400)
    top, _ = series.errors(arrays, 0).axes
    assert len(top.lines[0].get_xdata()) == series.MAX_BINS
    np.testing.assert_allclose(top.lines[0].get_ydata(), 0.1)


def test_where_nothing_is_held_out_test_simulations_are_drawn_without_the_baseline():
    arrays = make_arrays(1, sims=2)
    is_test = arrays["readings/sim"] == 1
    arrays["readings/split"] = np.where(is_test, "test", "train")
    for figure in (series.draw(arrays, 0), series.errors(arrays, 0)):
        names = [text.get_text() for text in figure.legends[0].get_texts()]
        assert "interpolation" not in names and "hybrid physical" in names
    titles = [ax.get_title() for ax in series.draw(arrays, 0).axes]
    assert all(title.endswith("simulation run 1") for title in titles)


def test_the_map_tells_sensors_apart_and_shows_paths():
    arrays = make_arrays(1, moving=True)
    arrays["readings/split"][arrays["readings/sensor"] == 0] = ""
    (ax,) = sensors.draw(arrays).axes
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert list(lines) == ["trained on", "given to the models", "held out"]
    points = lines["held out"]
    gaps = np.flatnonzero(np.isnan(points[:, 0]))
    # Two sensors of 21 readings, apart by a gap.
    assert len(points) == 43 and list(gaps) == [21]
    own = arrays["readings/sensor"] == 3
    np.testing.assert_array_equal(points[:21, 0], arrays["readings/position"][own, 0])
    np.testing.assert_array_equal(points[:21, 1], arrays["readings/time"][own])
    assert [text.get_text() for text in ax.texts][-2:] == ["s3", "s7"]
    (plane,) = sensors.draw(make_arrays(2)).axes
    assert len(plane.lines[-1].get_xydata()) == 3
    assert plane.get_ylabel() == "position y"


def test_of_many_readings_the_map_shows_some_in_their_shares():
    arrays = make_arrays(2, sensors=4, times=3000, moving=True)
    (ax,) = sensors.draw(arrays).axes
    counts = [np.isfinite(line.get_xdata()).sum() for line in ax.lines]
    # Three sensors that move and one that is held out; four corners are a point each.
    assert counts[0] + counts[1] <= sensors.MAX_POINTS
    assert counts[0] / counts[1] == pytest.approx(3, rel=0.15)


def test_a_coefficient_without_a_truth_has_its_unit():
    arrays = make_arrays(1) | {"coefficient_unit/rate": np.array("m²/s")}
    assert coefficient.draw(arrays, "rate").axes[0].get_xlabel() == "rate (m²/s)"
    arrays["coefficient/growth/hybrid_physical"] = np.ones(12)
    arrays["coefficient_unit/growth"] = np.array("1/s")
    (ax,) = coefficient.draw(arrays, "growth").axes
    assert ax.get_ylabel() == "growth(x) (1/s)"

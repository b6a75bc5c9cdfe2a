import matplotlib
import numpy as np
import pytest
from PIL import Image

from hyco_jax import plots, table
from hyco_jax.plots import (
    animation,
    coefficient,
    curves,
    image_grid,
    images,
    rollouts,
    style,
)

ALL = list(table.ROWS)
PNG = ["coefficient.png", "fields.png", "nrmse.png", "history.png"]


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch):
    """Draws with few pixels, which takes half the time."""
    monkeypatch.setattr(plots, "DPI", 40)


def make_arrays(ndim, methods=ALL, num_times=6, diverged=()):
    """Arrays as a run saves them; the i-th method is off by 0.1 (i + 1) throughout."""
    shape = (12, 8)[:ndim]
    axes = [np.arange(n) + 0.5 for n in shape]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    observed = (np.abs(x[..., 0] - 6) < 3) & (x[..., -1] > 2)
    times = 0.5 * np.arange(num_times)
    wave = np.sin(2 * np.pi * x[..., 0] / 12 - times.reshape(-1, *[1] * ndim))
    truth = np.stack([wave] * ndim, axis=-1).astype(np.float32)
    arrays = {
        "coordinates": x,
        "extent": np.array(shape, float),
        "dt": np.array(0.5),
        "observed": observed,
        "times": times,
        "coefficient/truth": 1.0 + x[..., 0],
        "rollout/truth": truth,
    }
    for i, method in enumerate(methods):
        bad = np.nan if method in diverged else 0.0
        curve = 0.1 * (i + 1) * times
        curve[3:] += bad
        arrays[f"nrmse/train/{method}"] = arrays[f"nrmse/val/{method}"] = curve
        rollout = truth + np.float32(0.1 * (i + 1))
        rollout[3:] += bad
        arrays[f"rollout/{method}"] = rollout
        if "synthetic" not in method:
            arrays[f"coefficient/{method}"] = 1.1 + i / 10 + x[..., 0] + bad
    return arrays


def make_history(stages=("physical", "synthetic", "hybrid"), num_cycles=4):
    """Lines of metrics.jsonl whose first hybrid cycle is a warm-up."""
    lines = []
    for stage in stages:
        for cycle in range(num_cycles):
            line = {"stage": stage, "cycle": cycle}
            if stage != "physical":
                line["synthetic/loss_real"] = 0.5**cycle
            if stage == "physical" or (stage == "hybrid" and cycle > 0):
                line["physical/loss_real"] = 0.3**cycle
                line["physical/viscosity_error"] = 0.2**cycle
            if stage == "hybrid" and cycle > 0:
                line["synthetic/loss_generated"] = 0.7**cycle
                line["physical/loss_generated"] = 0.6**cycle
            lines.append(line)
    return lines


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize(
    "methods, stages, expected",
    [
        (ALL, ("physical", "synthetic", "hybrid"), PNG),
        (ALL[:2], ("physical",), PNG),
        (["synthetic_alone"], ("synthetic",), PNG[1:]),
    ],
    ids=["hybrid", "physical", "synthetic"],
)
def test_every_figure_with_data_is_written(tmp_path, ndim, methods, stages, expected):
    arrays = make_arrays(ndim, methods)
    written = plots.draw_all(arrays, make_history(stages), tmp_path / "figures")
    assert [path.name for path in written] == [*expected, "rollout.gif"]
    for path in written:
        with Image.open(path) as picture:
            assert np.ptp(np.asarray(picture.convert("L"))) > 100


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.filterwarnings("error")
def test_a_method_that_diverged_is_named_and_breaks_nothing(tmp_path, ndim):
    arrays = make_arrays(ndim, diverged=["physical_alone", "synthetic_alone"])
    arrays["nrmse/val/synthetic_alone"][2] = 1e30
    arrays["rollout/synthetic_alone"][2] *= np.float32(1e30)
    history = make_history()
    history[1]["physical/loss_real"] = float("nan")
    history[2]["physical/viscosity_error"] = None
    assert len(plots.draw_all(arrays, history, tmp_path)) == 5
    figure = curves.nrmse(arrays)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "synthetic alone (diverged)" in names and "hybrid physical" in names
    assert figure.axes[1].get_ylim()[1] < 100


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("value", [True, False])
def test_a_region_that_is_everything_or_nothing_has_no_boundary(ndim, value):
    arrays = make_arrays(ndim, ALL[1:2])
    assert rollouts.draw(arrays).legends
    arrays["observed"] = np.full_like(arrays["observed"], value)
    assert not rollouts.draw(arrays).legends
    assert len(coefficient.draw(arrays).axes) == (2 if ndim == 1 else 6)


def test_an_open_npz_file_will_do(tmp_path):
    np.savez(tmp_path / "arrays.npz", **make_arrays(1, ALL[:2]))
    with np.load(tmp_path / "arrays.npz") as arrays:
        assert len(plots.draw_all(arrays, [], tmp_path)) == 4


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    plots.draw_all(make_arrays(1, ALL[:2]), [], tmp_path)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("num_times, expected", [(6, 6), (101, animation.MAX_FRAMES)])
def test_the_gif_has_a_frame_per_time_up_to_the_most(tmp_path, num_times, expected):
    animation.save(make_arrays(1, num_times=num_times), tmp_path / "rollout.gif")
    with Image.open(tmp_path / "rollout.gif") as gif:
        assert gif.n_frames == expected
    frames = animation.frame_indices(num_times)
    assert frames[0] == 0 and frames[-1] == num_times - 1 and len(frames) == expected


@pytest.mark.filterwarnings("error")
def test_a_lone_time_gives_a_still(tmp_path):
    assert len(plots.draw_all(make_arrays(1, ALL[:2], 1), [], tmp_path)) == 4


def test_lines_show_the_saved_coefficients_and_their_errors():
    arrays = make_arrays(1)
    top, bottom = coefficient.draw(arrays).axes
    lines = {line.get_label(): line.get_ydata() for line in top.lines}
    np.testing.assert_array_equal(lines["truth"], arrays["coefficient/truth"])
    np.testing.assert_array_equal(
        lines["hybrid physical"], arrays["coefficient/hybrid_physical"]
    )
    # Method i is off by 0.1 (i + 1): physical alone is 1, hybrid physical 3.
    errors = [line.get_ydata() for line in bottom.lines[:2]]
    np.testing.assert_allclose(errors[0], 0.2, rtol=1e-12)
    np.testing.assert_allclose(errors[1], 0.4, rtol=1e-12)


def test_a_plane_is_shown_with_x_to_the_right_and_y_upwards():
    arrays = make_arrays(2)
    ax = coefficient.draw(arrays).axes[0]
    shown = ax.images[0]
    np.testing.assert_array_equal(shown.get_array(), arrays["coefficient/truth"].T)
    assert shown.get_extent() == [0, 12, 0, 8] and shown.origin == "lower"


def test_space_time_has_time_upwards_and_pixels_centred_on_samples():
    arrays = make_arrays(1)
    shown = rollouts.draw(arrays).axes[0].images[0]
    np.testing.assert_array_equal(shown.get_array(), arrays["rollout/truth"][..., 0])
    # Six times, 0.5 apart: cells reach half a step beyond the first and the last.
    assert shown.get_extent() == [0, 12, -0.25, 2.75]


def test_signed_errors_share_a_scale_centred_at_zero_that_the_guess_cannot_stretch():
    truth = np.linspace(0, 1, 11).reshape(1, 1, 11)
    errors = {"initial_guess": truth + 5, "physical_alone": -0.25 + 0 * truth}
    scale = images.error_scale({"truth": truth}, errors, signed=True)
    assert (scale.low, scale.high, scale.extend) == (-0.25, 0.25, "max")
    unsigned = images.error_scale({"truth": truth}, {"physical_alone": truth}, False)
    assert unsigned.low == 0 and unsigned.high == pytest.approx(1, rel=0.01)


def test_an_error_panel_states_its_root_mean_square():
    frame = images.plane({"extent": np.array([2.0, 1.0])})
    truth, error = np.zeros((1, 1, 2)), np.array([[[0.3, 0.4]]])
    arrays = {"observed": np.ones((2, 1), bool)}
    fields = {"truth": truth, "physical_alone": truth + error}
    errors = {"physical_alone": error}
    names = {"rows": [""], "field_label": "u", "error_label": "e"}
    figure = image_grid.draw(fields, errors, arrays, frame, **names, signed=True)
    # sqrt((0.09 + 0.16) / 2) = 0.3536
    assert figure.axes[3].get_title() == "rms 0.354"


def test_the_observed_region_is_shaded_cell_by_cell_and_across_the_border():
    arrays = {"extent": np.array([8.0]), "observed": np.array([1, 0, 1, 1], bool)}
    assert style.observed_spans(arrays) == [(0.0, 2.0), (4.0, 8.0)]


def test_history_shows_each_stage_under_its_method():
    figure = curves.history(make_history())
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["synthetic model", "physical model", "coefficient"]
    assert [len(ax.lines) for ax in figure.axes] == [3, 3, 2]
    alone, real, generated = figure.axes[1].lines
    assert alone.get_color() == style.LINES["physical_alone"]["color"]
    assert real.get_color() == style.LINES["hybrid_physical"]["color"]
    # The warm-up cycle 0 has no physical loss in the hybrid stage.
    np.testing.assert_array_equal(real.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(generated.get_ydata(), [0.6, 0.36, 0.216])


def test_every_method_has_a_look_of_its_own():
    looks = [
        (o["color"], str(o["linestyle"]), o.get("marker")) for o in style.LINES.values()
    ]
    assert list(style.LINES) == ["truth", *table.ROWS]
    colors, _, markers = zip(*looks, strict=True)
    assert len(set(colors)) == len(set(markers)) == len(looks)


@pytest.mark.parametrize(
    "values, expected",
    [
        ([1e-3, 1.0], (1e-3, 1.0)),
        ([1e-3, 1e30, np.nan, 0.0], (1e-3, 10.0)),
        ([1e-30, 1.0], (1e-5, 1.0)),
        ([100.0], (100.0, 100.0)),
    ],
    ids=["plain", "diverged", "exact", "beyond the ceiling"],
)
def test_logarithmic_limits_ignore_outliers(values, expected):
    low, high = style.log_limits([values], ceiling=10.0, decades=5)
    assert (low * 1.5, high / 1.5) == pytest.approx(expected)


def test_missing_arrays_and_three_axes_are_errors_that_say_so(tmp_path):
    arrays = make_arrays(1)
    del arrays["times"]
    with pytest.raises(ValueError, match=r"lack \['times'\]"):
        plots.draw_all(arrays, [], tmp_path)
    arrays = {**make_arrays(1), "coordinates": np.zeros((2, 2, 2, 3))}
    with pytest.raises(ValueError, match="3 axes.*expected 1 or 2"):
        plots.draw_all(arrays, [], tmp_path)

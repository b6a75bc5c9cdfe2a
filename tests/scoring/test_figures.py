import numpy as np
import pytest
from matplotlib.figure import Figure

from hyco_jax.scoring import table
from hyco_jax.scoring.plots import (
    coefficient,
    curves,
    image_grid,
    images,
    numbers,
    rollouts,
    style,
)
from tests.scoring import saved


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("value", [True, False])
def test_a_region_that_is_everything_or_nothing_has_no_boundary(ndim, value):
    arrays = saved.make_arrays(ndim, ["physical_alone"])
    assert rollouts.draw(arrays, "density").legends
    arrays["observed"] = np.full_like(arrays["observed"], value)
    assert not rollouts.draw(arrays, "density").legends
    # In 2-D two rows of the truth and the method, and two colour bars.
    assert len(coefficient.draw(arrays, "growth").axes) == (2 if ndim == 1 else 6)


@pytest.mark.parametrize("name", ["growth", "wind"])
def test_lines_show_the_saved_coefficients_and_their_errors(name):
    arrays = saved.make_arrays(1)
    top, bottom = coefficient.draw(arrays, name).axes
    lines = {line.get_label(): line.get_ydata() for line in top.lines}
    for label, method in {
        "truth": "truth",
        "hybrid physical": "hybrid_physical",
    }.items():
        expected = arrays[f"coefficient/{name}/{method}"].reshape(12)
        np.testing.assert_array_equal(lines[label], expected)
    # Method i is off by 0.1 (i + 1): physical alone is 1, hybrid physical 3.
    errors = [line.get_ydata() for line in bottom.lines[:2]]
    np.testing.assert_allclose(errors[0], 0.2, rtol=1e-12)
    np.testing.assert_allclose(errors[1], 0.4, rtol=1e-12)
    assert top.get_ylabel() == f"{name}(x)"
    assert bottom.get_ylabel().startswith(f"error of {name}")


def test_a_plane_is_shown_with_x_to_the_right_and_y_upwards():
    arrays = saved.make_arrays(2)
    ax = coefficient.draw(arrays, "growth").axes[0]
    shown, truth = ax.images[0], arrays["coefficient/growth/truth"]
    np.testing.assert_array_equal(shown.get_array(), truth.T)
    assert shown.get_extent() == [0, 12, 0, 8] and shown.origin == "lower"


def test_a_vector_field_is_shown_by_its_norm_and_the_norm_of_its_error():
    arrays = saved.make_arrays(2, ["physical_alone"])
    truth, _, _, errors, field_bar, error_bar = coefficient.draw(arrays, "wind").axes
    wind = arrays["coefficient/wind/truth"]
    norm = np.hypot(wind[..., 0], wind[..., 1])
    np.testing.assert_allclose(truth.images[0].get_array(), norm.T, rtol=1e-12)
    # Both components are off by 0.1.
    shown = errors.images[0].get_array()
    np.testing.assert_allclose(shown, 0.1 * np.sqrt(2), rtol=1e-9)
    assert field_bar.get_ylabel() == "|wind(x)|"
    assert error_bar.get_ylabel() == "|error of wind|"


def test_arrows_point_along_the_vectors_where_they_stand_and_none_is_too_long():
    arrays = {"extent": np.array([16.0, 8.0])}
    x, y = np.meshgrid(np.arange(16) + 0.5, np.arange(8) + 0.5, indexing="ij")
    ax = Figure().subplots()
    images.add_arrows(ax, np.stack([x, 100 * y, x], axis=-1), 50.0, arrays)
    arrows = ax.collections[0]
    x, y = arrows.get_offsets().T
    np.testing.assert_allclose(arrows.V / arrows.U, 100 * y / x, rtol=1e-12)
    norm = np.hypot(arrows.U, arrows.V)
    np.testing.assert_allclose(norm, np.minimum(np.hypot(x, 100 * y) / 50, 1))
    # Of 8 along x and 4 along y.
    assert len(x) == 32 and x.min() > 0 and x.max() < 16 and y.max() < 8


def test_a_number_is_a_dot_beside_the_truth_with_its_relative_error():
    arrays = saved.make_arrays(1, diverged=["physical_alone"])
    figure = coefficient.draw(arrays, "rate")
    (ax,) = figure.axes
    dots = {
        int(line.get_ydata()[0]): line for line in ax.lines if line.get_marker() != ""
    }
    dots = {i: d.get_xdata()[0] for i, d in dots.items() if d.get_linestyle() == "None"}
    # The truth is 2, the guess is off by 0.1, the hybrid by 0.4.
    assert dots[0] == pytest.approx(2.1) and dots[2] == pytest.approx(2.4)
    assert np.isnan(dots[1])
    (beside,) = ax.child_axes
    texts = [text.get_text() for text in beside.get_yticklabels()]
    assert texts == ["0.0500", "diverged", "0.200"]
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["initial guess", "physical alone (diverged)", "hybrid physical"]
    low, high = ax.get_xlim()
    assert 1.9 < low < 2 and 2.4 < high < 2.5 and ax.get_xlabel() == "rate"


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize(
    "truth, guess, scale, limits",
    [
        (0.02, 0.5, "log", (0.01, 1.0)),
        (-0.02, 0.5, "linear", (-0.1, 0.6)),
        (0.02, 1e30, "linear", (0.01, 0.03)),
        (0.0, 0.5, "linear", (-0.1, 0.6)),
    ],
    ids=["far", "of other sign", "absurd", "zero"],
)
def test_the_axis_of_a_number_shows_what_can_be_compared(truth, guess, scale, limits):
    values = {"truth": np.array(truth), "initial_guess": np.array(guess)}
    (ax,) = numbers.draw(values, "inflow rate").axes
    low, high = ax.get_xlim()
    assert ax.get_xscale() == scale
    assert limits[0] < low < truth < high < limits[1]


def test_each_quantity_shows_its_own_channels_and_name():
    arrays = saved.make_arrays(2, ["physical_alone"])
    truth = arrays["rollout/truth"].astype(float)
    expected = {
        "density": (truth[..., 0], "density", "error of density", 0.2 / 2),
        "velocity": (
            np.hypot(truth[..., 1], truth[..., 2]),
            "|velocity|",
            "|error of velocity|",
            0.1 * np.sqrt(2),
        ),
    }
    for quantity, (field, label, error_label, error) in expected.items():
        axes = rollouts.draw(arrays, quantity).axes
        # Three rows of fields, of two columns, then three of errors; last is t = 5 dt.
        shown = axes[4].images[0].get_array()
        np.testing.assert_allclose(shown, field[5].T, rtol=1e-6)
        # Float32 states of size 3 are rounded by 2e-7.
        np.testing.assert_allclose(axes[-3].images[0].get_array(), error, atol=1e-6)
        assert [ax.get_ylabel() for ax in axes[-2:]] == [label, error_label]


def test_space_time_has_time_upwards_and_pixels_centred_on_samples():
    arrays = saved.make_arrays(1)
    shown = rollouts.draw(arrays, "velocity").axes[0].images[0]
    np.testing.assert_array_equal(shown.get_array(), arrays["rollout/truth"][..., 1])
    # Six times, 0.5 apart: cells reach half a step beyond the first and the last.
    assert shown.get_extent() == [0, 12, -0.25, 2.75]


@pytest.mark.parametrize(
    "truth, cmap, low, high",
    [
        ([-1.0, 2.0], style.SIGNED_FIELD_MAP, -2, 2),
        ([-0.1, 2.0], style.FIELD_MAP, -0.1, 2),
        ([1.0, 2.0], style.FIELD_MAP, 1, 2),
        ([-3.0, -1.0], style.FIELD_MAP, -3, -1),
    ],
    ids=["signed", "undershoot", "positive", "negative"],
)
def test_only_signed_fields_have_a_scale_centred_at_zero(truth, cmap, low, high):
    scale = images.field_scale({"truth": np.array(truth)})
    assert (scale.cmap.name, scale.low, scale.high) == (cmap, low, high)
    assert scale.extend == "neither"


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
    figure = curves.history(saved.make_history())
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["synthetic model", "physical model", "rate", "growth"]
    assert [len(ax.lines) for ax in figure.axes] == [3, 3, 2, 2]
    alone, real, generated = figure.axes[1].lines
    assert alone.get_color() == style.LINES["physical_alone"]["color"]
    assert real.get_color() == style.LINES["hybrid_physical"]["color"]
    # The warm-up cycle 0 has no physical loss in the hybrid stage.
    np.testing.assert_array_equal(real.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(generated.get_ydata(), [0.6, 0.36, 0.216])


def test_history_has_a_panel_for_the_error_of_every_coefficient():
    names = ("diffusivity_u", "feed", "kill")
    axes = curves.history(saved.make_history(names=names)).axes
    assert [ax.get_title() for ax in axes[2:]] == ["diffusivity u", "feed", "kill"]
    for i, ax in enumerate(axes[2:]):
        assert ax.get_ylabel() == "relative error"
        values = ax.lines[0].get_ydata()
        np.testing.assert_allclose(values, (i + 1) * 0.2 ** np.arange(4))


def test_every_method_has_a_look_of_its_own():
    looks = [
        (o["color"], str(o["linestyle"]), o.get("marker")) for o in style.LINES.values()
    ]
    assert list(style.LINES) == [*style.REFERENCES, *table.ROWS]
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


def test_standard_errors_are_bands_of_95_percent_bars_or_images_of_their_own():
    line, plane = saved.make_arrays(1), saved.make_arrays(2)
    for arrays in (line, plane):
        for name in ("rate", "growth"):
            found = arrays[f"coefficient/{name}/hybrid_physical"]
            arrays[f"deviation/{name}/hybrid_physical"] = np.full_like(found, 0.5)
    (band,) = coefficient.draw(line, "growth").axes[0].collections
    found = line["coefficient/growth/hybrid_physical"]
    ends = band.get_paths()[0].vertices
    at = ends[np.isclose(ends[:, 0], line["coordinates"][3, 0])][:, 1]
    np.testing.assert_allclose(np.unique(at.round(6)), found[3] + [-0.98, 0.98])
    bars = [
        shown.get_xdata()
        for shown in coefficient.draw(line, "rate").axes[0].lines
        if shown.get_label() == "interval of 95 %"
    ]
    np.testing.assert_allclose(bars, [[2.4 - 0.98, 2.4 + 0.98]])
    axes = coefficient.draw(plane, "growth").axes
    shown = [ax for ax in axes if ax.images][-1].images[0].get_array()
    np.testing.assert_allclose(shown, 0.5)
    assert axes[-1].get_ylabel() == "standard error"

"""Figures of runs on data without a truth, and of what was observed only in part."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from hyco_jax.scoring.plots import coefficient, curves, images, rollouts, style
from tests.scoring import saved


@pytest.mark.parametrize("ndim", [1, 2])
def test_without_a_truth_errors_are_those_of_what_was_observed(ndim):
    arrays = saved.make_arrays(ndim, ["hybrid_physical"], has_truth=False)
    arrays["rollout/hybrid_physical"][-1] += 100
    figure = rollouts.draw(arrays, "density")
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[0].startswith("observed")
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert set(texts) == {"model\n− observed"}
    # Off by 0.1 but at the last time, of which nothing was observed.
    assert [t for t in titles if t.startswith("rms")] == ["rms 0.100"] * ndim
    observed = np.isfinite(arrays["rollout/observed"][..., 0])
    if ndim == 2:
        # Of the times 0 to 5, every other was observed.
        assert [t.split()[-1] for t in titles[1:4:2]] == ["1", "2"]
        observed = observed[4].T
    # Axes are followed by the two colour bars.
    error = figure.axes[-3].images[0]
    assert np.array_equal(~error.get_array().mask, observed)
    assert error.cmap(np.nan) == to_rgba(images.MISSING)


def test_a_quantity_that_was_never_observed_is_shown_as_the_models_have_it():
    arrays = saved.make_arrays(2, ["hybrid_physical"], has_truth=False)
    arrays["rollout/observed"][..., 0] = np.nan
    axes = rollouts.draw(arrays, "density").axes
    predicted = arrays["rollout/hybrid_physical"][..., 0]
    low, high = axes[1].images[0].get_clim()
    assert (low, high) == pytest.approx((predicted.min(), predicted.max()))
    assert axes[7].get_title() == "rms -"


@pytest.mark.parametrize("name", ["rate", "growth", "wind"])
@pytest.mark.parametrize("ndim", [1, 2])
def test_an_unknown_coefficient_is_drawn_as_fitted_without_errors(ndim, name):
    arrays = saved.make_arrays(ndim, has_truth=False)
    figure = coefficient.draw(arrays, name)
    images_of = [image for ax in figure.axes for image in ax.images]
    lines = [line for ax in figure.axes for line in ax.lines]
    if name == "rate":
        (beside,) = figure.axes[0].child_axes
        texts = [text.get_text() for text in beside.get_yticklabels()]
        assert texts == ["2.10", "2.20", "2.40"] and beside.get_ylabel() == "value"
    elif ndim == 1:
        assert len(figure.axes) == 1 and len(lines) == 3
    else:
        assert len(images_of) == 3
    labels = [text.get_text() for legend in figure.legends for text in legend.texts]
    assert "truth" not in " ".join(labels)


@pytest.mark.parametrize(
    "splits, titles",
    [
        (["train", "val", "test"], ["training simulations", "test simulations"]),
        (["train", "val"], ["training simulations", "validation simulations"]),
        (["test"], ["test simulations"]),
    ],
    ids=["test", "validation", "alone"],
)
def test_validation_has_a_panel_only_if_there_is_no_test(splits, titles):
    curve = np.array([0.0, 0.1, 0.2])
    arrays = {f"nrmse/{split}/physical_alone": curve for split in splits}
    figure = curves.nrmse({"times": np.arange(3.0), **arrays})
    assert [ax.get_title() for ax in figure.axes] == titles


def test_a_curve_goes_on_over_times_at_which_nothing_was_observed():
    curve = np.array([0.01, np.nan, 0.03, np.nan])
    arrays = {"times": np.arange(4.0), "nrmse/test/physical_alone": curve}
    figure = curves.nrmse(arrays)
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xydata(), [[0, 0.01], [2, 0.03]])
    assert figure.legends[0].get_texts()[0].get_text() == "physical alone"


@pytest.mark.parametrize(
    "is_observed, frames",
    [
        ([1, 1, 1, 1, 1, 1, 1], [2, 4, 6]),
        ([1, 0, 0, 1, 0, 1, 0], [3, 5]),
        ([1, 0, 0, 0, 0, 0, 0], [0]),
        ([0, 0, 0, 0, 0, 0, 0], [2, 4, 6]),
    ],
    ids=["all", "some", "the first", "none"],
)
def test_snapshots_are_of_times_that_were_observed(is_observed, frames):
    assert rollouts.snapshot_frames(np.array(is_observed, bool)) == frames


@pytest.mark.parametrize(
    "fields, low, high",
    [
        ({"truth": [1.0, 2.0], "physical_alone": [0.0, 9.0]}, 1, 2),
        ({"observed": [1.0, np.nan], "physical_alone": [0.0, 9.0]}, 0.7, 1.3),
        ({"observed": [1.0, 2.0], "physical_alone": [0.5, 2.5]}, 0.5, 2.5),
        ({"observed": [1.0, 2.0], "physical_alone": [-1e9, 1e9]}, 0, 3),
        ({"observed": [np.nan, np.nan], "physical_alone": [0.5, 9.0]}, 0.5, 9),
        ({"initial_guess": [0.0, 1e9], "physical_alone": [0.5, 9.0]}, 0.5, 9),
    ],
    ids=["truth", "lone", "observed", "diverged", "unobserved", "fitted"],
)
def test_the_range_is_that_of_the_reference_which_models_widen_a_little(
    fields, low, high
):
    fields = {name: np.array(values) for name, values in fields.items()}
    values = style.comparable(fields)
    # A lone value has a range of a tenth of it to either side.
    assert (np.nanmin(values), np.nanmax(values)) == pytest.approx((low, high))

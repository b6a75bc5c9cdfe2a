import matplotlib
import numpy as np
import pytest
from PIL import Image

from hyco_jax.scoring import plots
from hyco_jax.scoring.plots import animation, curves
from tests.scoring import saved

COEFFICIENTS = [
    "coefficient_rate.png",
    "coefficient_growth.png",
    "coefficient_wind.png",
]
FIELDS = ["fields_density.png", "fields_velocity.png"]
PNG = [*COEFFICIENTS, *FIELDS, "nrmse.png", "history.png"]

pytestmark = pytest.mark.usefixtures("coarse_pictures")


@pytest.mark.parametrize(
    "ndim, methods, stages, expected",
    [
        (1, saved.ALL, ("physical", "synthetic", "hybrid"), PNG),
        (1, ["synthetic_alone"], ("synthetic",), PNG[3:]),
        (2, saved.ALL[:2], ("physical",), PNG),
        (3, ["synthetic_alone"], ("synthetic",), PNG[3:]),
    ],
    ids=["hybrid-1D", "synthetic-1D", "physical-2D", "synthetic-3D"],
)
def test_every_figure_with_data_is_written(tmp_path, ndim, methods, stages, expected):
    arrays = plots.middle_plane(saved.make_arrays(ndim, methods))
    written = plots.draw_all(arrays, saved.make_history(stages), tmp_path / "figures")
    assert [path.name for path in written] == [*expected, "rollout.gif"]
    for path in written:
        with Image.open(path) as picture:
            assert np.ptp(np.asarray(picture.convert("L"))) > 100


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("diverged", [[], ["physical_alone"]], ids=["finite", "bad"])
@pytest.mark.usefixtures("no_warnings")
def test_every_figure_is_written_without_a_truth_too(tmp_path, ndim, diverged):
    methods = ["initial_guess", "physical_alone"]
    arrays = saved.make_arrays(ndim, methods, diverged=diverged, has_truth=False)
    history = saved.make_history(("physical",), names=())
    written = plots.draw_all(plots.middle_plane(arrays), history, tmp_path)
    assert [path.name for path in written] == [*PNG, "rollout.gif"]


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.usefixtures("no_warnings")
def test_a_method_that_diverged_is_named_and_breaks_nothing(tmp_path, ndim):
    methods = ["physical_alone", "hybrid_physical"]
    arrays = saved.make_arrays(ndim, methods, diverged=methods[:1])
    arrays["nrmse/val/physical_alone"][2] = 1e30
    arrays["rollout/physical_alone"][2] *= np.float32(1e30)
    history = saved.make_history()
    history[1]["physical/loss_real"] = float("nan")
    history[2]["physical/rate_error"] = None
    assert len(plots.draw_all(arrays, history, tmp_path)) == 8
    figure = curves.nrmse(arrays)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "physical alone (diverged)" in names and "hybrid physical" in names
    assert figure.axes[1].get_ylim()[1] < 100


def test_an_open_npz_file_will_do(tmp_path):
    np.savez(tmp_path / "arrays.npz", **saved.make_arrays(3, ["synthetic_alone"], 2))
    with np.load(tmp_path / "arrays.npz") as arrays:
        assert len(plots.draw_all(plots.middle_plane(arrays), [], tmp_path)) == 4


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    plots.draw_all(saved.make_arrays(1, ["synthetic_alone"], 2), [], tmp_path)
    assert dict(matplotlib.rcParams) == before


def test_the_middle_plane_of_a_box_keeps_all_components_and_what_has_no_axes():
    arrays = saved.make_arrays(3, ["physical_alone"])
    plane = plots.middle_plane(arrays)
    assert plane.keys() == arrays.keys()
    # Five cells along z, so that the middle one has index 2.
    for name, expected in {
        "coordinates": arrays["coordinates"][:, :, 2, :2],
        "extent": [12, 8],
        "observed": arrays["observed"][:, :, 2],
        "rollout/truth": arrays["rollout/truth"][:, :, :, 2, :],
        "coefficient/growth/truth": arrays["coefficient/growth/truth"][:, :, 2],
        "coefficient/wind/physical_alone": (
            arrays["coefficient/wind/physical_alone"][:, :, 2, :]
        ),
    }.items():
        np.testing.assert_array_equal(plane[name], expected)
    for name in ("coefficient/rate/truth", "times", "nrmse/val/physical_alone", "dt"):
        np.testing.assert_array_equal(plane[name], arrays[name])
    for ndim in (1, 2):
        arrays = saved.make_arrays(ndim, [])
        assert plots.middle_plane(arrays) is arrays


@pytest.mark.parametrize("num_times, expected", [(6, 6), (101, animation.MAX_FRAMES)])
def test_the_gif_has_a_frame_per_time_up_to_the_most(tmp_path, num_times, expected):
    arrays = saved.make_arrays(1, ["physical_alone"], num_times)
    animation.save(arrays, "velocity", tmp_path / "rollout.gif")
    with Image.open(tmp_path / "rollout.gif") as gif:
        assert gif.n_frames == expected
    frames = animation.frame_indices(num_times)
    assert frames[0] == 0 and frames[-1] == num_times - 1 and len(frames) == expected


@pytest.mark.usefixtures("no_warnings")
def test_a_lone_time_gives_a_still(tmp_path):
    arrays = saved.make_arrays(1, ["synthetic_alone"], num_times=1)
    assert len(plots.draw_all(arrays, [], tmp_path)) == 4


@pytest.mark.parametrize(
    "change, message",
    [
        ({"times": None}, r"lack \['times'\]"),
        ({"quantities": None}, r"lack \['quantities'\]"),
        (
            {"coordinates": np.zeros((2, 2, 2, 3))},
            "3 axes.*expected 1 or 2.*middle_plane",
        ),
        ({"components": np.array([1])}, "as many components as quantities"),
        ({"components": np.array([2, 2])}, "3 channels, expected at least 4"),
    ],
    ids=["no times", "no quantities", "three axes", "components", "channels"],
)
def test_arrays_that_cannot_be_drawn_are_errors_that_say_so(tmp_path, change, message):
    arrays = {**saved.make_arrays(1, ["physical_alone"]), **change}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(ValueError, match=message):
        plots.draw_all(arrays, [], tmp_path)

import dataclasses

import numpy as np
import pytest

import hyco_jax
from hyco_jax.data import initial_states, storage
from hyco_jax.data.observations import Truth
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from tests.data.test_tables import assert_same, make_table

DOMAIN, DT = Domain((8,), (1.0,), periodic=False), 0.5


def make_data(**changes):
    table = make_table()
    table["u"][3] = np.nan
    ways = {"coords": ("x", "t"), "sim": "run", "sensor": "id"} | changes
    return hyco_jax.from_points(table, values=("u", "v"), test=["b"], **ways)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.npz"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sigma": {"u": "err", "v": 0.5}, "hold_out": 0.4, "units": {"u": "°C"}},
        {"sensor": None, "initial": np.arange(32.0).reshape(2, 8, 2)},
    ],
    ids=["plain", "sigma", "initial"],
)
def test_readings_that_are_saved_are_loaded_bit_by_bit(path, changes):
    data = make_data(**changes)
    storage.save(path, data, DOMAIN, DT)
    loaded = storage.load(path, DOMAIN, DT)
    assert_same(loaded.observed, data.observed)
    np.testing.assert_array_equal(loaded.initial, data.initial)
    for name in ("train", "val", "test", "truth", "sigma", "notes"):
        assert getattr(loaded, name) == getattr(data, name)
    assert str(loaded) == str(data)


def test_a_function_of_position_is_stored_as_its_values_at_the_cell_centres(path):
    def start(x):
        return np.concatenate([np.sin(x), np.cos(x)], axis=-1)

    data = make_data(initial=start)
    storage.save(path, data, DOMAIN, DT)
    loaded = storage.load(path, DOMAIN, DT)
    centres = (np.arange(8) + 0.5) / 8
    expected = np.stack([np.sin(centres), np.cos(centres)], axis=-1)
    assert loaded.initial.shape == (2, 8, 2)
    np.testing.assert_array_equal(loaded.initial, np.float32([expected] * 2))
    # What a fit makes of either is the same.
    quantities = (Quantity("u"), Quantity("v"))
    states = [
        initial_states.make_u0(d.initial, d.observed, DOMAIN, DT, quantities)
        for d in (data, loaded)
    ]
    np.testing.assert_array_equal(*states)


def test_a_function_of_the_wrong_shape_is_refused(path):
    with pytest.raises(ValueError, match=r"gives shape \(8,\) .* expected \(8,\) and"):
        storage.save(path, make_data(initial=lambda x: x[..., 0]), DOMAIN, DT)
    assert not path.exists()


def test_a_truth_is_stored_beside_readings(path):
    truth = Truth(np.ones((2, 4, 8, 2), np.float32), {"rate": np.array(0.3)})
    data = dataclasses.replace(make_data(), truth=truth)
    storage.save(path, data, DOMAIN, DT)
    loaded = storage.load(path, DOMAIN, DT)
    np.testing.assert_array_equal(loaded.truth.states, truth.states)
    assert loaded.truth.coefficients == truth.coefficients


def test_sigma_initial_and_notes_of_data_on_the_grid_are_stored(path):
    states = np.ones((2, 3, 8, 1), np.float32)
    data = dataclasses.replace(
        hyco_jax.from_arrays(states), sigma=(0.1,), initial=states[:, 0], notes=("a",)
    )
    storage.save(path, data, DOMAIN, DT)
    loaded = storage.load(path, DOMAIN, DT)
    assert (loaded.sigma, loaded.notes) == (data.sigma, data.notes)
    np.testing.assert_array_equal(loaded.initial, states[:, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readings/time": None}, r"lacks \['readings/time'\]"),
        ({"dt": None}, r"lacks \['dt'\]"),
        ({"dt": np.float64(0.2)}, "holds dt=0.2.*has dt=0.5"),
        ({"readings/time": np.zeros(40, int)}, "'readings/time' of type int64"),
        ({"readings/time": np.zeros(39)}, "shapes .* don't fit each other"),
        ({"readings/time": np.full(40, -1.0)}, "times that are not finite and >= 0"),
        ({"readings/sim": np.full(40, 2)}, "'readings/sim' from 2 to 2, but 2 sims"),
        ({"readings/sensor": np.full(40, -1)}, "from -1 to -1, but 5 sensors"),
        ({"readings/names": np.array(["u"])}, "don't fit each other and 1 names"),
        ({"readings/sims": np.array(["a", "b"], object)}, "not a readable .npz file"),
        ({"initial": np.array([True])}, "'initial' of type bool"),
    ],
)
def test_entries_that_do_not_fit_are_one_line_errors(path, changes, message):
    storage.save(path, make_data(), DOMAIN, DT)
    entries = storage.read_npz(path) | changes
    np.savez(path, **{k: v for k, v in entries.items() if v is not None})
    with pytest.raises(ValueError, match=message) as caught:
        storage.load(path, DOMAIN, DT)
    assert "\n" not in str(caught.value)

import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data import observations, storage
from hyco_jax.data.observations import Observations, Truth
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.types import Trajectories

DOMAIN, DT = Domain((4,), (2.0,)), 0.1
QUANTITIES = (Quantity("u"),)


def make_entries():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2, 3, 4, 1)).astype(np.float32)
    weights = np.ones((1, 3, 4, 1), np.float32)
    weights[:, 1:, :2] = 0
    return {
        "truth": truth,
        "states": np.where(weights > 0, truth, np.float32(np.nan)),
        "weights": weights,
        "dt": np.float64(DT),
        "extent": np.array([2.0]),
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.npz"


def test_what_is_saved_is_loaded_bit_by_bit(path):
    entries = make_entries()
    observed = Trajectories(
        jnp.asarray(entries["states"]), jnp.asarray(entries["weights"])
    )
    truth = Truth(entries["truth"], {"rate": np.array(0.3), "field": np.arange(4.0)})
    saved = Observations(observed, (1,), (), (0,), truth)
    storage.save(path, saved, DOMAIN, DT)
    loaded = storage.load(path, DOMAIN, DT)
    np.testing.assert_array_equal(loaded.truth.states, entries["truth"])
    for name, value in truth.coefficients.items():
        np.testing.assert_array_equal(loaded.truth.coefficients[name], value)
    np.testing.assert_array_equal(loaded.observed.states, entries["states"])
    np.testing.assert_array_equal(loaded.observed.weights, entries["weights"])
    assert loaded.observed.states.dtype == loaded.truth.states.dtype == np.float32
    assert (loaded.train, loaded.val, loaded.test) == ((1,), (), (0,))
    assert [file.name for file in path.parent.iterdir()] == ["data.npz"]


def test_a_truth_may_be_unknown(path):
    entries = make_entries()
    del entries["truth"]
    np.savez(path, **entries)
    loaded = load(path)
    assert loaded.truth is None
    np.testing.assert_array_equal(loaded.reference.states, entries["states"])


def load(path, quantities=QUANTITIES):
    splits = {"train": (0,), "val": (), "test": (1,)}
    loaded = storage.load(path, DOMAIN, DT, splits)
    return observations.check(loaded, DOMAIN, quantities)


def spoil(name, index, value):
    entries = make_entries()
    entries[name][index] = value
    return entries


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"states": np.zeros(3, np.float32)},
            r"lacks \['dt', 'extent', 'weights'\]",
        ),
        (make_entries() | {"dt": np.float64(0.2)}, r"dt=0.2.*has dt=0.1.*agree"),
        (make_entries() | {"dt": np.full(2, DT)}, r"dt=\[0.1, 0.1\].*agree"),
        (make_entries() | {"extent": np.array([1.0])}, r"extent=\[1.0\].*agree"),
        (
            make_entries() | {"states": np.zeros((2, 3, 5, 1), np.float32)},
            r"shape \(2, 3, 5, 1\), expected \(simulations, steps \+ 1, 4, 1",
        ),
        (
            make_entries() | {"states": np.zeros((2, 1, 4, 1), np.float32)},
            r"states have shape \(2, 1, 4, 1\)",
        ),
        (
            make_entries() | {"weights": np.ones((1, 2, 4, 1), np.float32)},
            r"weights have shape \(1, 2, 4, 1\).*doesn't fit",
        ),
        (
            make_entries() | {"weights": np.ones((4, 1), np.float32)},
            r"weights have shape \(4, 1\).*doesn't fit",
        ),
        (
            make_entries() | {"truth": np.zeros((1, 3, 4, 1), np.float32)},
            r"truth has shape \(1, 3, 4, 1\)",
        ),
        (
            make_entries() | {"states": np.zeros((2, 3, 4, 1), int)},
            r"'states' of type int64, expected float32",
        ),
        (make_entries() | {"dt": np.array("fast")}, r"'dt' of type <U4"),
        (spoil("states", (1, 2, 3), np.nan), "1 non-finite observed values"),
        (spoil("states", (0, 0), np.inf), "4 non-finite observed values"),
        (spoil("weights", (0, 1, 3), -1.0), "not finite and >= 0"),
        (spoil("weights", (0, 1, 3), np.nan), "not finite and >= 0"),
    ],
)
def test_entries_that_do_not_fit_are_one_line_errors(path, entries, message):
    np.savez(path, **entries)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_the_state_at_the_start_has_to_be_complete(path):
    entries = make_entries()
    entries["weights"][:, 0, 1] = 0
    entries["states"][:, 0, 1] = np.nan
    np.savez(path, **entries)
    with pytest.raises(ValueError, match="lack values of states at t = 0"):
        load(path)


def write_missing(path):
    del path


def write_text(path):
    path.write_text("u = 1\n")


def write_empty(path):
    path.touch()


def write_truncated(path):
    np.savez(path, **make_entries())
    path.write_bytes(path.read_bytes()[:-100])


def write_flipped(path):
    np.savez_compressed(path, **make_entries())
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        middle = archive.getinfo("truth.npy").header_offset + 120
    content[middle] ^= 0xFF
    path.write_bytes(content)


def write_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def write_objects(path):
    np.savez(path, **make_entries() | {"states": np.array([{}, []], object)})


def write_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_missing, "does not exist; run with"),
        (write_text, "not a readable .npz file"),
        (write_empty, "not a readable .npz file"),
        (write_truncated, "not a readable .npz file"),
        (write_flipped, "not a readable .npz file"),
        (write_array, "it holds a single array"),
        (write_objects, "not a readable .npz file .*allow_pickle"),
        (write_folder, "not a readable .npz file"),
    ],
)
def test_files_that_cannot_be_read_are_one_line_errors(path, write, message):
    write(path)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_static_channels_need_no_weight_but_all_their_values(path):
    entries = make_entries()
    static = np.ones_like(entries["truth"])
    for name in ("truth", "states"):
        entries[name] = np.concatenate([entries[name], static], axis=-1)
    np.savez(path, **entries)
    quantities = (*QUANTITIES, Quantity("inflow", is_static=True))
    weights = load(path, quantities).observed.weights
    np.testing.assert_array_equal(weights[..., :1], entries["weights"])
    np.testing.assert_array_equal(weights[..., 1], 0)
    entries["states"][0, 2, 1, 1] = np.nan
    np.savez(path, **entries)
    with pytest.raises(ValueError, match="1 last channels, which are static"):
        load(path, quantities)


@pytest.mark.parametrize(
    "splits",
    [{"train": ()}, {"train": (0, 2)}, {"train": (0,), "test": (0,)}, {"train": (-1,)}],
    ids=str,
)
def test_splits_are_different_simulations_that_there_are(splits):
    data = observations.from_arrays(make_entries()["truth"], **splits)
    with pytest.raises(
        ValueError, match="have to be different simulations from 0 to 1"
    ):
        observations.check(data, DOMAIN, QUANTITIES)


def test_arrays_are_observed_where_they_are_not_nan():
    states = make_entries()["states"]
    data = observations.from_arrays(states, test=(1,))
    assert (data.train, data.shown) == ((0,), "test")
    weights = np.broadcast_to(data.observed.weights, states.shape)
    np.testing.assert_array_equal(weights, ~np.isnan(states))

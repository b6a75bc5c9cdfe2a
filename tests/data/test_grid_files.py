import sys

import numpy as np
import pytest

import hyco_jax
from hyco_jax.data import observations
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from tests.data import grid_writers as writers

XY = ("sim", "t", "x", "y")


def read(*args, **kwargs):
    """The states that `from_grid` reads."""
    made = hyco_jax.from_grid(*args, **kwargs)
    return np.asarray(made.observed.states)


def write(folder, kind, u):
    """A file or a source of channels u, v of some kind."""
    if kind == "dataset":
        pytest.importorskip("xarray")
        return writers.dataset(u)
    if kind == "arrays":
        return {"u": u[..., 0], "v": u[..., 1], "x": writers.centres(u.shape[2])}
    path = folder / f"data{kind}"
    if kind == ".npz":
        np.savez_compressed(path, u=u[..., 0], v=u[..., 1], t=writers.times(u.shape[1]))
    elif kind == ".nc":
        pytest.importorskip("h5netcdf")
        pytest.importorskip("xarray")
        writers.dataset(u).to_netcdf(path, engine="h5netcdf")
    elif kind == ".zarr":
        pytest.importorskip("zarr")
        pytest.importorskip("xarray")
        writers.dataset(u).to_zarr(path, consolidated=False)
    elif kind == ".h5":
        pytest.importorskip("h5py")
        writers.pdebench_quantities(path, u, ("u", "v"))
    return path


KINDS = ("arrays", "dataset", ".npz", ".nc", ".zarr", ".h5")


@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_round_trips_and_takes_what_is_asked_for(tmp_path, kind):
    u = writers.states(channels=2)
    source = write(tmp_path, kind, u)
    np.testing.assert_array_equal(read(source, ("u", "v")), u)
    np.testing.assert_array_equal(read(source, ("v",)), u[..., 1:])
    part = read(source, ("v", "u"), sims=(2, 0), steps=slice(1, None, 2))
    np.testing.assert_array_equal(part, u[[2, 0], 1::2, ..., ::-1])
    part = read(source, "u", sims=1, steps=[0, 2, 4])
    np.testing.assert_array_equal(part, u[1:2, ::2, ..., :1])


@pytest.mark.parametrize("space", [(5,), (4, 3, 2)])
def test_one_to_three_axes_of_space(space):
    u = writers.states(space=space)
    dims = ("sim", "t", "x", "y", "z")[: 2 + len(space)]
    np.testing.assert_array_equal(read(u[..., 0], dims=dims), u)


def test_axes_are_what_dims_name_them_wherever_they_are():
    u = writers.states(channels=2)
    moved = np.moveaxis(u, (0, 1, 4), (3, 4, 0))  # channel, x, y, sim, t
    dims = ("channel", "x", "y", "sim", "t")
    np.testing.assert_array_equal(read(moved, "u", dims), u)
    turned = read(u.swapaxes(2, 3), "u", ("sim", "t", "y", "x", "channel"))
    np.testing.assert_array_equal(turned, u.swapaxes(2, 3))
    alone = read(u[0], "u", ("t", "x", "y", "channel"))
    np.testing.assert_array_equal(alone, u[:1])


def test_xarray_transposes_by_name_and_maps_names():
    xarray = pytest.importorskip("xarray")
    u = writers.states(channels=2)
    source = writers.dataset(u).transpose("y", "t", "sim", "x")
    np.testing.assert_array_equal(read(source, ("u", "v")), u)
    source = source.rename(t="valid_time", x="lon", sim="member")
    dims = {"sim": "member", "t": "valid_time", "x": "lon", "y": "y"}
    np.testing.assert_array_equal(read(source, ("u", "v"), dims), u)
    source["height"] = xarray.DataArray(u[0, 0, ..., 0].T, dims=("y", "lon"))
    both = read(source, ("u", "height"), dims)
    np.testing.assert_array_equal(both[..., 0], u[..., 0])
    np.testing.assert_array_equal(both[2, 3, ..., 1], u[0, 0, ..., 0])
    np.testing.assert_array_equal(read(source["u"], dims=dims), u[..., :1])


def test_classic_netcdf_is_read_too(tmp_path):
    pytest.importorskip("xarray")
    u = writers.states(channels=2)
    writers.dataset(u).to_netcdf(tmp_path / "u.nc", engine="scipy")
    np.testing.assert_array_equal(read(tmp_path / "u.nc", ("u", "v")), u)


def test_nan_masked_and_fill_values_are_unobserved(tmp_path):
    u = writers.states()[..., 0]
    gaps = np.zeros(u.shape, bool)
    gaps[1, 2:, 1] = True
    holed = np.where(gaps, np.nan, u)
    masked = np.ma.MaskedArray(u, gaps)
    for source in (holed, masked, {"u": masked}):
        made = hyco_jax.from_grid(source)
        np.testing.assert_array_equal(made.observed.weights[..., 0], ~gaps)
    pytest.importorskip("h5netcdf")
    source = writers.dataset(holed[..., None], ("u",))
    encoding = {"u": {"_FillValue": -999, "dtype": "int16", "scale_factor": 1e-3}}
    source.to_netcdf(tmp_path / "u.nc", engine="h5netcdf", encoding=encoding)
    made = hyco_jax.from_grid(tmp_path / "u.nc")
    np.testing.assert_array_equal(made.observed.weights[..., 0], ~gaps)
    states = np.asarray(made.observed.states)[..., 0]
    np.testing.assert_allclose(states[~gaps], u[~gaps], atol=6e-4)


def test_splits_sigma_and_the_initial_state_are_kept():
    u = writers.states(channels=3)
    source = {"a": u[..., :2], "b": u[..., 2:]}
    made = hyco_jax.from_grid(
        source,
        ("a", "b"),
        ("sim", "t", "x", "y", "channel"),
        sigma=(0.1, 2),
        val=(1,),
        initial="interpolated",
    )
    assert made.train == (0, 2) and made.val == (1,) and made.test == ()
    assert made.sigma == (0.1, 0.1, 2.0) and made.initial == "interpolated"
    assert hyco_jax.from_grid(u[..., 0], sigma=3).sigma == (3.0,)
    domain, known = Domain((4, 6), (1, 1)), Quantity("known", is_static=True)
    quantities = (Quantity("a", 2), known)
    observations.check(made, domain, quantities)
    short = hyco_jax.from_grid(source["a"], "a", (*XY, "channel"), sigma=1.0)
    with pytest.raises(ValueError, match="3 predicted channels"):
        wide = hyco_jax.Observations(made.observed, (0,), sigma=short.sigma)
        observations.check(wide, domain, (Quantity("a", 3),))


@pytest.mark.parametrize("bad", [0, -1.0, np.nan, np.inf])
def test_sigma_is_positive(bad):
    with pytest.raises(ValueError, match="expected a finite number above 0"):
        hyco_jax.from_grid(writers.states()[..., 0], sigma=bad)


def refuse(message, *args, **kwargs):
    """Expects an error of one line that says so."""
    with pytest.raises(ValueError, match=message) as caught:
        hyco_jax.from_grid(*args, **kwargs)
    assert "\n" not in str(caught.value)


def test_wrong_requests_are_refused_in_one_line(tmp_path):
    u = writers.states(channels=2)
    both = {"u": u[..., 0], "v": u[..., 1]}
    refuse(r"has no field 'w'; it has \['u', 'v'\]", both, ("w",))
    refuse(r"holds the fields \['u', 'v'\]; choose", both)
    refuse("has 5 axes, shape .*name 4", u)
    refuse("have no 't'", u, dims=("sim", "x"))
    refuse("0 axes of space", u[0, :, 0, 0, 0], dims=("t",))
    refuse("name an axis twice", u, dims=("t", "x", "x"))
    refuse("is one text", u, dims="tx")
    refuse("6 entries along 'y', 'u' has 5", {**both, "u": u[..., :5, 0]}, ("u", "v"))
    refuse("sims=3 are none of its 3", both, "u", sims=3)
    refuse("steps=.* are not two or more, evenly", both, "u", steps=[0, 1, 3])
    refuse("steps=.* are not two or more, evenly", both, "u", steps=[1, 0])
    refuse("steps=.* are not two or more, evenly", both, "u", steps=slice(0, 1))
    refuse("2 entries, expected one number", both, "u", sigma=(1, 2))
    refuse("expected real numbers", u[..., 0] * 1j)
    refuse("is ragged", {"u": [[[1.0]], [[1.0, 2.0]]]})
    refuse(
        "infinite values in simulation 2",
        np.where(u == u[2, 1, 0, 0, 0], np.inf, u)[..., 0],
    )
    refuse("there is no file", tmp_path / "none.nc")
    (tmp_path / "u.txt").touch()
    refuse("of no known kind", tmp_path / "u.txt")
    refuse(
        r"\(4, 6\) cells .* domain has \(4, 4\)",
        both,
        "u",
        domain=Domain((4, 4), (1, 1)),
    )


@pytest.mark.parametrize("suffix", [".nc", ".h5", ".npz", ".zarr"])
def test_unreadable_files_are_refused_in_one_line(tmp_path, suffix):
    for package in ("xarray", "h5netcdf", "h5py", "zarr"):
        pytest.importorskip(package)
    path = tmp_path / f"broken{suffix}"
    path.mkdir() if suffix == ".zarr" else path.write_bytes(b"nothing of the kind")
    refuse("broken.* can't be read", path)


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path, suffix):
    path = write(tmp_path, suffix, writers.states(channels=2))
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for length in rng.integers(0, len(whole), 20):
        damaged = bytearray(whole[:length] if length % 2 else whole)
        for place in rng.integers(0, len(damaged), 10) if damaged else ():
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            hyco_jax.from_grid(path, "u")
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 10


def test_nothing_is_unpickled(tmp_path):
    loads = np.array([[print]], dtype=object)
    np.savez(tmp_path / "u.npz", u=loads)
    refuse("never unpickled", tmp_path / "u.npz", "u")
    refuse("expected real numbers", loads, dims=("t", "x"))
    zarr = pytest.importorskip("zarr")
    numcodecs = pytest.importorskip("numcodecs")
    path = tmp_path / "u.zarr"
    root = zarr.open_group(str(path), mode="w", zarr_format=2)
    root.create_array("u", shape=(2, 2), dtype="f4", filters=[numcodecs.Pickle()])
    refuse("pickle", path, "u", ("t", "x"))


@pytest.mark.parametrize(
    "package, kind",
    [("xarray", ".nc"), ("h5netcdf", ".nc"), ("zarr", ".zarr"), ("h5py", ".h5")],
)
def test_a_missing_package_names_the_extra(tmp_path, monkeypatch, package, kind):
    path = write(tmp_path, kind, writers.states(channels=2))
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"needs {package}, .*pip install 'hyco_jax\[data\]'"
    with pytest.raises(ImportError, match=message):
        hyco_jax.from_grid(path, "u")


def test_plain_zarr_is_read_by_dims(tmp_path):
    zarr = pytest.importorskip("zarr")
    u = writers.states(channels=2)
    root = zarr.open_group(str(tmp_path / "u.zarr"), mode="w")
    root["u"], root["x"] = u, writers.centres(4)
    dims = (*XY, "channel")
    np.testing.assert_array_equal(read(tmp_path / "u.zarr", dims=dims), u)
    zarr.save_array(str(tmp_path / "alone.zarr"), u[..., 0])
    np.testing.assert_array_equal(read(tmp_path / "alone.zarr"), u[..., :1])


HUGE = (10**5, 10**6, 64)  # 26 TB.


@pytest.mark.parametrize("kind", [".h5", ".nc", ".zarr"])
def test_a_huge_file_is_read_where_it_is_asked_for(tmp_path, kind):
    path, chunks, block = tmp_path / f"huge{kind}", (1, 10, 64), np.ones((2, 6, 64))
    if kind == ".zarr":
        zarr = pytest.importorskip("zarr")
        root = zarr.open_group(str(path), mode="w")
        names = ("sim", "t", "x")
        array = root.create_array(
            "u", shape=HUGE, chunks=chunks, dtype="f4", dimension_names=names
        )
        array[7:9, 500:506] = block
    elif kind == ".h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            array = file.create_dataset("u", HUGE, "f4", chunks=chunks)
            array[7:9, 500:506] = block
    else:
        pytest.importorskip("xarray")
        h5netcdf = pytest.importorskip("h5netcdf")
        with h5netcdf.File(path, "w") as file:
            file.dimensions = dict(zip(("sim", "t", "x"), HUGE, strict=True))
            array = file.create_variable("u", ("sim", "t", "x"), "f4", chunks=chunks)
            array[7:9, 500:506] = block
    dims = ("sim", "t", "x")
    states = read(path, "u", dims, sims=(8, 7), steps=slice(500, 506))
    np.testing.assert_array_equal(states, np.ones((2, 6, 64, 1)))


def test_a_member_of_an_archive_is_read_only_if_it_is_asked_for(tmp_path, monkeypatch):
    path = write(tmp_path, ".npz", writers.states(channels=2))
    loaded, original = [], np.lib.npyio.NpzFile.__getitem__

    def spy(archive, name):
        loaded.append(name)
        return original(archive, name)

    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", spy)
    hyco_jax.from_grid(path, "v")
    assert "u" not in loaded and loaded.count("v") == 1

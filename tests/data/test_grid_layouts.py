import dataclasses

import numpy as np
import pytest

import hyco_jax
from hyco_jax.grids.domain import Domain
from tests.data import grid_writers as writers
from tests.data.test_grid_files import read, refuse

XY = ("sim", "t", "x", "y")
BOX = Domain((4, 6), (4 * writers.DX, 6 * writers.DX))
WALLED = dataclasses.replace(BOX, periodic=False)


@pytest.fixture(autouse=True)
def _needs_h5py():
    pytest.importorskip("h5py")


def test_pdebench_tensor(tmp_path):
    path, u = tmp_path / "1D_Burgers.hdf5", writers.states(space=(7,))
    writers.pdebench_tensor(path, u)
    dims = ("sim", "t", "x")
    np.testing.assert_array_equal(read(path, dims=dims), u)
    np.testing.assert_array_equal(read(path, "tensor", dims, sims=[1]), u[1:2])
    facts = hyco_jax.grid_of(path, dims, periodic=True)
    assert facts.domain == Domain((7,), (7 * writers.DX,))
    assert facts.dt == writers.DT and facts.origin == (0, 0)
    refuse("has 3 axes, shape", path)


def test_pdebench_quantities(tmp_path):
    path, u = tmp_path / "2D_CFD.hdf5", writers.states(channels=2)
    writers.pdebench_quantities(path, u)
    np.testing.assert_array_equal(read(path, ("Vx", "density")), u[..., ::-1])
    facts = hyco_jax.grid_of(path, steps=slice(2, None, 2), periodic=False)
    assert facts.domain == WALLED and facts.dt == 2 * writers.DT
    assert facts.origin == (-1, -1, 2 * writers.DT)
    refuse(r"has no field 'Vy'; it has \['Vx', 'density'\]", path, "Vy")


def test_pdebench_seeds(tmp_path):
    path, u = tmp_path / "2D_diff-react.h5", writers.states(channels=2)
    writers.pdebench_seeds(path, u)
    dims = (*XY, "channel")
    np.testing.assert_array_equal(read(path, dims=dims), u)
    part = read(path, "data", dims, sims=[2, 1], steps=slice(3))
    np.testing.assert_array_equal(part, u[[2, 1], :3])
    assert hyco_jax.grid_of(path, dims, periodic=False).domain == WALLED
    refuse("data has 4 axes, .* name 3 beside 'sim'", path)
    refuse("lack 'sim'", path, dims=dims[1:])


def test_seeds_that_differ_in_length_are_ragged(tmp_path):
    import h5py

    path, u = tmp_path / "2D_rdb.h5", writers.states()
    writers.pdebench_seeds(path, u)
    with h5py.File(path, "a") as file:
        del file["0001/data"]
        file["0001/data"] = u[1, :3]
    message = "ragged simulations: /0000/data has shape .*, /0001/data has"
    refuse(message, path, dims=(*XY, "channel"))


def test_pdebench_incompressible(tmp_path):
    path, u = tmp_path / "ns_incom.h5", writers.states(channels=2)
    writers.pdebench_incompressible(path, u)
    dims = (*XY, "channel")
    both = read(path, ("velocity", "particles"), dims)
    np.testing.assert_array_equal(both, np.concatenate([u, u[..., :1]], axis=-1))


@pytest.fixture
def well(tmp_path):
    """A file of The Well and what is in it."""
    u = writers.states(channels=3)
    speed = u[:, 0, :, 0, 0]
    path = tmp_path / "tiny.hdf5"
    writers.the_well(path, u[..., 0], u[..., 1:], speed)
    return path, u, speed


def test_the_well_knows_its_axes_and_components(well):
    path, u, speed = well
    states = read(path, ("density", "velocity", "speed", "stress"))
    np.testing.assert_array_equal(states[..., :3], u)
    constant = np.broadcast_to(speed[:, None, :, None], u.shape[:-1])
    np.testing.assert_array_equal(states[..., 3], constant)
    tensor = u[..., 1:, None] * u[..., None, 1:]
    np.testing.assert_array_equal(states[..., 4:], tensor.reshape(*u.shape[:-1], 4))
    part = read(path, "velocity", sims=2, steps=slice(1, 4))
    np.testing.assert_array_equal(part, u[2:, 1:4, ..., 1:])
    facts = hyco_jax.grid_of(path)
    assert facts.domain == BOX and facts.dt == writers.DT
    hyco_jax.from_grid(path, "density", domain=BOX)
    refuse("says that periodic=True", path, "density", domain=WALLED)
    refuse(r"axes of space \('x', 'y'\)", path, "density", ("sim", "t", "y", "x"))
    refuse("no field 'energy'; it has .*'density', 'speed', 'velocity'", path, "energy")
    with pytest.raises(ValueError, match="periodic=False was given; leave it out"):
        hyco_jax.grid_of(path, periodic=False)


@pytest.mark.parametrize(
    "edges, expected",
    [(("wall", "open"), WALLED), (("periodic", "wall"), None)],
)
def test_the_wells_walls(tmp_path, edges, expected):
    u = writers.states(channels=3)
    path = tmp_path / "tiny.hdf5"
    writers.the_well(path, u[..., 0], u[..., 1:], u[:, 0, :, 0, 0], edges)
    if expected:
        assert hyco_jax.grid_of(path).domain == expected
        return
    with pytest.raises(ValueError, match="doesn't say whether the box is periodic"):
        hyco_jax.grid_of(path)
    assert hyco_jax.grid_of(path, periodic=False).domain == WALLED


def test_coordinates_have_to_be_uniform_rise_and_fit():
    u = writers.states()[..., 0]
    x, t = writers.centres(4), writers.times(5)
    hyco_jax.from_grid({"u": u, "x": x.astype(np.float32) + 100, "t": t})
    bent = x + np.array([0, 0, 0.01, 0])
    message = "'x' are not uniform: entry 2 is 0.635, expected 0.625"
    refuse(message, {"u": u, "x": bent})
    refuse("rise; sort", {"u": u, "x": x[::-1]})
    refuse("4 coordinates for 5", {"u": u, "t": t[:-1]})
    late = np.append(t[:-1], 99.0)
    refuse("'t' are not uniform", {"u": u, "t": late})
    hyco_jax.from_grid({"u": u, "t": late}, steps=slice(4))
    own = np.stack([t, t, 2 * t])
    refuse("differ by simulation: .*at distance 0.5, .*at 1", {"u": u, "t": own})
    hyco_jax.from_grid({"u": u, "t": own}, sims=(0, 1))
    refuse("expected numbers or dates", {"u": u, "t": list("abcde")})
    hyco_jax.from_grid({"u": u, "x": x}, domain=BOX)
    refuse("correct its extent", {"u": u, "x": x}, domain=Domain((4, 6), (2, 2)))


def test_the_grid_of_arrays_and_of_xarray():
    u = writers.states(channels=2)
    arrays = {"u": u[..., 0], "x": writers.centres(4, -2.0), "t": writers.times(5)}
    with pytest.raises(ValueError, match="no two coordinates of 'y'"):
        hyco_jax.grid_of(arrays, periodic=True)
    arrays["y"] = writers.centres(6, 1.0)
    facts = hyco_jax.grid_of(arrays, periodic=True)
    assert facts.domain == BOX and facts.origin == (-2, 1, 0)
    pytest.importorskip("xarray")
    source = writers.dataset(u)
    assert hyco_jax.grid_of(source, periodic=True).units == ("", "", "days")
    hours = np.datetime64("2024-02-28") + np.arange(5) * np.timedelta64(3, "h")
    facts = hyco_jax.grid_of(source.assign_coords(t=hours), periodic=True)
    assert facts.dt == 3 * 3600 and facts.units[-1] == "s"

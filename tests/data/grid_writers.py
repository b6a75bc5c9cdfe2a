"""Writes tiny files of each layout that `from_grid` reads."""

import numpy as np

# Written as PDEBench's scripts and The Well's specification have them.
DX, DT = 0.25, 0.5


def states(sims=3, times=5, space=(4, 6), channels=1, seed=0):
    """Shape `(N, T + 1, *S, C)`, float32, different everywhere."""
    shape = (sims, times, *space, channels)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def centres(count, lower=0.0):
    """Cell centres of an axis."""
    return lower + (np.arange(count) + 0.5) * DX


def times(count):
    """From 0 on."""
    return np.arange(count) * DT


def dataset(u, names=("u", "v")):
    """An `xarray.Dataset` of channels `names` and of dims sim, t, x, y."""
    import xarray

    axes = ("x", "y", "z")[: u.ndim - 3]
    coords = {axis: centres(n) for axis, n in zip(axes, u.shape[2:], strict=False)}
    coords["t"] = ("t", times(u.shape[1]), {"units": "days"})
    dims = ("sim", "t", *axes)
    fields = {name: (dims, u[..., c]) for c, name in enumerate(names)}
    return xarray.Dataset(fields, coords)


def pdebench_tensor(path, u):
    """As for Burgers: `tensor` (N, T + 1, X), one more time than data."""
    import h5py

    with h5py.File(path, "w") as file:
        file["tensor"] = u[..., 0]
        file["x-coordinate"] = centres(u.shape[2]).astype(np.float32)
        file["t-coordinate"] = times(u.shape[1] + 1).astype(np.float32)
        file.attrs["Nu"] = 0.1


def pdebench_quantities(path, u, names=("density", "Vx")):
    """As for compressible flow: one data set (N, T + 1, X, Y) a quantity."""
    import h5py

    with h5py.File(path, "w") as file:
        for c, name in enumerate(names):
            file[name] = u[..., c]
        for axis, count in zip("xy", u.shape[2:-1], strict=True):
            file[f"{axis}-coordinate"] = centres(count, -1.0)
        file["t-coordinate"] = times(u.shape[1] + 1)


def pdebench_seeds(path, u):
    """As for diffusion-reaction: a group a simulation, data (T + 1, X, Y, C)."""
    import h5py

    with h5py.File(path, "w") as file:
        for sim, data in enumerate(u):
            options = {"dtype": "f", "compression": "lzf"}
            file.create_dataset(f"{sim:04}/data", data=data, **options)
            for axis, count in zip("xy", data.shape[1:-1], strict=True):
                file[f"{sim:04}/grid/{axis}"] = centres(count).astype(np.float32)
            file[f"{sim:04}/grid/t"] = times(len(data)).astype(np.float32)
            file[str(f"{sim:04}")].attrs["config"] = "sim: diff-react"


def pdebench_incompressible(path, velocity):
    """As for incompressible flow: components last, times of each simulation."""
    import h5py

    with h5py.File(path, "w") as file:
        file["velocity"] = velocity
        file["particles"] = velocity[..., :1]
        file["force"] = velocity[:, 0]
        file["t"] = np.tile(times(velocity.shape[1]), (len(velocity), 1))
        file.attrs["config"] = "sim_name: ns_sim_2d"


def the_well(path, scalar, vector, speed, edges=("periodic", "periodic")):
    """Density, velocity, and a speed of sound that is constant in time and along y."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["dataset_name"] = "tiny"
        file.attrs["grid_type"] = "cartesian"
        file.attrs["n_spatial_dims"] = 2
        file.attrs["n_trajectories"] = len(scalar)
        file.attrs["simulation_parameters"] = []
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        dimensions["time"] = times(scalar.shape[1]).astype(np.float32)
        dimensions["time"].attrs["sample_varying"] = False
        for axis, count in zip("xy", scalar.shape[2:], strict=True):
            dimensions[axis] = centres(count).astype(np.float32)
            dimensions[axis].attrs["sample_varying"] = False
            dimensions[axis].attrs["time_varying"] = False
        for axis, kind, count in zip("xy", edges, scalar.shape[2:], strict=True):
            edge = file.create_group(f"boundary_conditions/{axis}_boundary")
            edge.attrs["associated_dims"] = [axis]
            edge.attrs["associated_fields"] = []
            edge.attrs["bc_type"] = kind
            edge.attrs["sample_varying"] = edge.attrs["time_varying"] = False
            edge["mask"] = np.isin(np.arange(count), (0, count - 1))
        file.create_group("scalars").attrs["field_names"] = []
        for order in range(3):
            file.create_group(f"t{order}_fields").attrs["field_names"] = []
        _put(file["t0_fields"], "density", scalar, True, True, (True, True))
        _put(file["t0_fields"], "speed", speed, True, False, (True, False))
        _put(file["t1_fields"], "velocity", vector, True, True, (True, True))
        tensor = vector[..., :, None] * vector[..., None, :]
        _put(file["t2_fields"], "stress", tensor, True, True, (True, True))


def _put(group, name, values, sample_varying, time_varying, dim_varying):
    group[name] = values
    group[name].attrs["sample_varying"] = sample_varying
    group[name].attrs["time_varying"] = time_varying
    group[name].attrs["dim_varying"] = dim_varying
    group.attrs["field_names"] = [*group.attrs["field_names"], name]

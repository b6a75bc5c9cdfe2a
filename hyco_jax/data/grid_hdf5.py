"""HDF5 as The Well and PDEBench lay it out, and plain data sets."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from hyco_jax.data import grid_axes
from hyco_jax.data.grid_axes import Source

_WELL_GROUPS = ("t0_fields", "t1_fields", "t2_fields")


def describe(file: Any, label: str, names: Mapping[str, str]) -> Source:
    """Finds what an open `h5py.File` holds.

    The Well names its axes, here "sim", "t", those of `spatial_dims`, and "channel" for
    components of vectors and tensors; fields that are constant along an axis lack it.
    PDEBench stores either `tensor` or one data set a quantity, with `x-coordinate` and
    the like beside it, of which `t-coordinate` may be one longer than the data; or a
    group a simulation, `0000/data` with `0000/grid/x` and the like, where `dims` name
    "sim" and the axes of `data`. Other files are read as data sets at the top, with the
    coordinates in data sets that have an axis's name.

    Args:
        file: Open for reading, and kept open while the result is used.
        label: For messages.
        names: What the axes are, with their names in the file.

    Raises:
        ValueError: If simulations are ragged, or The Well has other axes of space.
    """
    if "dimensions" in file and any(group in file for group in _WELL_GROUPS):
        return _describe_the_well(file, label, names)
    groups = [file[key] for key in sorted(file) if "data" in _members(file[key])]
    if groups:
        return _describe_seeds(groups, label, names)
    return _describe_flat(file, label, names)


def _members(item):
    return item if hasattr(item, "keys") else ()


def _describe_the_well(file, label, names):
    dimensions = file["dimensions"]
    space = tuple(_text(name) for name in dimensions.attrs["spatial_dims"])
    if grid_axes.space(names.values()) != space:
        raise ValueError(
            f"{label} has the axes of space {space}, but dims={tuple(names)}; give "
            f"dims={('sim', 't', *space)}"
        )
    fields, axes = {}, {}
    for group in filter(file.__contains__, _WELL_GROUPS):
        for name in file[group]:
            array = file[group][name]
            varying = array.attrs["dim_varying"]
            own = ["sim"] if array.attrs["sample_varying"] else []
            own += ["t"] if array.attrs["time_varying"] else []
            own += [axis for axis, is_in in zip(space, varying, strict=True) if is_in]
            own += ["channel"] * (len(array.shape) - len(own))
            fields[name], axes[name] = array, tuple(own)
    coordinates = {name: dimensions[name] for name in space}
    coordinates[names["t"]] = dimensions["time"]
    periodic = [_is_periodic(file, axis) for axis in space]
    agree = periodic[0] if len(set(periodic)) == 1 else None
    return Source(label, fields, coordinates, axes, {}, agree)


def _is_periodic(file, axis):
    """Whether all that is said of an axis is that; None if nothing is said."""
    types = {
        _text(edge.attrs["bc_type"]).lower() == "periodic"
        for edge in file.get("boundary_conditions", {}).values()
        if axis in [_text(name) for name in edge.attrs["associated_dims"]]
    }
    return types.pop() if len(types) == 1 else None


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclasses.dataclass(frozen=True)
class _Stacked:
    """Data sets of one shape, as if they were one with simulations first."""

    parts: tuple[Any, ...]

    @property
    def shape(self):
        return (len(self.parts), *self.parts[0].shape)

    @property
    def dtype(self):
        return self.parts[0].dtype

    def __getitem__(self, key):
        return self.parts[key[0]][key[1:]]


def _describe_seeds(groups, label, names):
    first = groups[0]["data"]
    for group in groups:
        if group["data"].shape != first.shape:
            raise ValueError(
                f"{label} has ragged simulations: {first.name} has shape {first.shape},"
                f" {group['data'].name} has {group['data'].shape}; cut them to one"
            )
    own = ("sim", *(theirs for ours, theirs in names.items() if ours != "sim"))
    if len(own) != first.ndim + 1:
        raise ValueError(
            f"{label}: {first.name} has {first.ndim} axes, shape {first.shape}, dims="
            f"{tuple(names)} name {len(own) - 1} beside 'sim'; name each, that of "
            "several components 'channel'"
        )
    grids = [group.get("grid", {}) for group in groups]
    coordinates = {
        name: _Stacked(tuple(grid[name] for grid in grids))
        for name in names.values()
        if all(name in grid for grid in grids)
    }
    data = _Stacked(tuple(group["data"] for group in groups))
    return Source(label, {"data": data}, coordinates, {"data": own})


def _describe_flat(file, label, names):
    arrays = {name: item for name, item in file.items() if hasattr(item, "shape")}
    coordinates = {}
    for name in names.values():
        for key in (name, f"{name}-coordinate"):
            if key in arrays:
                coordinates[name] = arrays[key]
    fields = {
        name: array
        for name, array in arrays.items()
        if name not in coordinates and not name.endswith("-coordinate")
    }
    if "t-coordinate" in arrays:
        times = arrays["t-coordinate"][:]
        counts = [array.shape[1] for array in fields.values() if len(array.shape) > 2]
        if len(times) - 1 in counts:
            times = times[:-1]
        coordinates[names["t"]] = times
    return Source(label, fields, coordinates)

"""Opens what data on a grid come in: arrays, xarray, netCDF, Zarr, HDF5, .npz."""

import contextlib
import dataclasses
import importlib
import os
import pathlib
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hyco_jax.data import grid_hdf5
from hyco_jax.data.grid_axes import Source

_NETCDF, _HDF5 = (".nc", ".nc4", ".cdf"), (".h5", ".hdf5", ".he5")

# What the libraries raise at files that are damaged, found by damaging some.
_FAULTS = (OSError, EOFError, KeyError, RuntimeError, TypeError, IndexError)
_FAULTS += (zipfile.BadZipFile, zlib.error, struct.error, MemoryError, OverflowError)


@contextlib.contextmanager
def open_source(
    source: Any, fields: Sequence[str] | str | None, names: Mapping[str, str]
) -> Iterator[Source]:
    """Opens a source for as long as it is read.

    Args:
        source: An array, a mapping of arrays, an `xarray.Dataset`, or a path.
        fields: That are asked for; one array takes the name from here.
        names: What the axes are, with their names in the source.

    Raises:
        ValueError: If a path doesn't exist, or the file can't be read.
        ImportError: If a package is missing, with the extra that has it.
    """
    if isinstance(source, str | os.PathLike):
        path = pathlib.Path(source)
        if not path.exists():
            raise ValueError(f"there is no file {path}; correct the path")
        try:
            with _open_path(path, names) as opened:
                yield opened
        except _FAULTS as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{path.name} can't be read: {reason}") from error
        return
    xarray = sys.modules.get("xarray")  # Who has a data set has imported it.
    if xarray and isinstance(source, xarray.DataArray):
        source = source.to_dataset(name=_name(fields))
    if xarray and isinstance(source, xarray.Dataset):
        yield _of_dataset(source, "the data set", names)
    elif isinstance(source, Mapping):
        arrays = {name: _as_array(value, name) for name, value in source.items()}
        yield _of_arrays(arrays, "the mapping", names)
    else:
        name = _name(fields)
        yield Source("the array", {name: _as_array(source, name)}, {})


def _name(fields):
    """What the only array is called."""
    if isinstance(fields, str):
        return fields
    return fields[0] if fields else "array"


def _open_path(path, names):
    if path.suffix in _NETCDF:
        return _open_netcdf(path, names)
    if path.suffix == ".zarr":
        return _open_zarr(path, names)
    if path.suffix in _HDF5:
        return _open_hdf5(path, names)
    if path.suffix == ".npz":
        return _open_npz(path, names)
    raise ValueError(
        f"{path.name} is of no known kind, expected {', '.join(_NETCDF)}, .zarr, "
        f"{', '.join(_HDF5)} or .npz"
    )


def _need(package, what):
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{what} needs {package}, which is not installed; "
            "pip install 'hyco_jax[data]'"
        ) from error


@contextlib.contextmanager
def _open_netcdf(path, names):
    xarray = _need("xarray", "netCDF")
    with path.open("rb") as file:
        is_classic = file.read(3) == b"CDF"
    if not is_classic:
        _need("h5netcdf", "netCDF")
    # The classic format is SciPy's, which JAX brings along.
    engine = "scipy" if is_classic else "h5netcdf"
    # Times stay numbers in the file's unit, which needs no calendar.
    with xarray.open_dataset(path, engine=engine, decode_times=False) as dataset:
        yield _of_dataset(dataset, path.name, names)


@contextlib.contextmanager
def _open_zarr(path, names):
    zarr = _need("zarr", "Zarr")
    try:
        root = zarr.open(str(path), mode="r")
        is_group = isinstance(root, zarr.Group)
        arrays = dict(root.arrays()) if is_group else {path.stem: root}
    except (ValueError, KeyError) as error:
        raise OSError(str(error)) from error
    for name, array in arrays.items():
        codecs = str((array.filters, array.compressors)).lower()
        if "pickle" in codecs:
            raise ValueError(f"{path.name}: {name!r} is pickled, which is never read")
    if not all(map(_names_its_axes, arrays.values())):
        yield _of_arrays(arrays, path.name, names)
        return
    xarray = _need("xarray", "Zarr")
    options = {"chunks": None, "consolidated": False, "decode_times": False}
    with xarray.open_zarr(str(path), **options) as dataset:
        yield _of_dataset(dataset, path.name, names)


def _names_its_axes(array):
    own = getattr(array.metadata, "dimension_names", None)
    return own is not None or "_ARRAY_DIMENSIONS" in array.attrs


@contextlib.contextmanager
def _open_hdf5(path, names):
    with _need("h5py", "HDF5").File(path, "r") as file:
        yield grid_hdf5.describe(file, path.name, names)


@contextlib.contextmanager
def _open_npz(path, names):
    # Opened here: NumPy leaves a file open that it cannot read.
    with open(path, "rb") as opened:
        try:
            archive = np.load(opened, allow_pickle=False)
        except ValueError as error:
            raise OSError("it is no archive of arrays") from error
        yield _of_arrays(_Members(archive), path.name, names)


@dataclasses.dataclass(frozen=True)
class _Members(Mapping):
    """Arrays of an archive, each read when it is asked for."""

    archive: Any

    def __getitem__(self, name):
        try:
            return self.archive[name]
        except ValueError as error:
            raise ValueError(
                f"the array {name!r} holds objects, which are never unpickled; save "
                "numbers"
            ) from error

    def __iter__(self):
        return iter(self.archive.files)

    def __len__(self):
        return len(self.archive.files)


def _as_array(value, name):
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return value
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name!r} is ragged: its rows differ in length; cut them to one"
        ) from error


def _of_arrays(arrays, label, names):
    """A source of arrays whose coordinates are arrays with an axis's name."""
    coordinates = {name: arrays[name] for name in names.values() if name in arrays}
    return Source(label, _Without(arrays, frozenset(coordinates)), coordinates)


@dataclasses.dataclass(frozen=True)
class _Without(Mapping):
    """A mapping without some of its keys, read no sooner than it."""

    mapping: Mapping[str, Any]
    left_out: frozenset[str]

    def __getitem__(self, name):
        return self.mapping[name]

    def __iter__(self):
        return (name for name in self.mapping if name not in self.left_out)

    def __len__(self):
        return len(list(iter(self)))


@dataclasses.dataclass(frozen=True)
class _Variable:
    """A variable of xarray that is read when it is indexed."""

    variable: Any

    @property
    def shape(self):
        return self.variable.shape

    @property
    def dtype(self):
        return self.variable.dtype

    def __getitem__(self, key):
        return self.variable[key].to_numpy()


def _of_dataset(dataset, label, names):
    fields = {str(n): _Variable(v.variable) for n, v in dataset.data_vars.items()}
    axes = {str(n): tuple(map(str, v.dims)) for n, v in dataset.data_vars.items()}
    coordinates = {
        name: _Variable(dataset.variables[name])
        for name in names.values()
        if name in dataset.variables and dataset.variables[name].dims == (name,)
    }
    units = {n: str(dataset.variables[n].attrs.get("units", "")) for n in coordinates}
    return Source(label, fields, coordinates, axes, units)

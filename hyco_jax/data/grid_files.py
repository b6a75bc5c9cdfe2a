"""Observations of data that are on a grid, in memory or in a file."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from hyco_jax.data import grid_axes, observations
from hyco_jax.data.grid_axes import Dims
from hyco_jax.data.grid_coordinates import check_coordinates, find_line, is_date
from hyco_jax.data.grid_sources import open_source
from hyco_jax.data.observations import Initial, Observations
from hyco_jax.grids.domain import Domain

_DIMS = ("sim", "t", "x", "y")


@dataclasses.dataclass(frozen=True)
class GridFacts:
    """What a file says of its grid.

    Attributes:
        domain: Each coordinate of the file is the centre of a cell.
        dt: Time from one step to the next.
        origin: The file's coordinates of the box's lower corner, then of t = 0, as
            `from_points` takes them.
        units: Of the coordinates in that order, "" where the file doesn't say.
    """

    domain: Domain
    dt: float
    origin: tuple[float, ...]
    units: tuple[str, ...]


def from_grid(
    source: Any,
    fields: Sequence[str] | str | None = None,
    dims: Dims = _DIMS,
    *,
    sims: int | slice | Sequence[int] | None = None,
    steps: slice | Sequence[int] | None = None,
    sigma: float | Sequence[float] | None = None,
    train: tuple[int, ...] | None = None,
    val: tuple[int, ...] = (),
    test: tuple[int, ...] = (),
    initial: Initial = "given",
    domain: Domain | None = None,
) -> Observations:
    """Makes observations of data on a uniform grid.

    Nothing is read but the fields, simulations and steps that are asked for, one field
    of one simulation at a time; an array of an .npz file, which is compressed as a
    whole, is read whole. Nothing is unpickled.

    Args:
        source: An array, a mapping of arrays, an `xarray.Dataset`, or the path of a
            netCDF file (.nc), a Zarr folder (.zarr), an HDF5 file (.h5, .hdf5) as
            PDEBench or The Well lay it out or with data sets at its top, or an .npz
            file. A mapping and .npz may hold coordinates, named as their axes are.
        fields: What to read, in the order of the state's channels. May be left out
            where the source holds only one.
        dims: What the axes of every array are, in their order: "sim" (left out where
            there is one simulation), "t", "channel" for the components of a field, and
            any other name for an axis of space. Where the file has other names, a
            mapping from these to the file's: `{"t": "time", "x": "lon"}`. A source that
            knows its axes (xarray, The Well) has to agree; xarray may have them in
            another order, and fields that are constant may lack "sim" or an axis.
        sims: Simulations to read, by index; by default all.
        steps: Steps to read, evenly spaced, the first of which is t = 0; by default
            all.
        sigma: Standard deviation of the data, one number or one for each field.
        train: Simulations to learn from, counted among those that are read; by default
            all that `val` and `test` leave.
        val: Simulations to choose settings by.
        test: Simulations to report.
        initial: See `Observations`.
        domain: The grid that the data have to be on; by default it isn't checked.

    Returns:
        The observations, states `(N, T + 1, *S, C)` float32, of weight 0 where they are
        NaN.

    Raises:
        ValueError: If the source can't be read, has no such field, simulation or step,
            its axes are not those of `dims`, its coordinates are not uniform or don't
            fit `domain`, or a sigma is not positive.
        ImportError: If the source needs a package that is not installed.
    """
    names = grid_axes.parse(dims)
    with open_source(source, fields, names) as opened:
        found, sizes = grid_axes.arrange(opened, fields, names)
        sims = _choose_sims(sims, sizes.get("sim", 1), opened.label)
        steps = _choose_steps(steps, sizes["t"], opened.label)
        check_coordinates(opened, names, sims, steps, sizes, domain)
        shape = (
            len(range(sizes["t"])[steps]),
            *(sizes[axis] for axis in grid_axes.space(names)),
        )
        states = grid_axes.read(opened, found, sims, steps, shape, names)
    counts = [field.num_channels for field in found]
    made = observations.from_arrays(states, train=train, val=val, test=test)
    return dataclasses.replace(made, initial=initial, sigma=_by_channel(sigma, counts))


def grid_of(
    source: Any,
    dims: Dims = _DIMS,
    *,
    steps: slice | None = None,
    periodic: bool | None = None,
) -> GridFacts:
    """Reads from a source's coordinates which grid its data are on.

    Args:
        source: As for `from_grid`; it has to hold coordinates of all axes but "sim"
            and "channel".
        dims: As for `from_grid`.
        steps: That will be read, which change dt and t = 0.
        periodic: Whether the box is, where the source doesn't say: The Well's files
            do, unless their axes differ.

    Returns:
        The grid, and where it is.

    Raises:
        ValueError: If coordinates are missing or not uniform, or nobody says whether
            the box is periodic, or both do and disagree.
        ImportError: If the source needs a package that is not installed.
    """
    names = grid_axes.parse(dims)
    axes = (*grid_axes.space(names), "t")
    with open_source(source, None, names) as opened:
        lines = []
        for role in axes:
            chosen = (steps or slice(None)) if role == "t" else slice(None)
            line = find_line(opened, names[role], None, chosen)
            if line is None:
                raise ValueError(
                    f"{opened.label} has no two coordinates of {names[role]!r}; make "
                    "the Domain and dt yourself"
                )
            lines.append(line)
        units = tuple(_unit(opened, names[role]) for role in axes)
        periodic = _agree(opened, periodic)
    *space, time = lines
    domain = Domain(
        tuple(line.count for line in space),
        tuple(line.count * line.spacing for line in space),
        periodic,
    )
    corner = (line.first - line.spacing / 2 for line in space)
    return GridFacts(domain, time.spacing, (*corner, time.first), units)


def _unit(opened, name):
    return "s" if is_date(opened.coordinates[name]) else opened.units.get(name, "")


def _agree(opened, periodic):
    said = opened.is_periodic
    if said is None and periodic is None:
        raise ValueError(
            f"{opened.label} doesn't say whether the box is periodic; give "
            "periodic=True or periodic=False"
        )
    if None not in (said, periodic) and said != periodic:
        raise ValueError(
            f"{opened.label} says that periodic={said}, but periodic={periodic} was "
            "given; leave it out"
        )
    return said if periodic is None else periodic


def _choose(wanted, count):
    """Indices of those wanted, none where they are not of their count."""
    if wanted is None:
        wanted = slice(None)
    try:
        index = wanted if isinstance(wanted, slice) else np.asarray(wanted)
        return np.atleast_1d(np.arange(count)[index])
    except IndexError:
        return np.array([], int)


def _choose_sims(sims, count, label):
    chosen = _choose(sims, count)
    if chosen.ndim != 1 or not chosen.size:
        raise ValueError(
            f"{label}: sims={sims} are none of its {count} simulations; give indices "
            f"from 0 to {count - 1}"
        )
    return chosen.tolist()


def _choose_steps(steps, count, label):
    chosen = _choose(steps, count)
    strides = np.unique(np.diff(chosen)) if chosen.ndim == 1 else ()
    if len(strides) != 1 or strides[0] < 1:
        raise ValueError(
            f"{label}: steps={steps} of its {count} are not two or more, evenly spaced "
            "and rising; give a slice or such indices"
        )
    return slice(int(chosen[0]), int(chosen[-1]) + 1, int(strides[0]))


def _by_channel(sigma, counts):
    if sigma is None:
        return None
    by_field = [sigma] * len(counts) if np.ndim(sigma) == 0 else list(sigma)
    if len(by_field) != len(counts):
        raise ValueError(
            f"sigma={sigma} has {len(by_field)} entries, expected one number, or one "
            f"for each of the {len(counts)} fields"
        )
    return tuple(
        float(value)
        for value, count in zip(by_field, counts, strict=True)
        for _ in range(count)
    )

"""Coordinates of a file's axes: whether they are uniform, and how far apart."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hyco_jax.data import grid_axes
from hyco_jax.data.grid_axes import Source
from hyco_jax.grids.domain import Domain

# Of a cell: coordinates are stored with few digits.
_TOLERANCE = 1e-3


class Line(NamedTuple):
    """Uniform coordinates.

    Attributes:
        first: The lowest.
        spacing: Between neighbours.
        count: How many.
    """

    first: float
    spacing: float
    count: int


def find_line(
    source: Source, name: str, sims: Sequence[int] | None, steps: slice = slice(None)
) -> Line | None:
    """Reads the coordinates of an axis.

    Args:
        source: That may hold them.
        name: Of the axis in the source.
        sims: That have to agree, None for all.
        steps: To read.

    Returns:
        None where the source has none, or only one.

    Raises:
        ValueError: If they are not numbers or dates, not uniform, don't rise, or the
            simulations differ in their spacing.
    """
    coordinates = source.coordinates.get(name)
    if coordinates is None:
        return None
    where = f"{source.label}: the coordinates of {name!r}"
    if len(coordinates.shape) == 1:
        rows = [coordinates[:]]
    else:
        sims = range(coordinates.shape[0]) if sims is None else sims
        rows = [coordinates[int(sim), :] for sim in sims]
    lines = [_fit(_as_numbers(np.asarray(row)[steps], where), where) for row in rows]
    if None in lines:
        return None
    for line in lines[1:]:
        same = abs(line.spacing - lines[0].spacing) <= _TOLERANCE * lines[0].spacing
        if line.count != lines[0].count or not same:
            raise ValueError(
                f"{where} differ by simulation: {lines[0].count} at distance "
                f"{lines[0].spacing:g}, {line.count} at {line.spacing:g}; choose "
                "simulations that agree"
            )
    return lines[0]


def check_coordinates(
    opened: Source,
    names: Mapping[str, str],
    sims: Sequence[int],
    steps: slice,
    sizes: Mapping[str, int],
    domain: Domain | None,
):
    """Checks that coordinates are uniform, and that the grid is the one expected.

    Args:
        opened: The source.
        names: What the axes are, with their names in the source.
        sims: That are read.
        steps: That are read.
        sizes: Of "sim", "t" and the axes of space.
        domain: The grid expected, if any.

    Raises:
        ValueError: If they are not.
    """
    axes = grid_axes.space(names)
    resolution = tuple(sizes[axis] for axis in axes)
    if domain is not None and resolution != domain.resolution:
        raise ValueError(
            f"{opened.label}: the data have {resolution} cells along {axes}, the "
            f"domain has {domain.resolution}; give the grid of the data"
        )
    if domain is not None and opened.is_periodic not in (None, domain.periodic):
        raise ValueError(
            f"{opened.label} says that periodic={opened.is_periodic}, the domain has "
            f"periodic={domain.periodic}; correct the domain"
        )
    for role in ("t", *axes):
        coordinates = opened.coordinates.get(names[role])
        if coordinates is not None and coordinates.shape[-1] != sizes[role]:
            raise ValueError(
                f"{opened.label}: {names[role]!r} has {coordinates.shape[-1]} "
                f"coordinates for {sizes[role]} entries of the data; correct them"
            )
        line = find_line(
            opened, names[role], sims, steps if role == "t" else slice(None)
        )
        if line is None or domain is None or role == "t":
            continue
        expected = domain.dx[axes.index(role)]
        if not math.isclose(line.spacing, expected, rel_tol=_TOLERANCE):
            raise ValueError(
                f"{opened.label}: {names[role]!r} has cells of {line.spacing:g}, the "
                f"domain of {expected:g}; correct its extent, see grid_of"
            )


def is_date(coordinates) -> bool:
    """Whether coordinates are dates or durations, which count in seconds."""
    return coordinates.dtype.kind in "mM"


def _as_numbers(row, where):
    if is_date(row):
        return (row - row[:1]) / np.timedelta64(1, "s")
    if row.dtype.kind not in "fiu":
        raise ValueError(f"{where} are {row.dtype}, expected numbers or dates")
    return row


def _fit(row, where):
    if len(row) < 2:
        return None
    digits = np.finfo(row.dtype).eps if row.dtype.kind == "f" else 0
    row = row.astype(np.float64)
    spacing = (row[-1] - row[0]) / (len(row) - 1)
    if not 0 < spacing < np.inf:
        raise ValueError(
            f"{where} run from {row[0]:g} to {row[-1]:g}, expected finite ones that "
            "rise; sort the data along that axis"
        )
    error = np.abs(row - (row[0] + spacing * np.arange(len(row))))
    if not error.max() <= _TOLERANCE * spacing + 4 * digits * np.abs(row).max():
        worst = int(error.argmax())
        raise ValueError(
            f"{where} are not uniform: entry {worst} is {row[worst]:g}, expected "
            f"{row[0] + spacing * worst:g}; interpolate the data to a uniform grid, or "
            "give them as a table to from_points"
        )
    return Line(float(row[0]), float(spacing), len(row))

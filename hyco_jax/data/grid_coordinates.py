"""Coordinates of a file's axes: whether they are uniform, and how far apart."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hyco_jax.data.grid_axes import Source

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

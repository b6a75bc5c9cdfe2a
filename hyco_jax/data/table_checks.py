"""What is checked of a table of readings, and said in a line if it is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hyco_jax.data.observations import Initial
from hyco_jax.data.table_columns import listed, shorten

LARGEST = float(np.finfo(np.float32).max)
# Smaller ones are 0 on the device, where subnormal numbers don't exist.
_SMALLEST = float(np.finfo(np.float32).tiny)


def check_names(argument: str, names: Any, fewest: int, most: int | None):
    """Checks names of columns; a text stands for one name.

    Returns:
        The names, a tuple.

    Raises:
        ValueError: If they are too few or too many, no texts, or not different.
    """
    names = (names,) if isinstance(names, str) else names
    names = tuple(names) if np.iterable(names) else (names,)
    if not all(isinstance(n, str) and n and n.isprintable() for n in names):
        raise ValueError(
            f"{argument}={shorten(names)}, expected printable names of columns"
        )
    if len(names) < fewest or (most and len(names) > most):
        number = f"{fewest} to {most}" if most else f"at least {fewest}"
        raise ValueError(
            f"{argument}={shorten(names)} has {len(names)} names, expected {number}"
            + (": one for each axis of space, then the time" if most else "")
        )
    if len(set(names)) < len(names):
        raise ValueError(f"{argument}={shorten(names)} names a column twice")
    return names


def check_counts(
    names: Sequence[str], columns: Sequence[np.ndarray], count: int | None
):
    """Checks that columns have as many rows as the others.

    Args:
        names: Of the columns.
        columns: Each `(R,)`.
        count: R; by default that of the first one.

    Raises:
        ValueError: If they differ, or there are no rows.
    """
    count = len(columns[0]) if count is None else count
    for name, column in zip(names, columns, strict=True):
        if len(column) != count:
            raise ValueError(
                f"column {name!r} has {len(column)} rows, those before it have "
                f"{count}; give each row an entry in every column"
            )
    if not count:
        raise ValueError("the table has no rows; give at least readings at two times")


def check_points(since: np.ndarray, coords: Sequence[str], origin: Sequence[float]):
    """Checks coordinates `(R, D + 1)`, counted from the origin.

    Raises:
        ValueError: If one is missing or infinite, or a time is before 0.
    """
    for name, column, first in zip(coords, since.T, origin, strict=True):
        bad = ~(np.abs(column) <= LARGEST)
        if bad.any():
            row = int(np.argmax(bad))
            came = "is missing" if np.isnan(column[row]) else "is infinite in float32"
            raise ValueError(
                f"{name!r} {came} in row {row} (counted from 0); correct the row or "
                "drop it"
            )
        if name == coords[-1] and (column < 0).any():
            row = int(np.argmax(column < 0))
            raise ValueError(
                f"{name!r} is {column[row] + first:g} in row {row} (counted from 0), "
                f"before t = 0, which is at {first:g}; drop the row, or say in "
                "origin= where t = 0 is"
            )


def check_values(values: np.ndarray, sigma: np.ndarray | None, names: Sequence[str]):
    """Checks values `(R, V)`, NaN where nothing was read, and their deviations.

    Raises:
        ValueError: If there is none, one is infinite, or a deviation is missing or
            not above 0.
    """
    is_read = ~np.isnan(values)
    for i, name in enumerate(names):
        too_large = np.abs(values[:, i]) > LARGEST
        if too_large.any():
            row = int(np.argmax(too_large))
            raise ValueError(
                f"{name!r} is {values[row, i]:g} in row {row} (counted from 0), which "
                "is infinite in float32; correct it, or leave the cell empty"
            )
        if sigma is None:
            continue
        bad = is_read[:, i] & ~((sigma[:, i] >= _SMALLEST) & (sigma[:, i] <= LARGEST))
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"the sigma of {name!r} is {sigma[row, i]:g} in row {row} (counted "
                "from 0), expected a finite number above 0, in float32, wherever a "
                "value was read; correct it, or leave the value empty"
            )
    if not is_read.any():
        raise ValueError(
            f"no row holds a value of {listed(names)}; name other columns in values="
        )


def check_repeats(
    keys: Sequence[np.ndarray],
    values: np.ndarray,
    names: Sequence[str],
    sim: str | None,
):
    """Checks that no sensor reads a value twice at once.

    Args:
        keys: Time, simulation and sensor (or position) of each row, each `(R,)`.
        values: Shape `(R, V)`.
        names: Of the values.
        sim: Column of the simulations, if there is one.

    Raises:
        ValueError: If one does.
    """
    for name, column in zip(names, values.T, strict=True):
        rows = np.flatnonzero(~np.isnan(column))
        order = rows[np.lexsort([key[rows] for key in keys])]
        same = np.all([key[order[1:]] == key[order[:-1]] for key in keys], axis=0)
        if same.any():
            i = int(np.argmax(same))
            first, second = sorted(map(int, order[i : i + 2]))
            hint = "" if sim else ", or name the column of the simulations in sim="
            raise ValueError(
                f"rows {first} and {second} (counted from 0) both hold {name!r} of the "
                f"same sensor at {keys[0][first]:g} after t = 0; keep one, or their "
                f"mean{hint}"
            )


def check_times(time: np.ndarray, is_read: np.ndarray):
    """Checks that something was read at two times.

    Raises:
        ValueError: If there are fewer.
    """
    times = np.unique(time[is_read])
    if len(times) < 2:
        raise ValueError(
            f"all values were read at one time, {times[0]:g} after t = 0; give "
            "readings at two times at least"
        )


def check_left(values: np.ndarray, is_trained: np.ndarray, names: Sequence[str]):
    """Checks that something of each value `(R, V)` is left to train on.

    Raises:
        ValueError: If not.
    """
    left = np.any(is_trained[:, None] & ~np.isnan(values), axis=0)
    missing = [name for name, some in zip(names, left, strict=True) if not some]
    if missing:
        raise ValueError(
            f"no reading of {listed(missing)} is left to train on; hold out less, "
            "train on more simulations, or leave it out of values="
        )


def check_initial(initial: Initial, num_sims: int, ndim: int) -> Initial:
    """Checks what can be known of initial states before there is a grid.

    Raises:
        ValueError: If there are none, or arrays are not `(N, *S, C)` and finite.
    """
    if callable(initial):
        return initial
    if isinstance(initial, str):
        if initial == "interpolated":
            return initial
        raise ValueError(
            f"initial={initial!r} does not go with readings at points; give "
            "'interpolated', an array (N, *S, C), or a function of positions"
        )
    states = np.asarray(initial)
    if states.ndim != ndim + 2 or len(states) != num_sims:
        raise ValueError(
            f"the initial states have shape {states.shape}, expected {num_sims} "
            f"simulations, {ndim} axes of space and the channels"
        )
    if states.dtype.kind not in "iuf" or not np.isfinite(states).all():
        raise ValueError(
            "the initial states hold entries that are no finite numbers; correct them"
        )
    return states

"""Which readings of a table are of one sensor."""

import numpy as np

from hyco_jax.data import table_checks
from hyco_jax.data.readings import SCATTERED
from hyco_jax.data.table_columns import Table, label, read_labels


def read_sensors(
    table: Table, name: str | None, position: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Finds which readings are of one sensor.

    Args:
        table: Any.
        name: The column that says so, if there is one.
        position: Shape `(R, D)`, as the table has it.

    Returns:
        What tells the rows of one time and simulation apart `(R,)`, the sensor of each
        row `(R,)`, and the labels of the sensors, sorted. Without a column a sensor is
        a distinct position; but where most positions occur once, there is only one,
        "scattered points".

    Raises:
        ValueError: If the column is missing, or a label is.
    """
    if name is not None:
        index, labels = read_labels(table, name)
        table_checks.check_counts((name,), (index,), len(position))
        return index, index, labels
    place, first = _distinct(position)
    if 2 * np.sum(np.bincount(place) == 1) > len(first):
        return place, np.zeros(len(place), np.int32), (SCATTERED,)
    labels = tuple(
        label(tuple(x)) if len(x) > 1 else label(x[0]) for x in position[first].tolist()
    )
    return place, place, labels


def _distinct(position):
    """Numbers the distinct positions, in order; which row is the first of each."""
    order = np.lexsort(position.T[::-1])
    is_new = np.ones(len(order), bool)
    is_new[1:] = np.any(position[order[1:]] != position[order[:-1]], axis=1)
    place = np.empty(len(order), np.int32)
    place[order] = np.cumsum(is_new) - 1
    return place, order[is_new]


def describe_sensors(name: str | None, sensors: tuple[str, ...]) -> str:
    """Says in a line what was taken for a sensor, see `read_sensors`."""
    if name is not None:
        return f"sensors as column {name!r} labels them"
    if sensors == (SCATTERED,):
        return "most positions occur once: scattered points, no sensors told apart"
    return "no column of sensors: a sensor is a distinct position"

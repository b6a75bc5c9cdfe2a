"""Which readings are held out, for nothing but scores to see."""

from collections.abc import Sequence

import numpy as np

from hyco_jax.data.table_columns import is_real, label, listed, shorten

HoldOut = float | Sequence[object] | str
_WAYS = ("sensor", "time", "row")


def check_way(hold_out: HoldOut, by: str, is_scattered: bool):
    """Checks how readings are to be held out.

    Args:
        hold_out: See `choose`.
        by: See `choose`.
        is_scattered: Whether nothing says which readings are of one sensor.

    Raises:
        ValueError: If it can't be done so.
    """
    if by not in _WAYS:
        raise ValueError(f"by={shorten(by)} is none of {', '.join(map(repr, _WAYS))}")
    is_share = is_real(hold_out)
    if is_share and not 0 <= hold_out < 1:
        raise ValueError(
            f"hold_out={hold_out}, expected a share, at least 0 and below 1, or "
            "labels of sensors"
        )
    if not is_share and (by != "sensor" or not np.iterable(hold_out)):
        raise ValueError(
            f"hold_out={shorten(hold_out)} with by={by!r}, expected a share, at least "
            "0 and below 1; labels are those of sensors, with by='sensor'"
        )
    asks = hold_out > 0 if is_share else len(list(hold_out)) > 0
    if is_scattered and by == "sensor" and asks:
        raise ValueError(
            "hold_out with by='sensor' has to know which readings are of one sensor, "
            "but nearly every row has a position of its own (sensors that move, or "
            "scattered points); name the column in sensor=, or hold out by='time' or "
            "by='row'"
        )


def choose(
    hold_out: HoldOut,
    by: str,
    seed: int,
    sensor: np.ndarray,
    labels: tuple[str, ...],
    keys: tuple[np.ndarray, ...],
    is_read: np.ndarray,
) -> np.ndarray:
    """Chooses rows to hold out; the order of the rows doesn't matter.

    Args:
        hold_out: A share of the sensors, times or rows that have a value, of which one
            at least is chosen unless it is 0; or labels of sensors.
        by: What is held out as a whole, "sensor", "time" or "row". The first time is
            not chosen: models start there.
        seed: Of the choice.
        sensor: Of each row, shape `(R,)`, an index of the labels.
        labels: Of the sensors.
        keys: What tells rows apart, each `(R,)`, times first.
        is_read: Rows that have a value, shape `(R,)`.

    Returns:
        A mask, shape `(R,)`.

    Raises:
        ValueError: If a label is not known, or the seed is none.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed={shorten(seed)}, expected a whole number from 0 on")
    if not is_real(hold_out):
        wanted = (hold_out,) if isinstance(hold_out, str) else tuple(hold_out)
        return np.isin(sensor, find_labels(wanted, labels, "hold_out", "sensor"))
    if hold_out == 0:
        return np.zeros(len(sensor), bool)
    if by == "sensor":
        group = sensor
    elif by == "time":
        group = np.unique(keys[0], return_inverse=True)[1]
    else:
        group = np.empty(len(sensor), int)
        group[np.lexsort(keys)] = np.arange(len(sensor))
    candidates = np.unique(group[is_read])
    if by == "time":
        candidates = candidates[1:]
    count = max(1, round(float(hold_out) * len(candidates)))
    return np.isin(
        group, np.random.default_rng(int(seed)).permutation(candidates)[:count]
    )


def find_labels(
    wanted: Sequence[object], labels: tuple[str, ...], argument: str, what: str
) -> tuple[int, ...]:
    """Indices of labels.

    Raises:
        ValueError: If one is not known.
    """
    index = {text: i for i, text in enumerate(labels)}
    for value in wanted:
        if label(value) not in index:
            raise ValueError(
                f"{argument}: there is no {what} {shorten(value)}; there are "
                f"{listed(labels)}"
            )
    return tuple(index[label(value)] for value in wanted)

"""Units of time and length on the axes of figures."""

from collections.abc import Mapping

import numpy as np

from hyco_jax.scoring.plots import style

# Seconds in each, longest first; a record is at least two of its unit long.
_OF_SECONDS = {"days": 86_400.0, "hours": 3_600.0, "min": 60.0}
_LEAST = 2.0


def readable(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Takes seconds to days, hours or minutes where a record is so long.

    Args:
        arrays: As in `plots`; those without a `time_unit` of "s" stay.
    """
    arrays = dict(arrays)
    if str(arrays.get("time_unit", "")) != "s":
        return arrays
    span = float(np.ptp(arrays["times"]))
    for unit, seconds in _OF_SECONDS.items():
        if span >= _LEAST * seconds:
            for name in {"times", "dt", "readings/time"} & arrays.keys():
                arrays[name] = arrays[name] / seconds
            return arrays | {"time_unit": np.array(unit)}
    return arrays


def time(arrays: Mapping[str, np.ndarray]) -> str:
    """The label of an axis of time."""
    return style.with_unit("time t", str(arrays.get("time_unit", "")))


def position(arrays: Mapping[str, np.ndarray], axis: str = "x") -> str:
    """The label of an axis of space."""
    return style.with_unit(f"position {axis}", str(arrays.get("length_unit", "")))

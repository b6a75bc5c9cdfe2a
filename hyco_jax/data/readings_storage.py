"""Readings as named arrays, and back, checked."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hyco_jax.data.readings import Readings

_PREFIX = "readings/"
_LABELS = ("names", "sims", "sensors", "units")
# The kind of type of each array, and its number of axes.
_ARRAYS = {
    "sim": ("i", 1),
    "time": ("f", 1),
    "position": ("f", 2),
    "values": ("f", 2),
    "sensor": ("i", 1),
    "is_held_out": ("b", 1),
    "row": ("i", 1),
}


def to_entries(readings: Readings) -> dict[str, np.ndarray]:
    """Names the arrays and labels of readings, see `from_entries`."""
    entries = {name: getattr(readings, name) for name in _ARRAYS}
    if readings.sigma is not None:
        entries["sigma"] = readings.sigma
    entries |= {name: np.array(getattr(readings, name), str) for name in _LABELS}
    return {_PREFIX + name: value for name, value in entries.items()}


def holds_readings(entries: Mapping[str, np.ndarray]) -> bool:
    """Whether there are readings among the entries of a file."""
    return any(name.startswith(_PREFIX) for name in entries)


def from_entries(path: Path, entries: Mapping[str, np.ndarray]) -> Readings:
    """Makes readings of the entries of a file.

    Args:
        path: Of the file, for messages.
        entries: `readings/<name>` for each attribute of `Readings`, with its shape;
            `readings/sigma` may be left out.

    Raises:
        ValueError: If one is missing, has a wrong type or shape, or is an index of
            nothing.
    """
    found = {
        name.removeprefix(_PREFIX): value
        for name, value in entries.items()
        if name.startswith(_PREFIX)
    }
    missing = sorted({*_ARRAYS, *_LABELS} - set(found))
    if missing:
        raise ValueError(
            f"{path} lacks {[_PREFIX + name for name in missing]}, as "
            "hyco_jax.data.storage.save writes them"
        )
    kinds = _ARRAYS | dict.fromkeys(_LABELS, ("U", 1))
    if "sigma" in found:
        kinds |= {"sigma": ("f", 2)}
    for name, (kind, ndim) in kinds.items():
        array = found[name]
        if array.dtype.kind != kind or array.ndim != ndim:
            raise ValueError(
                f"{path} holds '{_PREFIX}{name}' of type {array.dtype} and shape "
                f"{array.shape}, expected {ndim} axes of kind {kind!r}; replace it"
            )
    arrays = {name: found[name] for name in kinds if name not in _LABELS}
    labels = {name: tuple(found[name].tolist()) for name in _LABELS}
    _check(path, arrays, labels)
    return Readings(**{"sigma": None} | arrays | labels)


def _check(path, arrays, labels):
    count, width = len(arrays["time"]), len(labels["names"])
    wide = {name for name in ("values", "sigma") if name in arrays}
    fits = (
        count > 0
        and all(len(array) == count for array in arrays.values())
        and all(arrays[name].shape[1] == width for name in wide)
        and len(labels["units"]) == width
    )
    if not fits:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(
            f"{path} holds readings whose shapes {shapes} don't fit each other and "
            f"{width} names; replace it"
        )
    for name, of in (("sim", "sims"), ("sensor", "sensors")):
        index = arrays[name]
        if index.min() < 0 or index.max() >= len(labels[of]):
            raise ValueError(
                f"{path} holds '{_PREFIX}{name}' from {index.min()} to {index.max()}, "
                f"but {len(labels[of])} {of}; replace it"
            )
    if not np.isfinite(arrays["time"]).all() or arrays["time"].min() < 0:
        raise ValueError(
            f"{path} holds times that are not finite and >= 0; correct them"
        )

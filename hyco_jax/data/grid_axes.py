"""Which axis of an array is what, and reading arrays by that."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

# What the axes of an array can be, beside those of space.
_ROLES = ("sim", "t", "channel")

# The axes of an array in their order; or what each is mapped to its name in the file.
Dims = Sequence[str] | Mapping[str, str]


class Source(NamedTuple):
    """What a file or a mapping holds; arrays are read when they are indexed.

    Attributes:
        label: For messages.
        fields: Arrays by name, which take integers and slices.
        axes: Names of the axes of a field, where the source knows them.
        coordinates: Of axes, by name: `(n,)`, or `(sims, n)` where simulations differ.
        units: Of the coordinates, by name, where the source knows them.
        is_periodic: Whether the box is; None where the source doesn't say.
    """

    label: str
    fields: Mapping[str, Any]
    coordinates: Mapping[str, Any]
    axes: Mapping[str, tuple[str, ...]] = {}
    units: Mapping[str, str] = {}
    is_periodic: bool | None = None


class Field(NamedTuple):
    """An array and what its axes are: "sim", "t", "channel", or an axis of space."""

    name: str
    array: Any
    roles: tuple[str, ...]

    @property
    def num_channels(self) -> int:
        """Channels that it fills, 1 where it has no axis of them."""
        sizes = zip(self.roles, self.array.shape, strict=True)
        return int(np.prod([n for role, n in sizes if role == "channel"], dtype=int))


def parse(dims: Dims) -> dict[str, str]:
    """What the axes are, in their order, with their names in the source.

    Raises:
        ValueError: If "t" is missing, a name comes twice, or there are not 1 to 3 axes
            of space.
    """
    if isinstance(dims, str):
        raise ValueError(f"dims={dims!r} is one text; give names, such as ('t', 'x')")
    names = dict(dims) if isinstance(dims, Mapping) else {name: name for name in dims}
    if len(set(names.values())) < len(dims):
        raise ValueError(f"dims={dims} name an axis twice; name each once")
    if "t" not in names:
        raise ValueError(
            f"dims={dims} have no 't', the axis of time; where a file has another name "
            "for it, map one to the other: {'t': 'time', 'x': 'x'}"
        )
    if not 1 <= len(space(names)) <= 3:
        raise ValueError(
            f"dims={dims} have {len(space(names))} axes of space, expected 1 to 3; "
            "the others are 'sim', 't' and 'channel'"
        )
    return names


def space(roles: Sequence[str]) -> tuple[str, ...]:
    """Those that are axes of space."""
    return tuple(role for role in roles if role not in _ROLES)


def arrange(
    source: Source, fields: Sequence[str] | str | None, names: Mapping[str, str]
) -> tuple[tuple[Field, ...], dict[str, int]]:
    """Finds fields and what their axes are.

    Returns:
        The fields, and the sizes of "sim", "t" and the axes of space.

    Raises:
        ValueError: If there is no such field, its axes are not those of `names`, or
            its sizes are not those of the others.
    """
    found = tuple(_find(source, name, names) for name in _choose(source, fields))
    sizes = {}
    for field in found:
        for role, size in zip(field.roles, field.array.shape, strict=True):
            if role != "channel" and sizes.setdefault(role, size) != size:
                raise ValueError(
                    f"{source.label}: the field {field.name!r} has {size} entries "
                    f"along {role!r}, {found[0].name!r} has {sizes[role]}; choose "
                    "fields on one grid"
                )
    lacking = [role for role in names if role not in sizes and role != "channel"]
    if lacking:
        raise ValueError(
            f"{source.label}: no field has the axis {lacking[0]!r} of dims="
            f"{tuple(names)}, they have {found[0].roles}; leave it out"
        )
    return found, sizes


def _choose(source, fields):
    there = list(source.fields)
    if fields is None:
        if len(there) != 1:
            raise ValueError(
                f"{source.label} holds the fields {there}; choose with fields=(...)"
            )
        return there
    chosen = [fields] if isinstance(fields, str) else list(fields)
    for name in chosen or [""]:
        if name not in there:
            raise ValueError(f"{source.label} has no field {name!r}; it has {there}")
    return chosen


def _find(source, name, names):
    array = source.fields[name]
    where, shape = f"{source.label}: the field {name!r}", tuple(array.shape)
    if np.dtype(array.dtype).kind not in "fiub":
        raise ValueError(f"{where} holds {array.dtype}, expected real numbers")
    own = source.axes.get(name)
    if own is None:
        roles = tuple(names)
        if len(roles) != len(shape):
            raise ValueError(
                f"{where} has {len(shape)} axes, shape {shape}, dims={roles} name "
                f"{len(roles)}; name each, that of several components 'channel'"
            )
        return Field(name, array, roles)
    by_name = {theirs: ours for ours, theirs in names.items()}
    roles = tuple(by_name.get(axis, axis) for axis in own)
    for axis, role in zip(own, roles, strict=True):
        if role not in names and role != "channel":
            raise ValueError(
                f"{where} has the axes {own}, but dims={tuple(names.values())} lack "
                f"{axis!r}; name all of them"
            )
    return Field(name, array, roles)


def read(
    source: Source,
    fields: Sequence[Field],
    sims: Sequence[int],
    steps: slice,
    shape: tuple[int, ...],
    names: Mapping[str, str],
) -> np.ndarray:
    """Reads some simulations and steps, a field and a simulation at a time.

    Args:
        source: That holds them.
        fields: To read, in the order of their channels.
        sims: To read.
        steps: To read.
        shape: Of the steps and of space, `(T + 1, *S)`.
        names: What the axes are, in the order wanted.

    Returns:
        Shape `(N, T + 1, *S, C)`, float32, NaN where the source has it or masks it.

    Raises:
        ValueError: If a value is infinite.
    """
    order = ("t", *space(names))
    counts = [field.num_channels for field in fields]
    states = np.empty((len(sims), *shape, sum(counts)), np.float32)
    for n, sim in enumerate(sims):
        start = 0
        for field, count in zip(fields, counts, strict=True):
            piece = _read_one(field, sim, steps, order)
            if np.isinf(piece).any():
                raise ValueError(
                    f"{source.label}: the field {field.name!r} holds infinite values "
                    f"in simulation {sim} (as float32); make them NaN, unobserved"
                )
            states[n, ..., start : start + count] = piece
            start += count
    return states


def _read_one(field, sim, steps, order):
    """Shape `(T + 1, *S, c)`, with 1 for an axis that the field lacks."""
    index = {"sim": sim, "t": steps}
    key = tuple(index.get(role, slice(None)) for role in field.roles)
    values = field.array[key]
    if np.ma.isMaskedArray(values):
        values = values.astype(np.float32).filled(np.nan)
    with np.errstate(over="ignore"):  # It becomes infinite, which the caller reports.
        values = np.asarray(values).astype(np.float32, copy=False)
    roles = [role for role in field.roles if role != "sim"]
    ranks = [order.index(r) if r in order else len(order) for r in roles]
    values = values.transpose(np.argsort(ranks, kind="stable"))
    sizes = [
        values.shape[sorted(ranks).index(rank)] if role in roles else 1
        for rank, role in enumerate(order)
    ]
    return values.reshape(*sizes, field.num_channels)

"""Checkpoints: one Orbax directory per cycle, verified leaf by leaf.

A checkpoint holds one array, the bytes of all leaves one after the other, and as
custom metadata the path, dtype, shape and SHA-256 of each leaf. It is packed because
Orbax costs time per leaf: 150 leaves of 13 kB take 0.2 s leaf by leaf and 0.03 s
packed. It holds no devices, so that it can be restored on any.

Orbax writes under a temporary name and renames, so a directory whose name is a number
is complete; a kill in mid-save leaves the checkpoints before it as they were. Orbax
0.12.8 loads flipped bits without a word, hence the sums.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from orbax.checkpoint import v1 as ocp

State = TypeVar("State")

_FORMAT_VERSION = 1
_REMOVED = ".removed"
# What damaged files make JSON, TensorStore and Orbax raise.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OSError)


def save(directory: str | os.PathLike, cycle: int, state: Any, keep: int = 2) -> None:
    """Saves a state atomically as `directory/<cycle>`; returns when it is written.

    Removes what is not worth keeping: the leftovers of interrupted saves, checkpoints
    of this and later cycles (a run that comes here again has found them damaged), and
    all but the newest `keep`.

    Args:
        directory: Of one stage of a run; created if needed.
        cycle: Number of the cycle after which the state stands, at least 0.
        state: Pytree of `jax.Array`s, typed PRNG keys included.
        keep: Number of checkpoints kept.

    Raises:
        ValueError: If `keep` is below 2, or a leaf is no `jax.Array`.
    """
    if keep < 2:
        raise ValueError(
            f"keep={keep}: expected at least 2, so that a damaged checkpoint has one "
            "before it; set keep_checkpoints to 2 or more"
        )
    directory = pathlib.Path(directory).resolve()
    leaves = jax.tree_util.tree_leaves_with_path(state)
    for path, leaf in leaves:
        if not isinstance(leaf, jax.Array):
            raise ValueError(
                f"leaf {_name(path)} of the state is a {type(leaf).__name__}, expected "
                "a jax.Array; wrap it in jnp.asarray"
            )
    records, data = _pack(leaves)
    directory.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(directory)
    for old in cycles(directory):
        if old >= cycle:
            _remove(directory / str(old))
    with _orbax():
        ocp.save(
            directory / str(cycle),
            {"data": data},
            custom_metadata={
                "version": _FORMAT_VERSION,
                "leaves": records,
                "sha256": _records_checksum(records),
            },
        )
    for old in cycles(directory)[:-keep]:
        _remove(directory / str(old))


def restore(directory: str | os.PathLike, state: State) -> tuple[State, int] | None:
    """Restores the newest good checkpoint; changes nothing on disk.

    A damaged checkpoint is named in a warning, and the one before it is used.

    Args:
        directory: As in `save`; it may be missing.
        state: A state of the structure, shapes and dtypes to restore, such as the
            initial one. Its values are not used.

    Returns:
        The state, in arrays of their own on the default device, and its cycle; None if
        there is no checkpoint.

    Raises:
        ValueError: If a good checkpoint does not fit `state`, or all are damaged.
    """
    directory = pathlib.Path(directory).resolve()
    damaged = []
    for cycle in reversed(cycles(directory)):
        path = directory / str(cycle)
        try:
            records, arrays = _read(path)
        except _UNREADABLE as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            logging.warning("checkpoint %s is damaged, not used: %s", path, reason)
            damaged.append(path)
            continue
        _check_fit(path, records, state)
        return _rebuild(arrays, state), cycle
    if damaged:
        names = ", ".join(path.name for path in damaged)
        raise ValueError(
            f"all checkpoints in {directory} are damaged ({names}); put a copy back, "
            "or delete that folder to train this stage from its beginning"
        )
    return None


def cycles(directory: str | os.PathLike) -> list[int]:
    """Numbers of the complete checkpoints, ascending."""
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        return []
    return sorted(int(p.name) for p in directory.iterdir() if p.name.isdecimal())


def leaf_checksum(dtype: str, shape: Sequence[int], data: bytes) -> str:
    """SHA-256 over dtype, shape and bytes (C order) of an array, in hex."""
    digest = hashlib.sha256(f"{dtype} {tuple(shape)} ".encode())
    digest.update(data)
    return digest.hexdigest()


def _pack(leaves: list[tuple[Any, jax.Array]]) -> tuple[list[dict], np.ndarray]:
    """Descriptions of the leaves, and their bytes in one array."""
    raw = [jax.random.key_data(x) if _is_key(x) else x for _, x in leaves]
    data = [x.tobytes() for x in jax.device_get(raw)]
    records = [
        {
            "path": _name(path),
            "dtype": str(leaf.dtype),
            "shape": list(leaf.shape),
            "nbytes": len(part),
            "sha256": leaf_checksum(str(leaf.dtype), leaf.shape, part),
        }
        for (path, leaf), part in zip(leaves, data, strict=True)
    ]
    return records, np.frombuffer(b"".join(data), np.uint8)


def _read(path: pathlib.Path) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """Loads and verifies a checkpoint: the leaves' descriptions and flat bytes."""
    with _orbax():
        metadata = ocp.metadata(path).custom_metadata
        data = np.asarray(ocp.load(path)["data"])
    if metadata["version"] != _FORMAT_VERSION:
        raise ValueError(
            f"its format is {metadata['version']}, expected {_FORMAT_VERSION}"
        )
    records = metadata["leaves"]
    if _records_checksum(records) != metadata["sha256"]:
        raise ValueError("the SHA-256 of its list of leaves differs")
    ends = np.cumsum([record["nbytes"] for record in records], dtype=int)
    if data.dtype != np.uint8 or data.shape != (ends[-1],):
        raise ValueError(f"it holds {data.size} bytes, expected {ends[-1]}")
    arrays = np.split(data, ends[:-1])
    for record, array in zip(records, arrays, strict=True):
        found = leaf_checksum(record["dtype"], record["shape"], array.tobytes())
        if found != record["sha256"]:
            raise ValueError(f"the SHA-256 of leaf {record['path']} differs")
    return records, arrays


def _check_fit(path: pathlib.Path, records: list[dict[str, Any]], state: Any) -> None:
    """Compares paths, shapes and dtypes with those of the state to be restored."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    expected = {_name(path): _form(leaf.shape, leaf.dtype) for path, leaf in leaves}
    found = {x["path"]: _form(x["shape"], x["dtype"]) for x in records}
    for name in expected | found:
        want, have = expected.get(name, "no such leaf"), found.get(name, "no such leaf")
        if want != have:
            raise ValueError(
                f"checkpoint {path} does not fit: {name} is {have}, expected {want}; "
                "restore it with the config that made it, or choose another workdir"
            )


def _rebuild(arrays: list[np.ndarray], state: State) -> State:
    """Puts verified bytes on the default device, in the structure of `state`."""
    leaves, treedef = jax.tree.flatten(state)
    raw = []
    for array, leaf in zip(arrays, leaves, strict=True):
        like = jax.random.key_data(leaf) if _is_key(leaf) else leaf
        raw.append(array.copy().view(like.dtype).reshape(like.shape))
    # The CPU backend may otherwise go on using NumPy's memory, which is not its own.
    raw = jax.device_put(raw, may_alias=False)
    return treedef.unflatten(
        jax.random.wrap_key_data(x, impl=jax.random.key_impl(leaf))
        if _is_key(leaf)
        else x
        for x, leaf in zip(raw, leaves, strict=True)
    )


def _form(shape: Sequence[int], dtype: Any) -> str:
    return f"{dtype} of shape {tuple(shape)}"


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _records_checksum(records: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()


def _remove(path: pathlib.Path) -> None:
    """Deletes a checkpoint; renamed first, so that no half of it keeps its name."""
    removed = path.rename(path.with_name(path.name + _REMOVED))
    shutil.rmtree(removed)


def _remove_leftovers(directory: pathlib.Path) -> None:
    for path in directory.iterdir():
        if ".orbax-checkpoint-tmp" in path.name or path.name.endswith(_REMOVED):
            shutil.rmtree(path)


@contextlib.contextmanager
def _orbax() -> Iterator[None]:
    """Options of Orbax for one array of bytes; silences its log for the while."""
    context = ocp.Context()
    context.array.saving.use_ocdbt = False
    context.array.saving.use_compression = False
    verbosity = logging.get_verbosity()
    # About 25 lines a save, one of them a warning; of damaged metadata, all of it.
    logging.set_verbosity(logging.FATAL)
    try:
        with context:
            yield
    finally:
        logging.set_verbosity(verbosity)

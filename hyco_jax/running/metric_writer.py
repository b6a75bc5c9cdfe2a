"""Metrics as JSON lines: one flat dict per line, such as
`{"stage": "hybrid", "cycle": 3, "synthetic/loss": 0.01}`.

JSON has no NaN or infinity: they are written as the strings "nan", "inf" and "-inf",
which `read` turns back into floats.
"""

import json
import math
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from hyco_jax.running import workdir

_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def append(path: str | os.PathLike, line: Mapping[str, Any]) -> None:
    """Appends a line and flushes it to the operating system.

    Args:
        path: The file, created if needed.
        line: Names and values: strings, numbers, and arrays of any device, which
            become numbers (shape `()`) or nested lists.
    """
    # As a list: a dict would come back sorted.
    values = [_to_json(x) for x in jax.device_get(list(line.values()))]
    text = json.dumps(dict(zip(line, values, strict=True)), allow_nan=False)
    with open(path, "a", encoding="utf-8") as file:
        file.write(text + "\n")


def read(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Reads all complete lines; a missing file has none.

    Raises:
        ValueError: If a complete line is no JSON object.
    """
    return [_from_json(line) for _, line in _parse(pathlib.Path(path))]


def write(path: str | os.PathLike, line: Mapping[str, Any]) -> None:
    """Replaces a file by one line, atomically; see `append`."""
    workdir.write_atomic(path, json.dumps(_to_json(dict(line))) + "\n")


def sort(path: str | os.PathLike, key: Callable[[dict[str, Any]], int]) -> None:
    """Sorts the lines, atomically and stably; they keep their bytes.

    Args:
        path: The file; it may be missing.
        key: Maps a line as `read` returns it to its place.

    Raises:
        ValueError: If a complete line is no JSON object.
    """
    path = pathlib.Path(path)
    if path.exists():
        lines = sorted(_parse(path), key=lambda pair: key(_from_json(pair[1])))
        workdir.write_atomic(path, b"".join(text for text, _ in lines))


def truncate(path: str | os.PathLike, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Drops the lines that `keep` rejects and a torn last line, atomically.

    The lines that stay keep their bytes.

    Args:
        path: The file; it may be missing.
        keep: Predicate on a line as `read` returns it.

    Raises:
        ValueError: If a complete line is no JSON object.
    """
    path = pathlib.Path(path)
    if path.exists():
        kept = [text for text, line in _parse(path) if keep(_from_json(line))]
        workdir.write_atomic(path, b"".join(kept))


def _parse(path: pathlib.Path) -> list[tuple[bytes, dict[str, Any]]]:
    """Each complete line, as bytes and parsed."""
    lines = []
    content = path.read_bytes() if path.exists() else b""
    for number, text in enumerate(content.splitlines(keepends=True), start=1):
        if not text.endswith(b"\n"):
            break
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise ValueError(
                f"line {number} of {path} is no JSON object; remove the line or put "
                "a copy of the file back"
            )
        lines.append((text, line))
    return lines


def _to_json(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_to_json(x) for x in value]
    if isinstance(value, dict):
        return {name: _to_json(x) for name, x in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _from_json(x) for name, x in value.items()}
    if isinstance(value, list):
        return [_from_json(x) for x in value]
    return _NON_FINITE.get(value, value) if isinstance(value, str) else value

"""Columns of any table, as numbers or as labels."""

import decimal
import numbers
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from hyco_jax.data.table_files import read_file

_LONGEST_LIST = 12


class Table(NamedTuple):
    """A table of any kind.

    Attributes:
        names: Of its columns.
        get: Maps a name to a column as it is.
    """

    names: tuple[Any, ...]
    get: Callable[[str], Any]


def open_table(source: Any) -> Table:
    """Opens a table.

    Args:
        source: A pandas DataFrame, a mapping of arrays, a structured array, or the path
            of a .csv or .parquet file.

    Raises:
        ValueError: If it is none of these, or the file can't be read.
        ImportError: If the file needs a package that is not installed.
    """
    if isinstance(source, str | os.PathLike):
        source = read_file(pathlib.Path(source))
    if isinstance(source, Mapping):
        return Table(tuple(source), source.__getitem__)
    if isinstance(source, np.ndarray) and source.dtype.names and source.ndim == 1:
        return Table(source.dtype.names, source.__getitem__)
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        return Table(tuple(source.columns), source.__getitem__)
    raise ValueError(
        f"a table of type {type(source).__name__} is not known; give a pandas "
        "DataFrame, a dict of arrays, a structured array of one axis, or the path of "
        "a .csv or .parquet file"
    )


def read_numbers(table: Table, name: str) -> np.ndarray:
    """Reads a column of numbers.

    Returns:
        Shape `(R,)`, float64, NaN where a cell is empty.

    Raises:
        ValueError: If there is no such column, or it holds anything else.
    """
    column = _read(table, name)
    if column.dtype.kind in "iuf":
        return column.astype(np.float64)
    if column.dtype.kind in "Mm":
        raise ValueError(
            f"column {name!r} holds dates or durations, expected numbers in the unit "
            f"of dt; for days since the first: (df[{name!r}] - df[{name!r}].min()) / "
            "np.timedelta64(1, 'D')"
        )
    if column.dtype.kind not in "OUS":
        raise ValueError(
            f"column {name!r} holds {column.dtype.name}, expected numbers; convert it"
        )
    cells = column.tolist()
    bad = [row for row, cell in enumerate(cells) if not _is_number(cell)]
    if bad:
        row = next((r for r in bad if not _reads_as_number(cells[r])), bad[0])
        raise ValueError(
            f"column {name!r} holds {shorten(cells[row])} in row {row} (counted from "
            "0), expected a number, or an empty cell where nothing was read; dates "
            "have to become numbers in the unit of dt"
        )
    return np.array([_to_float(cell) for cell in cells])


def read_labels(table: Table, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reads a column of labels.

    Returns:
        The label of each row, an index `(R,)`, int32, and the labels, in the order of
        the numbers or of the alphabet.

    Raises:
        ValueError: If there is no such column, or a label is missing or can't be
            printed in a line.
    """
    column = _read(table, name)
    if column.dtype.kind in "iuf":
        if np.isnan(column).any():
            _fail_label(name, int(np.argmax(np.isnan(column))), "")
        found, index = np.unique(column, return_inverse=True)
        return index.astype(np.int32), tuple(label(x) for x in found)
    cells = column.astype(str) if column.dtype.kind in "Mm" else column
    texts = ["" if _is_missing(cell) else label(cell) for cell in cells.tolist()]
    for row, text in enumerate(texts):
        if not text or not text.isprintable():
            _fail_label(name, row, text)
    labels = sorted(set(texts))
    numbers_of = {text: i for i, text in enumerate(labels)}
    return np.array([numbers_of[text] for text in texts], np.int32), tuple(labels)


def label(value: Any) -> str:
    """The label that a value stands for: whole numbers without a point."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tuple):
        return f"({', '.join(map(label, value))})"
    if isinstance(value, float | np.floating):
        is_whole = abs(value) < 2**53 and value == np.rint(value)
        return str(int(value)) if is_whole else str(float(value))
    return str(value)


def is_real(value: Any) -> bool:
    """Whether a value is a number; to Python a truth is, and to NumPy a duration."""
    is_other = isinstance(value, bool | np.timedelta64)
    return isinstance(value, numbers.Real) and not is_other


def shorten(value: Any) -> str:
    """A value in a message: in one line, and not a long one."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def listed(values: Iterable[Any]) -> str:
    """Values in a message, the first dozen."""
    values = list(values)
    text = ", ".join(map(shorten, values[:_LONGEST_LIST]))
    more = len(values) - _LONGEST_LIST
    return f"{text} and {more} more" if more > 0 else text


def _read(table, name):
    if name not in table.names:
        raise ValueError(
            f"the table has no column {shorten(name)}; it has {listed(table.names)}; "
            "correct the name where the columns are named, such as in coords= or "
            "values="
        )
    column = table.get(name)
    try:
        if isinstance(column, np.ma.MaskedArray):
            empty = np.ma.getmaskarray(column)
            column = np.ma.getdata(column)
        else:
            # Of pandas, whose empty cells have types of their own.
            empty = np.asarray(column.isna()) if hasattr(column, "isna") else None
            column = np.asarray(column)
    # Columns are of any library, and raise what it likes: those of a damaged Parquet
    # file only now.
    except Exception as error:
        raise ValueError(
            f"column {name!r} can't be made an array ({shorten(str(error))}); give one "
            "entry for each row, all of one shape"
        ) from None
    if column.ndim != 1:
        raise ValueError(
            f"column {name!r} has shape {column.shape}, expected one entry for each "
            "row of the table"
        )
    # NumPy's own empty cells, NaN and NaT, stay as they are.
    if empty is not None and empty.any() and column.dtype.kind not in "fMm":
        column = column.astype(object)
        column[empty] = None
    elif empty is not None and column.dtype.kind == "f":
        column = np.where(empty, np.nan, column)
    return column


def _is_number(cell):
    return cell is None or is_real(cell) or isinstance(cell, decimal.Decimal)


def _reads_as_number(cell):
    try:
        float(cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _to_float(cell):
    try:
        return np.nan if cell is None else float(cell)
    except OverflowError:
        return np.inf


def _is_missing(cell):
    # Those of Python, NumPy and pandas, or what became of them in a column of texts.
    return str(cell) in ("None", "nan", "NaT", "<NA>")


def _fail_label(name, row, text):
    came = f"{text!a}, which can't be printed" if text else "no label"
    raise ValueError(
        f"column {name!r} has {came} in row {row} (counted from 0); give each row a "
        "printable one"
    )

"""Generated tables, most of them bad: accepted, or refused in a line."""

import datetime
import decimal
import io
import pathlib
import tempfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import hyco_jax
from hyco_jax.data import storage
from hyco_jax.grids.domain import Domain
from tests.data.test_tables import assert_same, make_table

# The same tables in every run.
many = settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

NAMES = ("run", "id", "x", "t", "u", "v", "err")
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.complex_numbers(),
    st.dates(),
    st.decimals(),
    st.sampled_from(
        [
            *(pd.NA, pd.NaT, pd.Timestamp("2020-01-01", tz="UTC"), 10**400),
            *(np.float32(0.5), np.datetime64("NaT"), np.timedelta64(1, "D")),
            *("1.5", "nan", "2020-01-01", "a\nb", "\x00", "\ud800", "", " "),
            *([], [1, 2], {}, (0.5,), np.zeros(2), object, decimal.Decimal("sNaN")),
            *(datetime.timedelta(1), -0.0, 5e-324, 1e300, -1.0, 1j),
        ]
    ),
)
COLUMNS = st.one_of(
    st.lists(CELLS, max_size=6),
    CELLS,
    st.sampled_from(
        [
            *(np.zeros((40, 2)), np.zeros(40), np.zeros(()), np.arange(40) / 4),
            np.arange(40).astype("datetime64[s]"),
            *(np.ones(40, bool), np.array(["1"] * 40), np.array([b"\xff"] * 40)),
            *(np.ma.masked_all(40), np.ma.masked_all(40, "S3")),
            *(np.zeros(40, "f4,f4"), np.zeros(40, np.longdouble), range(40), "u"),
            pd.Series(pd.Categorical(["a", "b"] * 20)),
            *(pd.array([1, None] * 20, "Int64"), pd.array(["a", None] * 20, "string")),
            pd.Series(pd.date_range("2020", periods=40, tz="UTC")),
        ]
    ),
)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "values": st.sampled_from(["u", ("u", "v"), ("w",), (), ("u", "u"), (1,)]),
        "coords": st.sampled_from([("x", "t"), ("x", "v", "t"), ("t", "x"), "x"]),
        "sim": st.sampled_from([None, "run", "id", "u", "t", "none"]),
        "sensor": st.sampled_from([None, "id", "run", "x", "none"]),
        "sigma": st.one_of(
            CELLS.filter(lambda cell: cell is not None),
            st.sampled_from(["err", "u", {"u": "err"}, {"u": 1.0, "v": "err"}]),
        ),
        "hold_out": st.one_of(
            st.floats(0, 1), st.sampled_from([("s1",), "s2", ("s9",), 0.2, (0.5,), -1])
        ),
        "by": st.sampled_from(["sensor", "time", "row", "all"]),
        "seed": st.sampled_from([0, 1, -1, 0.5]),
        "origin": st.sampled_from([None, (0, 0), (1, 1), (0,), ("a", 0), (np.nan, 0)]),
        "test": st.sampled_from([(), "a", ("a", "b"), ("c",), 0]),
    },
)


@st.composite
def tables(draw):
    table = {name: column.astype(object) for name, column in make_table().items()}
    for name, column in make_table().items():
        if draw(st.booleans()):
            table[name] = column
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(NAMES))
        change = draw(st.sampled_from(["cell", "cell", "column", "drop"]))
        if change == "drop":
            table.pop(name, None)
        elif change == "column":
            table[name] = draw(COLUMNS)
        elif isinstance(table.get(name), np.ndarray) and table[name].ndim == 1:
            column = table[name].astype(object)
            if len(column):
                column[draw(st.integers(0, len(column) - 1))] = draw(CELLS)
            table[name] = column
    return table


def accept_or_refuse(table, arguments):
    """Returns the observations, or None if they are refused as they should be."""
    ways = {"coords": ("x", "t"), "values": ("u", "v"), "sim": "run", "sensor": "id"}
    try:
        data = hyco_jax.from_points(table, **ways | arguments)
    except ValueError as error:
        message = str(error)
        assert message.isprintable() and 20 < len(message) < 700, message
        event("refused")
        return None
    readings = data.observed
    is_read = np.isfinite(readings.values)
    assert is_read[~readings.is_held_out].any()
    assert (readings.time >= 0).all() and np.isfinite(readings.position).all()
    assert readings.sigma is None or (readings.sigma[is_read] > 0).all()
    assert "rows" in str(data)
    event("accepted")
    return data


@many
@given(tables(), ARGUMENTS)
def test_a_table_in_memory_is_accepted_or_refused_in_a_line(table, arguments):
    accept_or_refuse(table, arguments)


@many
@given(tables(), ARGUMENTS)
def test_a_frame_is_accepted_or_refused_in_a_line(table, arguments):
    try:
        frame = pd.DataFrame(table)
    except Exception:
        # pandas itself doesn't make one of that.
        return
    accept_or_refuse(frame, arguments)


@many
@given(tables(), st.data())
def test_a_file_is_accepted_or_refused_in_a_line(table, data):
    try:
        text = pd.DataFrame(table).to_csv(index=False).encode()
    except Exception:
        return
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.binary(max_size=4)) + text[at + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "table.csv"
        path.write_bytes(text)
        accept_or_refuse(path, {})


@many
@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=5))
def test_a_damaged_parquet_file_is_accepted_or_refused_in_a_line(changes):
    pytest.importorskip("pyarrow")
    buffer = io.BytesIO()
    pd.DataFrame(make_table()).to_parquet(buffer)
    content = bytearray(buffer.getvalue())
    for at, byte in changes:
        content[at % len(content)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "table.parquet"
        path.write_bytes(content)
        accept_or_refuse(path, {})


@many
@given(tables(), ARGUMENTS)
def test_what_is_accepted_is_stored_and_loaded_bit_by_bit(table, arguments):
    data = accept_or_refuse(table, arguments)
    if data is None:
        return
    ndim = data.observed.position.shape[1]
    domain = Domain((4,) * ndim, (1.0,) * ndim)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "data.npz"
        storage.save(path, data, domain, 0.5)
        loaded = storage.load(path, domain, 0.5)
    assert_same(loaded.observed, data.observed)
    assert str(loaded) == str(data)

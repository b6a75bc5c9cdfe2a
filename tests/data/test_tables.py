"""Tables of readings: what is accepted, how it is split, and what is said of errors."""

import builtins
import dataclasses

import numpy as np
import pandas as pd
import pytest

import hyco_jax
from hyco_jax.data.readings import SCATTERED
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity


def make_table(sensors=5, times=4, sims=("a", "b")):
    """Static sensors along a line, all read at all times of all simulations."""
    rows = [
        (sim, f"s{i}", 0.25 * i, 0.5 * k)
        for sim in sims
        for i in range(sensors)
        for k in range(times)
    ]
    sim, sensor, x, t = map(np.array, zip(*rows, strict=True))
    table = {"run": sim, "id": sensor, "x": x, "t": t, "u": np.sin(x + t).round(3)}
    return table | {"v": np.cos(x - t).round(3), "err": 0.1 + x}


WAYS = {"coords": ("x", "t"), "values": ("u", "v"), "sim": "run", "sensor": "id"}


def read(table, **changes):
    return hyco_jax.from_points(table, **WAYS | changes)


def assert_same(one, other):
    """Bit by bit, NaN where NaN."""
    for field in dataclasses.fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, np.ndarray):
            assert first.dtype == second.dtype
            np.testing.assert_array_equal(first, second)
        else:
            assert first == second, field.name


def to_structured(table):
    return pd.DataFrame(table).to_records(index=False)


def to_csv(table, folder):
    pd.DataFrame(table).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def to_parquet(table, folder):
    pytest.importorskip("pyarrow")
    pd.DataFrame(table).to_parquet(folder / "table.parquet")
    return str(folder / "table.parquet")


@pytest.mark.parametrize(
    "convert",
    [
        lambda table, _: pd.DataFrame(table),
        lambda table, _: pd.DataFrame(table).convert_dtypes(),
        lambda table, _: to_structured(table),
        lambda table, _: {name: list(column) for name, column in table.items()},
        lambda table, _: {
            name: np.ma.masked_invalid(column) if name in "uv" else column
            for name, column in table.items()
        },
        to_csv,
        to_parquet,
    ],
    ids=["frame", "nullable", "structured", "lists", "masked", "csv", "parquet"],
)
def test_every_kind_of_table_gives_the_same_readings(convert, tmp_path):
    table = make_table()
    table["u"][3] = table["v"][7] = np.nan
    expected = read(table, sigma="err", hold_out=0.2).observed
    found = read(convert(table, tmp_path), sigma="err", hold_out=0.2).observed
    assert_same(found, expected)
    np.testing.assert_array_equal(found.values[:, 0], table["u"])
    np.testing.assert_array_equal(found.values[:, 1], table["v"])
    assert found.values.dtype == found.time.dtype == np.float64
    assert (found.names, found.sims) == (("u", "v"), ("a", "b"))
    assert found.sensors == ("s0", "s1", "s2", "s3", "s4")


def test_origin_is_where_positions_and_times_are_counted_from():
    table = make_table()
    expected = read(table).observed
    moved = table | {"x": table["x"] + 5, "t": table["t"] + 2}
    found = read(moved, origin=(5, 2)).observed
    np.testing.assert_array_equal(found.position, expected.position)
    np.testing.assert_array_equal(found.time, expected.time)


@pytest.mark.parametrize("by", ["sensor", "time", "row"])
def test_what_is_held_out_depends_on_the_seed_and_not_on_the_order_of_rows(by):
    table = make_table(sensors=8, times=9)
    order = np.random.default_rng(0).permutation(len(table["t"]))
    shuffled = {name: column[order] for name, column in table.items()}
    chosen = []
    for seed in range(5):
        out = read(table, hold_out=0.25, by=by, seed=seed).observed.is_held_out
        again = read(shuffled, hold_out=0.25, by=by, seed=seed).observed.is_held_out
        np.testing.assert_array_equal(out[order], again)
        assert np.isclose(out.mean(), 0.25, atol=0.03)
        chosen.append(out.tobytes())
    assert len(set(chosen)) > 1


def test_sensors_and_times_are_held_out_as_a_whole():
    table = make_table(sensors=8, times=9)
    for by, column in (("sensor", "id"), ("time", "t")):
        out = read(table, hold_out=0.3, by=by).observed.is_held_out
        assert not set(table[column][out]) & set(table[column][~out])
    assert not out[table["t"] == 0].any()


def test_sensors_are_held_out_by_name():
    table = make_table()
    out = read(table, hold_out=("s1", "s4")).observed.is_held_out
    np.testing.assert_array_equal(out, np.isin(table["id"], ["s1", "s4"]))


def test_without_a_column_a_sensor_is_a_distinct_position():
    table = make_table()
    data = read(table, sensor=None, hold_out=[0.5, 1])
    assert data.observed.sensors == ("0", "0.25", "0.5", "0.75", "1")
    np.testing.assert_array_equal(
        data.observed.is_held_out, np.isin(table["x"], [0.5, 1.0])
    )
    assert "a sensor is a distinct position" in str(data)
    plane = table | {"y": 2 * table["x"]}
    data = read(plane, coords=("x", "y", "t"), sensor=None, hold_out=[(0.5, 1)])
    np.testing.assert_array_equal(data.observed.is_held_out, table["x"] == 0.5)


def make_points(count=50):
    rng = np.random.default_rng(0)
    return {name: rng.random(count) for name in ("x", "y", "t", "u")}


def test_scattered_points_are_held_out_by_row_or_time_but_not_by_sensor():
    with pytest.raises(ValueError, match="name the column in sensor="):
        hyco_jax.from_points(make_points(), hold_out=0.2)
    for by in ("row", "time"):
        data = hyco_jax.from_points(make_points(), hold_out=0.2, by=by)
        assert data.observed.is_held_out.sum() == 10
        assert data.observed.sensors == (SCATTERED,)
        assert "not told apart" in str(data)


def test_moving_sensors_are_told_from_static_ones():
    table = make_table()
    moving = table["id"] == "s2"
    table["x"] = np.where(moving, table["x"] + 0.1 * table["t"], table["x"])
    # In another simulation it stands elsewhere, and stands still.
    moved = (table["id"] == "s0") & (table["run"] == "b")
    table["x"] = np.where(moved, 0.9, table["x"])
    assert "4 static, 1 moving" in str(read(table))


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [
        (0.5, lambda table: (0.5, 0.5)),
        ("err", lambda table: (table["err"], table["err"])),
        ({"u": 2, "v": "err"}, lambda table: (2.0, table["err"])),
    ],
    ids=["number", "column", "mapping"],
)
def test_sigma_is_a_number_a_column_or_either_for_each_value(sigma, expected):
    table = make_table()
    found = read(table, sigma=sigma).observed.sigma
    for column, value in zip(found.T, expected(table), strict=True):
        np.testing.assert_array_equal(column, np.broadcast_to(value, column.shape))


def test_sigma_may_be_missing_where_nothing_was_read():
    table = make_table()
    table["u"][4] = table["v"][4] = table["err"][4] = np.nan
    assert np.isnan(read(table, sigma="err").observed.sigma[4]).all()


def test_rows_of_one_sensor_and_time_may_read_different_values():
    table = make_table()
    twice = {name: np.concatenate([column] * 2) for name, column in table.items()}
    count = len(table["t"])
    twice["u"][:count] = twice["v"][count:] = np.nan
    out = read(twice, hold_out=0.3, by="row").observed.is_held_out
    order = np.random.default_rng(1).permutation(2 * count)
    shuffled = {name: column[order] for name, column in twice.items()}
    again = read(shuffled, hold_out=0.3, by="row").observed.is_held_out
    np.testing.assert_array_equal(out[order], again)


def test_simulations_are_split_by_label_and_sorted_as_numbers():
    table = make_table(sims=("10", "9", "2"))
    table["run"] = table["run"].astype(float)
    data = read(table, val=[9], test="10")
    assert data.observed.sims == ("2", "9", "10")
    assert (data.train, data.val, data.test) == ((0,), (1,), (2,))


def test_print_says_what_there_is():
    table = make_table()
    table["u"][:10] = np.nan
    data = read(
        table, sigma=0.5, hold_out=["s1"], test=["b"], units={"u": "K"}, origin=(-1, 0)
    )
    text = str(data)
    for part in (
        "40 rows, 2 simulation(s)",
        "t: 4 times from 0 to 1.5",
        "x: 1 to 2",
        "5 static, 0 moving",
        "K, 75 % observed, sigma 0.5 K",
        "8 of 40 rows; all of sensor(s) 's1'",
        "train 'a'; test 'b'",
        "interpolated from the readings at t = 0",
        "'x', 't', counted from (-1.0, 0.0)",
    ):
        assert part in text
    assert "by='row', seed=3" in str(read(table, hold_out=0.2, by="row", seed=3))


def test_print_describes_data_on_the_grid():
    states = np.zeros((2, 3, 4, 5, 2))
    states[..., 1] = np.arange(5)
    states[:, 1:, :, :, 0] = np.nan
    data = dataclasses.replace(
        hyco_jax.from_arrays(states, test=(1,)), sigma=(0.5, 2.0)
    )
    for part in (
        "grid: 2 simulation(s)",
        "3 times, steps 0 to 2",
        "cells: 4 x 5",
        "channel 0: 0, 33.3 % observed, sigma 0.5",
        "channel 1: 0 to 4, 100 % observed, sigma 2",
        "train 0; test 1",
        "given with the data",
    ):
        assert part in str(data)


def spoil(name, row, value):
    table = make_table()
    column = table[name].astype(object)
    column[row] = value
    return table | {name: column}


def repeat(row):
    table = make_table()
    return {name: np.append(column, column[row]) for name, column in table.items()}


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        (spoil("t", 3, -1.0), {}, r"'t' is -1 in row 3 \(counted from 0\), before t"),
        (make_table(), {"origin": (0, 0.25)}, "'t' is 0 in row 0.*is at 0.25"),
        (repeat(6), {}, "rows 6 and 40 .* both hold 'u' of the same sensor at 1 after"),
        (make_table(), {"sim": None}, "rows 0 and 20 .*simulations in sim="),
        (make_table(), {"values": "w"}, "no column 'w'; it has 'run', 'id', 'x'"),
        (make_table(), {"sigma": "e"}, "no column 'e'; it has"),
        (spoil("u", 5, "broken"), {}, "'u' holds 'broken' in row 5 .*a number"),
        (spoil("u", 5, "1.5"), {}, "'u' holds '1.5' in row 5 .*a number"),
        (spoil("t", 5, "2020-01-01"), {}, "'t' holds '2020-01-01' in row 5.*dates"),
        (
            make_table() | {"t": np.arange(40).astype("datetime64[D]")},
            {},
            r"'t' holds dates.*df\['t'\]\.min",
        ),
        (make_table() | {"u": np.ones(40, bool)}, {}, "'u' holds bool, expected num"),
        (make_table() | {"u": np.ones(40, complex)}, {}, "'u' holds complex128"),
        (make_table() | {"u": np.ones(39)}, {}, "'u' has 39 rows, those before.* 40"),
        (make_table() | {"u": np.ones((40, 2))}, {}, r"'u' has shape \(40, 2\)"),
        (make_table() | {"u": [[1], [1, 2]]}, {}, "'u' can't be made an array"),
        (spoil("x", 2, np.nan), {}, "'x' is missing in row 2"),
        (spoil("x", 2, np.inf), {}, "'x' is infinite in float32 in row 2"),
        (spoil("u", 2, -np.inf), {}, "'u' is -inf in row 2"),
        (spoil("u", 2, 1e39), {}, r"'u' is 1e\+39 in row 2 .*float32"),
        (spoil("u", 2, 10**400), {}, "'u' is inf in row 2"),
        (spoil("run", 2, None), {}, "'run' has no label in row 2"),
        (spoil("id", 2, "a\nb"), {}, r"'id' has 'a\\nb', which can't be printed"),
        (make_table(), {"sigma": 0}, "sigma=0 of 'u', expected a finite number above"),
        (make_table(), {"sigma": {"u": 1.0}}, "sigma is given for 'u', expected one"),
        (spoil("err", 4, 0.0), {"sigma": "err"}, "sigma of 'u' is 0 in row 4"),
        (spoil("err", 4, -1.0), {"sigma": "err"}, "sigma of 'u' is -1 in row 4"),
        (spoil("err", 4, np.nan), {"sigma": "err"}, "sigma of 'u' is nan in row 4"),
        (make_table(times=1), {}, "all values were read at one time, 0 after"),
        (make_table() | {"u": np.full(40, np.nan)}, {}, "no reading of 'u' is left"),
        (make_table(), {"hold_out": [f"s{i}" for i in range(5)]}, "of 'u', 'v' is"),
        (make_table(), {"hold_out": ["s9"]}, "no sensor 's9'; there are 's0', 's1'"),
        (make_table(), {"hold_out": 1.0}, "hold_out=1.0, expected a share"),
        (make_table(), {"hold_out": ["s1"], "by": "row"}, "with by='row', expected"),
        (make_table(), {"hold_out": 0.1, "by": "day"}, "by='day' is none of"),
        (make_table(), {"hold_out": 0.1, "seed": -1}, "seed=-1, expected a whole"),
        (
            make_table(),
            {"test": ["c"]},
            "test: there is no simulation 'c'; .* 'a', 'b'",
        ),
        (make_table(), {"test": "a", "val": "a"}, "different simulations of 'a', 'b'"),
        (make_table(), {"test": ["a", "b"]}, "at least one to train on"),
        (make_table(), {"origin": (0,)}, "origin=.*expected 2 finite numbers"),
        (make_table(), {"units": {"w": "m"}}, "units are given for 'w', expected"),
        (make_table(), {"coords": ("t",)}, "has 1 names, expected 2 to 4"),
        (make_table(), {"values": ("u", "u")}, "names a column twice"),
        (make_table(), {"initial": "given"}, "does not go with readings at points"),
        (
            make_table(),
            {"initial": np.zeros((3, 8, 2))},
            r"\(3, 8, 2\), expected 2 sim",
        ),
        ({name: [] for name in make_table()}, {}, "the table has no rows"),
        ([1, 2, 3], {}, "of type list is not known; give"),
        ("nowhere.csv", {}, "there is no file nowhere.csv"),
        ("table.pickle", {}, "table.pickle is no table that is known"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_in_a_line(table, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(table, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is not a readable table"),
        ("a.csv", b"x,t,u\n1,2\n1,2,3,4,5\n", "is not a readable table"),
        ("a.csv", b"x,t,u\n1,2,3,4\n1,2,3,4\n", "more cells than its first line"),
        ("a.csv", b"x,t,u\n\xff,1,2\n", "is not a readable table"),
        ("a.csv", b"x,t,u\n0,0,1\n0,1,?\n", "'u' holds '\\?' in row 1"),
        ("a.parquet", b"PAR1 no table PAR1", "is not a readable table"),
    ],
)
def test_files_that_are_no_tables_are_refused_in_a_line(
    name, content, message, tmp_path
):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        hyco_jax.from_points(tmp_path / name, ("x", "t"))
    assert "\n" not in str(caught.value)


def without(monkeypatch, *packages):
    original = builtins.__import__

    def import_others(name, *args, **kwargs):
        if name.partition(".")[0] in packages:
            raise ImportError(f"no module named {name}")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", import_others)


def test_files_need_pandas_and_arrays_do_not(monkeypatch, tmp_path):
    table = make_table()
    path = to_csv(table, tmp_path)
    structured = to_structured(table)
    without(monkeypatch, "pandas")
    with pytest.raises(ImportError, match=r"pip install 'hyco_jax\[data\]'"):
        read(path)
    assert_same(read(table).observed, read(structured).observed)


def test_parquet_needs_a_package_that_the_extra_leaves_out(monkeypatch, tmp_path):
    def refuse(_):
        raise ImportError("Unable to find a usable engine;\ntried using: ...")

    monkeypatch.setattr(pd, "read_parquet", refuse)
    (tmp_path / "a.parquet").touch()
    with pytest.raises(ImportError, match="pip install pyarrow, or give a .csv"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("periodic", [True, False])
def test_readings_are_inside_of_the_box_and_of_predicted_channels(periodic):
    readings = read(make_table()).observed
    quantities = (Quantity("u"), Quantity("v"), Quantity("w", is_static=True))
    # The last sensor is at 1, the wall.
    hyco_jax.check_readings(readings, Domain((8,), (1.0,), periodic), quantities)
    with pytest.raises(ValueError, match=r"row 16 \(counted from 0\) lies at 1 along"):
        hyco_jax.check_readings(readings, Domain((8,), (0.9,), periodic), quantities)
    with pytest.raises(ValueError, match="1 coordinates of position, .* 2 axes"):
        domain = Domain((8, 8), (1.0, 1.0), periodic)
        hyco_jax.check_readings(readings, domain, quantities)
    with pytest.raises(
        ValueError, match="'v', which is no channel.*predict 'u'; rename"
    ):
        hyco_jax.check_readings(
            readings, Domain((8,), (1.0,), periodic), (Quantity("u"),)
        )
    static = (Quantity("u"), Quantity("v", is_static=True))
    with pytest.raises(
        ValueError, match="'v', which is no channel.*predict 'u'; rename"
    ):
        hyco_jax.check_readings(readings, Domain((8,), (1.0,), periodic), static)

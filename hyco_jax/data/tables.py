"""Observations of what sensors read, from any table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hyco_jax.data import table_checks
from hyco_jax.data.hold_out import HoldOut, check_way, choose, find_labels
from hyco_jax.data.observations import Initial, Observations
from hyco_jax.data.readings import SCATTERED, Readings
from hyco_jax.data.table_checks import LARGEST
from hyco_jax.data.table_columns import (
    is_real,
    listed,
    open_table,
    read_labels,
    read_numbers,
    shorten,
)
from hyco_jax.data.table_sensors import describe_sensors, read_sensors

Sigma = float | str | Mapping[str, float | str]


def from_points(
    table: Any,
    coords: Sequence[str] = ("x", "y", "t"),
    values: Sequence[str] = ("u",),
    *,
    sim: str | None = None,
    sensor: str | None = None,
    sigma: Sigma | None = None,
    hold_out: HoldOut = 0.0,
    by: str = "sensor",
    seed: int = 0,
    origin: Sequence[float] | None = None,
    units: Mapping[str, str] | None = None,
    train: Sequence[Any] | None = None,
    val: Sequence[Any] = (),
    test: Sequence[Any] = (),
    initial: Initial = "interpolated",
) -> Observations:
    """Makes observations of a table of readings: a row for each place and time.

    Sensors may be static, move or be scattered points; times may be irregular, and
    differ between sensors; a row may lack some of the values.

    Args:
        table: A pandas DataFrame, a mapping of arrays, a structured array, or the path
            of a .csv or .parquet file. NaN or an empty cell is what nobody read.
        coords: Columns of the position, one for each axis, and of the time, which is
            last and in the unit of `Problem.dt`. Dates are refused: which number a day
            is, only the user knows.
        values: Columns of what was read, named as channels of the state are, see
            `quantities.channel_names`.
        sim: Column that labels simulations; by default all rows are of one, "0".
        sensor: Column that labels sensors. By default a sensor is a distinct position;
            where most positions occur once, all rows are scattered points, and no
            sensors are told apart.
        sigma: Standard deviation of the readings, above 0: a number, a column, or
            either for each of `values`. By default nobody knows it.
        hold_out: What only scores see: a share in [0, 1) of the sensors, times or rows
            that read something, at least one unless it is 0; or labels of sensors.
            Without a column of them, the labels are the positions as the table has
            them, a number or a tuple.
        by: What is held out as a whole, in all simulations: "sensor", "time" (but not
            the first one, where models start) or "row".
        seed: Of what is held out; the order of the rows doesn't matter.
        origin: Coordinates, in the order of `coords`, of the lower corner of the box
            and of t = 0; by default zeros.
        units: Of values, by name, for tables and figures; nothing is converted.
        train: Labels of simulations to learn from; by default all that `val` and `test`
            leave.
        val: Labels of simulations to choose settings by.
        test: Labels of simulations to report.
        initial: States at t = 0, see `Observations`; those given as an array are in
            the order of the simulations' labels.

    Returns:
        The observations; simulations and sensors are sorted by their labels, the rows
        stay as they are. Whether they fit a problem, `readings.check_readings` says.

    Raises:
        ValueError: If the table can't be read; a column is missing or holds anything
            else than numbers; a coordinate is missing, a time is before 0, or a value
            is infinite in float32; a sensor reads a value twice at a time of a
            simulation; a sigma is missing or not above 0; there are fewer than two
            times; or nothing is left to train on.
        ImportError: If a file needs a package that is not installed.
    """
    coords = table_checks.check_names("coords", coords, 2, 4)
    values = table_checks.check_names("values", values, 1, None)
    opened = open_table(table)
    points = np.stack(_read_columns(opened, coords), axis=1)
    read = np.stack(_read_columns(opened, values, len(points)), axis=1)
    sim_of_row, sims = _read_sims(opened, sim, len(points))
    deviations = _read_sigma(opened, sigma, values, len(points))
    since, start = _shift(points, coords, origin)
    table_checks.check_points(since, coords, start)
    table_checks.check_values(read, deviations, values)
    place, sensor_of_row, sensors = read_sensors(opened, sensor, points[:, :-1])
    keys = (since[:, -1], sim_of_row, place)
    table_checks.check_repeats(keys, read, values, sim)
    is_read = np.isfinite(read)
    table_checks.check_times(since[:, -1], is_read.any(axis=1))
    check_way(hold_out, by, sensors == (SCATTERED,))
    is_held_out = choose(
        hold_out,
        by,
        seed,
        sensor_of_row,
        sensors,
        # Rows may share a time, a simulation and a sensor if they read other values.
        (*keys, *is_read.T),
        is_read.any(axis=1),
    )
    splits = _split(sims, train, val, test)
    table_checks.check_left(
        read, ~is_held_out & np.isin(sim_of_row, splits["train"]), values
    )
    readings = Readings(
        sim=sim_of_row,
        time=since[:, -1],
        position=since[:, :-1],
        values=read,
        sigma=deviations,
        sensor=sensor_of_row,
        is_held_out=is_held_out,
        row=np.arange(len(points)),
        names=values,
        sims=sims,
        sensors=sensors,
        units=_check_units(units, values),
    )
    return Observations(
        readings,
        **splits,
        initial=table_checks.check_initial(initial, len(sims), len(coords) - 1),
        notes=(
            f"coordinates {listed(coords)}, counted from ({listed(start)})",
            describe_sensors(sensor, sensors),
            *_describe_hold_out(hold_out, by, seed, is_held_out),
        ),
    )


def _read_columns(opened, names, count=None):
    columns = [read_numbers(opened, name) for name in names]
    table_checks.check_counts(names, columns, count)
    return columns


def _read_sims(opened, name, count):
    if name is None:
        return np.zeros(count, np.int32), ("0",)
    index, labels = read_labels(opened, name)
    table_checks.check_counts((name,), (index,), count)
    return index, labels


def _read_sigma(opened, sigma, values, count):
    if sigma is None:
        return None
    by_name = sigma if isinstance(sigma, Mapping) else dict.fromkeys(values, sigma)
    if set(by_name) != set(values):
        raise ValueError(
            f"sigma is given for {listed(by_name)}, expected one for each of "
            f"{listed(values)}"
        )
    columns = []
    for name in values:
        stated = by_name[name]
        if isinstance(stated, str):
            columns += _read_columns(opened, (stated,), count)
            continue
        if not is_real(stated) or not 0 < stated <= LARGEST:
            raise ValueError(
                f"sigma={shorten(stated)} of {name!r}, expected a finite number above "
                "0, or the name of a column"
            )
        columns.append(np.full(count, float(stated)))
    return np.stack(columns, axis=1)


def _shift(points, coords, origin):
    """Counts coordinates from the lower corner of the box and from t = 0."""
    start = [0.0] * len(coords) if origin is None else np.ravel(origin).tolist()
    are_finite = all(is_real(x) and abs(x) <= LARGEST for x in start)
    if len(start) != len(coords) or not are_finite:
        raise ValueError(
            f"origin={shorten(origin)}, expected {len(coords)} finite numbers: the "
            f"coordinates {listed(coords)} of the box's lower corner and of t = 0"
        )
    return points - np.array(start), tuple(map(float, start))


def _split(sims, train, val, test):
    wanted = {"val": val, "test": test} | ({} if train is None else {"train": train})
    splits = {
        name: find_labels(
            labels if np.iterable(labels) and not isinstance(labels, str) else [labels],
            sims,
            name,
            "simulation",
        )
        for name, labels in wanted.items()
    }
    taken = [i for chosen in splits.values() for i in chosen]
    splits.setdefault("train", tuple(i for i in range(len(sims)) if i not in taken))
    if not splits["train"] or len(set(taken)) < len(taken):
        raise ValueError(
            f"train={shorten(train)}, val={shorten(val)} and test={shorten(test)} have "
            f"to be different simulations of {listed(sims)}, at least one to train on"
        )
    return splits


def _check_units(units, values):
    units = units or {}
    unknown = set(units) - set(values)
    if unknown:
        raise ValueError(
            f"units are given for {listed(sorted(map(str, unknown)))}, expected some "
            f"of {listed(values)}"
        )
    texts = tuple(str(units.get(name, "")) for name in values)
    if not all(text.isprintable() for text in texts):
        raise ValueError(f"units={shorten(units)} can't be printed in a line")
    return texts


def _describe_hold_out(hold_out, by, seed, is_held_out):
    if not is_held_out.any():
        return ()
    if is_real(hold_out):
        return (f"held-out rows drawn: hold_out={hold_out}, by={by!r}, seed={seed}",)
    return ("held-out rows: of sensors that were named",)

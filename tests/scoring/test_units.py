"""Axes of figures: long records in seconds are shown in days, hours or minutes."""

import numpy as np
import pytest

from hyco_jax.scoring.plots import units


@pytest.mark.parametrize(
    ("last", "unit", "shown"),
    [
        (3.1536e7, "days", 365.0),
        (86_400.0, "hours", 24.0),
        (600.0, "min", 10.0),
        (90.0, "s", 90.0),
    ],
)
def test_a_record_in_seconds_is_shown_in_the_longest_unit_it_holds_twice(
    last, unit, shown
):
    arrays = {
        "time_unit": np.array("s"),
        "times": np.array([0.0, last]),
        "dt": np.array(last),
        "readings/time": np.array([last / 2]),
        "extent": np.array([last]),
    }
    found = units.readable(arrays)
    assert units.time(found) == f"time t ({unit})"
    np.testing.assert_allclose(found["times"], [0, shown])
    np.testing.assert_allclose(
        [found["dt"], *found["readings/time"]], [shown, shown / 2]
    )
    assert found["extent"][0] == last and arrays["times"][1] == last


def test_without_a_unit_nothing_is_converted_or_named():
    arrays = {"time_unit": np.array(""), "times": np.array([0.0, 1e9])}
    assert units.readable(arrays)["times"][1] == 1e9
    assert units.time(arrays) == "time t" and units.position({}, "y") == "position y"
    assert units.position({"length_unit": np.array("m")}) == "position x (m)"

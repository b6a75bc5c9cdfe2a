import dataclasses

import numpy as np
import pytest

from hyco_jax.data import baseline
from tests.scoring import sensing


def linear(position, time):
    return 1 + position @ np.array([2.0, -3.0, 0.5])[: position.shape[1]] + 4 * time


@pytest.mark.parametrize("moving", [False, True], ids=["static", "moving"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_it_is_exact_for_linear_functions_within_the_sensors(ndim, moving):
    observed = sensing.make(ndim, linear, moving=moving)
    # Corners stay where they are, so that the box at all times is within them.
    found = baseline.interpolate(observed)
    np.testing.assert_allclose(found, observed.values, atol=1e-9)


def test_static_sensors_on_a_line_are_exact_for_multilinear_functions():
    observed = sensing.make(1, lambda x, t: 1 + x[:, 0] - 2 * t + 3 * x[:, 0] * t)
    found = baseline.interpolate(observed)
    np.testing.assert_allclose(found, observed.values, atol=1e-12)


def test_sensors_on_a_slanted_line_in_a_plane_are_interpolated_along_it():
    observed = sensing.make(1, lambda x, t: x[:, 0] * (1 + t))
    position = observed.position * [[3.0, 0.1]]
    found = baseline.interpolate(dataclasses.replace(observed, position=position))
    np.testing.assert_allclose(found, observed.values, atol=1e-9)


def test_beyond_the_sensors_the_nearest_counts():
    observed = sensing.make(2, lambda x, t: x[:, 0] + t)
    outside = observed.is_held_out & (observed.sensor == 5)
    position = np.where(outside[:, None], [[9.0, 4.5]], observed.position)
    moved = dataclasses.replace(observed, position=position)
    found = baseline.interpolate(moved)[outside, 0]
    # That of the corner (6, 4).
    np.testing.assert_allclose(found, 6 + observed.time[outside], atol=1e-12)


def test_a_sensor_counts_only_between_its_first_and_last_reading():
    observed = sensing.make(1, lambda x, t: x[:, 0] ** 2 + t, sensors=2, times=11)
    # Corners 0 and 6, and two sensors between of which the second is held out.
    inner = observed.sensor == 2
    values = np.where((inner & (observed.time > 0.5))[:, None], np.nan, observed.values)
    found = baseline.interpolate(dataclasses.replace(observed, values=values))
    own, at = observed.sensor == 3, observed.position[:, 0]
    late, x = own & (observed.time > 0.5), at[own][0]
    np.testing.assert_allclose(found[late, 0], 6 * x + observed.time[late], atol=1e-12)
    early = own & (observed.time < 0.5)
    places = np.array([0, at[inner][0], 6])
    expected = np.interp(x, places, places**2) + observed.time[early]
    np.testing.assert_allclose(found[early, 0], expected, atol=1e-12)


@pytest.mark.parametrize("moving", [False, True], ids=["static", "moving"])
@pytest.mark.parametrize("ndim", [1, 2])
def test_what_is_held_out_is_never_looked_at(ndim, moving):
    def wave(position, time):
        return np.sin(position.sum(axis=1) + time)

    observed = sensing.make(ndim, wave, moving=moving)
    hidden = observed.values.copy()
    hidden[observed.is_held_out] = np.nan
    found = baseline.interpolate(dataclasses.replace(observed, values=hidden))
    np.testing.assert_array_equal(found, baseline.interpolate(observed))
    assert np.abs(found - observed.values)[observed.is_held_out].max() > 1e-3


def test_simulations_and_channels_are_interpolated_by_themselves():
    observed = sensing.make(1, linear, sims=3)
    values = observed.values + 10 * observed.sim[:, None]
    values[observed.sim == 1, 1] = np.nan
    gaps = (observed.sim == 2) & (observed.time == 0.5) & (observed.sensor == 3)
    values[gaps, 0] = np.nan
    found = baseline.interpolate(dataclasses.replace(observed, values=values))
    exact = observed.values + 10 * observed.sim[:, None]
    exact[observed.sim == 1, 1] = np.nan
    np.testing.assert_allclose(found, exact, atol=1e-9)


@pytest.mark.parametrize("moving", [False, True], ids=["static", "scattered"])
def test_repeated_readings_count_by_their_mean(moving):
    observed = sensing.make(1, linear, moving=moving)
    twice = observed.select(np.tile(np.arange(observed.count), 2))
    shift = np.where(np.arange(twice.count) < observed.count, -1.0, 1.0)[:, None]
    found = baseline.interpolate(
        dataclasses.replace(twice, values=twice.values + shift)
    )
    np.testing.assert_allclose(found, twice.values, atol=1e-9)


def test_records_that_all_end_at_times_of_their_own_are_close_to_exact():
    rng = np.random.default_rng(2)
    observed = sensing.make(1, linear, sensors=80, times=30)
    time = np.sort(rng.random(observed.count).reshape(-1, 30), axis=1).ravel()
    values = np.repeat(linear(observed.position, time)[:, None], 2, axis=1)
    moved = dataclasses.replace(observed, time=time, values=values)
    inner = observed.is_held_out & (time > 0.2) & (time < 0.8)
    error = (baseline.interpolate(moved) - values)[inner]
    np.testing.assert_allclose(error, 0, atol=1e-9)

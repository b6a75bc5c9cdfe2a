"""Readings in a problem: where they are, what they count, and the states at t = 0."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data import initial_states, placement
from hyco_jax.data.grid_readings import grid_readings
from hyco_jax.data.observations import from_arrays
from hyco_jax.grids import interpolation
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from tests import readings as decay

PROBLEM = decay.make_problem()


def place(readings, **changes):
    observations = decay.observe(PROBLEM, readings)
    return placement.place(dataclasses.replace(observations, **changes), PROBLEM)


def test_samples_hold_each_training_reading_once():
    readings = decay.make_readings()
    placed = place(readings)
    trains = ~readings.is_held_out
    rows, records = placed.real.rows, placed.real.records
    assert rows.count == trains.sum() and records.count == 2
    np.testing.assert_allclose(rows.targets[:, 0], readings.values[trains], rtol=1e-6)
    assert (records.weights > 0).sum() == trains.sum()
    kept = records.targets[records.weights > 0]
    np.testing.assert_allclose(
        np.sort(kept), np.sort(readings.values[trains].ravel()), rtol=1e-6
    )


def test_without_a_sigma_errors_are_measured_by_the_variance():
    readings = decay.make_readings()
    placed = place(readings)
    variance = readings.values[~readings.is_held_out].var()
    np.testing.assert_allclose(placed.unit, variance)
    np.testing.assert_allclose(placed.std**2, variance)
    np.testing.assert_allclose(placed.real.rows.weights, 1.0, rtol=1e-6)


def test_a_query_for_all_readings_tells_where_each_is():
    readings = decay.make_readings()
    query, where = placement.all_points(readings, place(readings), PROBLEM.dt)
    found = np.asarray(query.points)[where[:, 0], where[:, 1]]
    np.testing.assert_allclose(found[:, 0], readings.time, rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:], readings.position, rtol=1e-6)
    np.testing.assert_array_equal(where[:, 0], readings.sim)


def test_a_sensor_on_a_cell_centre_equals_the_grid():
    states = decay.u0(PROBLEM)[:, None] * np.exp(-np.arange(4))[None, :, None, None]
    readings = grid_readings(
        from_arrays(states), PROBLEM.domain, PROBLEM.dt, PROBLEM.quantities
    )
    placed = place(readings)
    query, where = placement.all_points(readings, placed, PROBLEM.dt)
    at_points = [
        interpolation.at_points(
            jnp.asarray(u, jnp.float32), x, PROBLEM.domain, decay.DT
        )
        for u, x in zip(states, query.points, strict=True)
    ]
    answers = np.stack(at_points)[where[:, 0], where[:, 1]]
    np.testing.assert_allclose(answers, readings.values, rtol=1e-4, atol=1e-6)


def test_readings_that_drive_the_system_are_neither_trained_on_nor_scored():
    readings = decay.make_readings(held_out=0.3)
    drives = readings.position[:, 0] < 1.0

    def drive(seen, domain, times):
        assert not seen.is_held_out.any()
        given = np.zeros((2, len(times), *domain.resolution, 1), np.float32)
        return given, seen.position[:, 0] < 1.0

    problem = dataclasses.replace(
        PROBLEM,
        quantities=(Quantity("temperature"), Quantity("ends", is_driven=True)),
        drive=drive,
    )
    placed = placement.place(decay.observe(problem, readings), problem)
    np.testing.assert_array_equal(placed.is_used, ~drives | readings.is_held_out)
    assert placed.real.rows.count == (~drives & ~readings.is_held_out).sum()
    assert placed.real.records.query.given.shape == (2, 9, 16, 1)
    with pytest.raises(ValueError, match="no reading is left to train on"):
        everything = dataclasses.replace(problem, drive=lambda *a: (drive(*a)[0], ...))
        placement.place(decay.observe(problem, readings), everything)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("periodic", [True, False])
def test_the_first_state_is_interpolated_from_the_readings_at_the_start(ndim, periodic):
    domain = Domain((6,) * ndim, (1.0,) * ndim, periodic)
    rng = np.random.default_rng(ndim)
    places = rng.uniform(size=(150, ndim))

    def smooth(x):
        return np.cos(2 * np.pi * x).sum(axis=-1)

    centres = domain.coordinates().reshape(-1, ndim)
    found = initial_states.fit_surface(places, smooth(places), centres, domain)
    # Of 150 readings, 5 along each of three axes.
    assert np.abs(found - smooth(centres)).max() < [0.1, 0.3, 1.1][ndim - 1]
    noisy = smooth(places) + 0.5 * rng.normal(size=150)
    found = initial_states.fit_surface(places, noisy, centres, domain)
    error = np.sqrt(np.mean((found - smooth(centres)) ** 2))
    assert error < 0.45  # smoothed: less than the noise


def test_the_first_state_may_be_a_function_of_position_or_an_array():
    readings = decay.make_readings()
    exact = decay.u0(PROBLEM)[0]
    placed = place(readings, initial=lambda x: decay.wave(x, 0.0))
    np.testing.assert_allclose(placed.u0, np.stack([exact, exact]), rtol=1e-6)
    both = np.stack([exact, 2 * exact])
    placed = place(readings, initial=lambda x: np.stack([decay.wave(x, 0.0)] * 2))
    np.testing.assert_allclose(placed.u0[1], exact, rtol=1e-6)
    np.testing.assert_allclose(place(readings, initial=both).u0, both, rtol=1e-6)


@pytest.mark.parametrize(
    ("initial", "text"),
    [
        (np.zeros((2, 15, 1)), r"shape \(2, 15, 1\), expected \(2, 16, 1\)"),
        (np.full((2, 16, 1), np.nan), "not finite"),
        ("given", "does not fit readings at points"),
        ("interpolated", "no reading of temperature before t = 0.05"),
    ],
)
def test_a_first_state_that_is_not_known_is_an_error(initial, text):
    readings = decay.make_readings()
    late = dataclasses.replace(readings, time=readings.time + decay.DT)
    with pytest.raises(ValueError, match=text):
        place(late, initial=initial)

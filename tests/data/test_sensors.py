"""Sensors read a simulation whose start nobody knows; the rest of it is held out."""

import dataclasses

import numpy as np
import pytest

from hyco_jax.data import initial_states, placement, sensors
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.pde import kuramoto_sivashinsky as ks
from hyco_jax.scoring import readings as scores
from tests import readings as decay

GRID = ks.Settings(resolution=(24,), extent=(12.0,))
DATA = ks.DataSettings(
    num_steps=12, every=2, sensors=6, spin_up=5, refine=1, forecast_steps=4
)
PROBLEM = ks.make_problem(GRID, DATA)


def observe(key, **changes):
    data = dataclasses.replace(DATA, **changes)
    return sensors.observe(ks.make_problem(GRID, data), data, key)


def test_what_no_sensor_reads_is_held_out_without_noise(key):
    data = observe(key)
    readings, truth = data.observed, data.truth.states[0]
    cell = np.floor(readings.position[:, 0] / PROBLEM.domain.dx[0]).astype(int)
    step = np.rint(readings.time / PROBLEM.dt).astype(int)
    error = readings.values[:, 0] - truth[step, cell, 0]
    held = readings.is_held_out
    np.testing.assert_array_equal(error[held], 0)
    assert np.all(error[~held] != 0) and (~held).sum() == 6 * 6
    assert set(step[~held]) == {2, 4, 6, 8, 10, 12}
    # Evenly spaced, in the middle of their part each.
    assert sorted(set(cell[~held])) == [2, 6, 10, 14, 18, 22]
    rows = scores.splits(data)
    assert set(step[rows["forecast"]]) == {14, 16} and rows["forecast"].sum() == 48
    assert rows["held_out"].sum() == 18 * 6
    assert truth.shape == (17, 24, 1)


def test_the_noise_has_the_stated_size(key):
    # Many readings: every cell and step.
    data = observe(key, sensors=24, every=1, num_steps=60, noise_std=0.3)
    readings, truth = data.observed, data.truth.states[0, :61]
    seen = ~readings.is_held_out
    error = readings.values[seen].reshape(60, 24) - truth[1:, :, 0]
    assert error.std() == pytest.approx(0.3 * truth.std(), rel=0.05)


def test_a_finer_truth_has_the_same_values_at_the_centres(key):
    coarse, even, odd = (
        observe(key, refine=r, spin_up=0, num_steps=2, forecast_steps=0).truth.states
        for r in (1, 2, 3)
    )
    # An odd factor has the same centres; an even one the mean of two neighbours.
    np.testing.assert_allclose(odd[:, 0], coarse[:, 0], atol=1e-5)
    assert 1e-5 < np.abs(even[:, 0] - coarse[:, 0]).max() < 0.02


def test_more_sensors_than_cells_are_refused(key):
    with pytest.raises(ValueError, match="config.data.sensors=20 is not allowed"):
        observe(key, sensors=20, region=((0.0, 0.5),))
    walls = dataclasses.replace(
        PROBLEM, quantities=(Quantity("velocity", is_staggered=True),)
    )
    with pytest.raises(ValueError, match="can't read"):
        sensors.observe(walls, DATA, key)


@pytest.mark.parametrize("periodic", [True, False])
def test_guesses_are_linear_between_readings_and_go_round(periodic):
    domain = Domain((8,), (4.0,), periodic)
    time, x = (a.ravel() for a in np.meshgrid(np.arange(1.0, 4.0), [0.5, 1.5, 3.5]))
    readings = dataclasses.replace(
        decay.make_readings(len(x), num_sims=1),
        sim=np.zeros(len(x), np.int32),
        time=time,
        position=x[:, None],
        values=(x + 10 * time)[:, None],
        is_held_out=np.zeros(len(x), bool),
    )
    quantities = (Quantity("temperature"), Quantity("nobody reads"))
    found = initial_states.guess_states(
        readings, np.array([0.0, 1.25, 9.0]), domain, quantities
    )
    assert found.shape == (1, 3, 8, 2) and found.dtype == np.float32
    centres = domain.coordinates()[:, 0]
    inside = (centres >= 0.5) & (centres <= 3.5)
    expected = centres + 12.5
    np.testing.assert_allclose(found[0, 1, inside, 0], expected[inside], rtol=1e-6)
    # Beyond: round the box, from 3.5 to 4.5, or the nearest.
    last = 12.5 + (3.5 - 0.25 * 3.0 if periodic else 3.5)
    assert found[0, 1, -1, 0] == pytest.approx(last, rel=1e-6)
    # Before the first reading and after the last: as these.
    np.testing.assert_allclose(found[0, 0], found[0, 1] - [2.5, 0], rtol=1e-5)
    np.testing.assert_allclose(found[0, 2] - found[0, 0], [[20.0, 0.0]] * 8, rtol=1e-5)
    assert not found[..., 1].any()


def test_pieces_hold_every_reading_once_at_its_time_since_their_beginning():
    readings = decay.make_readings()
    observed = decay.observe(decay.make_problem(), readings)
    placed = placement.place(observed, decay.make_problem(), num_segments=3)
    pieces, length = placed.real.pieces, placed.segment_steps
    assert (length, pieces.count) == (3, 2 * 3)
    where = np.asarray(pieces.weights)[..., 0] > 0
    assert where.sum() == (~readings.is_held_out).sum()
    points = np.asarray(pieces.query.points)[where]
    begin = np.repeat(np.tile(np.arange(3), 2), where.sum(axis=1)) * length * decay.DT
    assert np.all((points[:, 0] > 0) & (points[:, 0] <= length * decay.DT + 1e-6))
    order = np.argsort(points[:, 0] + begin)
    trains = ~readings.is_held_out
    expected = np.argsort(readings.time[trains])
    np.testing.assert_allclose(
        (points[:, 0] + begin)[order], readings.time[trains][expected], rtol=1e-5
    )
    np.testing.assert_allclose(
        np.asarray(pieces.targets)[where][order, 0],
        readings.values[trains][expected, 0],
        rtol=1e-6,
    )
    # The first of each starts from the given state, the others from guesses.
    np.testing.assert_array_equal(pieces.query.u0[::3], placed.u0)


def test_what_scores_count_apart_trains_nothing():
    readings = decay.make_readings()
    observed = decay.observe(decay.make_problem(), readings)
    together = placement.place(observed, decay.make_problem())
    placed = placement.place(observed, decay.make_problem(), scores_apart=True)
    rows, apart = placed.real.rows, placed.real.scored.rows
    assert together.real.scored is together.real
    assert apart.count == np.ceil(0.1 * together.real.rows.count)
    both = np.concatenate([rows.targets, apart.targets]).ravel()
    everything = together.real.rows.targets.ravel()
    np.testing.assert_array_equal(np.sort(both), np.sort(everything))
    seen = (
        np.asarray(part.records.weights > 0).sum()
        for part in (placed.real, placed.real.scored)
    )
    assert tuple(seen) == (rows.count, apart.count)

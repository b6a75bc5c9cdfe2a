import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hyco_jax
from hyco_jax.data import observations
from hyco_jax.grids import interpolation
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity

QUANTITIES = (
    Quantity("u"),
    Quantity("velocity", 2, is_staggered=True),
    Quantity("v"),
    Quantity("known", is_static=True),
)
DT = 0.25


def observe(periodic, share, sigma=None):
    """A third of a grid whose cells are powers of 2, so that positions are exact."""
    domain = Domain((4, 6), (2.0, 1.5), periodic)
    rng = np.random.default_rng(0)
    states = rng.normal(size=(2, 5, 4, 6, 5)).astype(np.float32)
    if not periodic:
        states[:, :, 0, :, 1] = states[:, :, :, 0, 2] = 0
    weights = rng.uniform(size=states.shape) < share
    made = observations.from_arrays(states, weights)
    return dataclasses.replace(made, sigma=sigma), domain


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_readings_are_the_grids_values_where_they_are(periodic, share):
    observed, domain = observe(periodic, share)
    readings = hyco_jax.grid_readings(observed, domain, DT, QUANTITIES)
    assert readings.names == ("u", "velocity_x", "velocity_y", "v")
    points = np.column_stack([readings.time, readings.position])
    read = jax.vmap(
        lambda states: interpolation.at_points(
            states, jnp.asarray(points, jnp.float32), domain, DT, QUANTITIES
        )
    )(observed.observed.states)
    here = np.asarray(read)[readings.sim, np.arange(readings.count), :4]
    seen = np.isfinite(readings.values)
    np.testing.assert_array_equal(readings.values[seen], here[seen])
    # All that is observed, later than t = 0 and not on a wall, and each once.
    weights = np.array(observed.observed.weights)[:, 1:, ..., :4]
    if not periodic:
        weights[:, :, 0, :, 1] = weights[:, :, :, 0, 2] = 0
    np.testing.assert_array_equal(seen.sum(axis=0), weights.sum(axis=(0, 1, 2, 3)))
    assert seen.any(axis=1).all() and readings.time.min() == DT
    assert not readings.is_held_out.any() and readings.sigma is None


def test_a_cell_is_one_sensor_and_a_face_another():
    observed, domain = observe(True, 0.5)
    readings = hyco_jax.grid_readings(observed, domain, DT, QUANTITIES)
    assert len(readings.sensors) == len(set(readings.sensors)) == 3 * 24
    places = {}
    for sensor, place in zip(readings.sensor, readings.position, strict=True):
        places.setdefault(sensor, set()).add(tuple(place))
    assert all(len(place) == 1 for place in places.values())
    assert len(set.union(*places.values())) == 3 * 24
    first = readings.sensors.index("1,2")
    assert places[first] == {(0.75, 0.625)}
    face = readings.sensors.index("velocity_x 1,2")
    assert places[face] == {(0.5, 0.625)}


def test_sigma_goes_along_and_weights_divide_its_square():
    sigma = (0.1, 0.2, 0.4, 0.8, 1.0)
    observed, domain = observe(True, 0.5, sigma)
    weights = observed.observed.weights.at[..., 3].multiply(4)
    trajectories = observed.observed.replace(weights=weights)
    weighted = dataclasses.replace(observed, observed=trajectories)
    readings = hyco_jax.grid_readings(weighted, domain, DT, QUANTITIES)
    expected = np.where(np.isfinite(readings.values), (0.1, 0.2, 0.4, 0.4), np.nan)
    np.testing.assert_allclose(readings.sigma, expected)
    with pytest.raises(ValueError, match="only say by their sigma"):
        bare = dataclasses.replace(weighted, sigma=None)
        hyco_jax.grid_readings(bare, domain, DT, QUANTITIES)


def test_the_grid_has_to_be_that_of_the_data():
    observed, _ = observe(True, 1.0)
    with pytest.raises(ValueError, match="give the grid of the data"):
        hyco_jax.grid_readings(observed, Domain((4, 4), (1, 1)), DT, QUANTITIES)

"""States with several quantities: what is predicted, and the same on coarser grids."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids import quantities, resampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.grids.resampling import Resampling
from hyco_jax.pde.kernels import pressure
from hyco_jax.types import Trajectories
from tests import order

SMOKE = (
    Quantity("density"),
    Quantity("velocity", 2, is_staggered=True),
    Quantity("inflow", is_static=True),
)
DRIVEN = Quantity("heater", 2, is_driven=True)
BOXES = [Domain((8, 12), (2.0, 3.0), periodic) for periodic in (True, False)]
restrict = jax.jit(resampling.restrict, static_argnums=(1, 2, 3))
prolong = jax.jit(resampling.prolong, static_argnums=(1, 2, 3))
BOTH_BOXES = pytest.mark.parametrize("domain", BOXES, ids=["periodic", "closed"])


def random_state(key, domain):
    """A state with zeros on the lower walls of a closed box."""
    u = jax.random.normal(key, (3, *domain.resolution, quantities.num_channels(SMOKE)))
    walls = quantities.predicted_entries(SMOKE[:2], domain)
    walls = np.concatenate([walls, np.ones((*walls.shape[:-1], 1), bool)], axis=-1)
    return jnp.where(walls, u, 0)


def test_static_channels_and_faces_on_walls_are_not_predicted():
    periodic, closed = (quantities.predicted_entries(SMOKE, domain) for domain in BOXES)
    np.testing.assert_array_equal(periodic, [[[True, True, True, False]]])
    expected = np.ones((8, 12, 4), bool)
    expected[..., 3] = False
    expected[0, :, 1] = False
    expected[:, 0, 2] = False
    np.testing.assert_array_equal(closed, expected)


def test_driven_channels_are_not_predicted_either():
    entries = quantities.predicted_entries((*SMOKE, DRIVEN), BOXES[0])
    np.testing.assert_array_equal(entries, [[[True] * 3 + [False] * 3]])


def test_channels_are_named_in_order():
    found = {name: (s.start, s.stop) for name, s in quantities.channels(SMOKE).items()}
    assert found == {"density": (0, 1), "velocity": (1, 3), "inflow": (3, 4)}
    counts = quantities.num_channels, quantities.num_known, quantities.num_driven
    assert [count(SMOKE) for count in counts] == [4, 1, 0]
    assert [count((*SMOKE, DRIVEN)) for count in counts] == [6, 3, 2]


@pytest.mark.parametrize(
    "impossible, message",
    [
        ((SMOKE[2], SMOKE[0]), "then the static ones"),
        ((SMOKE[0], DRIVEN, SMOKE[2]), "then the driven ones"),
        ((SMOKE[0], DRIVEN._replace(is_static=True)), "are out of order"),
        ((Quantity("velocity", 3, is_staggered=True),), "one for each of the 2 axes"),
    ],
    ids=["static first", "driven first", "both", "components"],
)
def test_impossible_states_are_refused(impossible, message):
    with pytest.raises(ValueError, match=message):
        quantities.predicted_entries(impossible, BOXES[0])


@BOTH_BOXES
def test_restriction_undoes_prolongation(key, domain):
    u = random_state(key, domain)
    fine = prolong(u, 3, SMOKE, domain)
    assert fine.shape == (3, 24, 36, 4)
    back = restrict(fine, 3, SMOKE, domain.refined(3))
    # Means over 9 cells, in float32.
    np.testing.assert_allclose(back, u, atol=1e-6)


@BOTH_BOXES
def test_restriction_keeps_the_integral_and_the_net_outflow(key, domain):
    fine = random_state(key, domain)
    coarse = restrict(fine, 2, SMOKE, domain)
    half = dataclasses.replace(domain, resolution=(4, 6))
    np.testing.assert_allclose(
        coarse[..., 0].mean((1, 2)), fine[..., 0].mean((1, 2)), atol=1e-6
    )
    # A coarse cell's outflow is that of its four cells: the faces between them cancel.
    blocks = outflow(fine, domain).reshape(3, 4, 2, 6, 2).sum(axis=(2, 4))
    np.testing.assert_allclose(outflow(coarse, half), blocks, atol=1e-5)


def outflow(u, domain):
    """Sum of the fluxes out of each cell through its faces."""
    total = 0
    for axis, h in enumerate(domain.dx):
        across = np.prod(domain.dx) / h
        lower = np.asarray(u[..., 1 + axis])
        upper = np.roll(lower, -1, axis + 1)
        if not domain.periodic:
            np.moveaxis(upper, axis + 1, 0)[-1] = 0
        total = total + across * (upper - lower)
    return total


def test_prolongation_is_exact_for_linear_states():
    domain = BOXES[1]
    fine = domain.refined(2)
    plane = [1 + grid.coordinates() @ np.array([2.0, 3.0]) for grid in (domain, fine)]
    u = jnp.float32(plane[0])[None, ..., None]
    found = prolong(u, 2, (Quantity("u"),), domain)
    np.testing.assert_allclose(found[0, ..., 0], plane[1], atol=1e-5)


def test_a_coarse_cell_is_observed_if_all_of_its_cells_are():
    grids = Resampling(Domain((6,), (1.0,)), Domain((3,), (1.0,)), (Quantity("u"),))
    weights = np.array([1, 1, 1, 0, 0, 0], np.float32).reshape(1, 1, 6, 1)
    states = jnp.where(weights > 0, jnp.arange(6.0).reshape(1, 1, 6, 1), jnp.nan)
    real = grids.observed_to_common(Trajectories(states, jnp.asarray(weights)))
    np.testing.assert_array_equal(real.weights.ravel(), [1, 0, 0])
    assert float(real.states[0, 0, 0, 0]) == 0.5
    one = grids.observed_to_common(Trajectories(states, jnp.ones((1, 1, 1, 1))))
    assert one.weights.shape == (1, 1, 1, 1)


def test_what_is_observed_stays_as_it_is_where_the_physical_grid_is_finer(key):
    domain = BOXES[0]
    u = random_state(key, domain)
    grids = Resampling(domain, domain.refined(3), SMOKE)
    assert grids.common == domain
    real = Trajectories(u[:, None], jnp.ones((1, 1, 8, 1, 1)))
    kept = grids.observed_to_common(real)
    assert kept.states is real.states and kept.weights is real.weights
    assert grids.to_physical(u).shape == (3, 24, 36, 4)
    np.testing.assert_allclose(grids.to_data(grids.to_physical(u)), u, atol=1e-6)


def test_both_directions_undo_each_other_on_a_coarser_grid_too(key):
    coarse = BOXES[1]
    u = random_state(key, coarse)
    grids = Resampling(coarse.refined(2), coarse, SMOKE)
    assert grids.common == coarse
    np.testing.assert_allclose(grids.to_physical(grids.to_data(u)), u, atol=1e-6)
    same = Resampling(coarse, coarse, SMOKE)
    assert same.to_physical(u) is u and same.to_data(u) is u and same.to_common(u) is u


def test_a_grid_is_a_whole_number_of_times_finer_or_not():
    domain = BOXES[0]
    assert [domain.refined(n).times_finer(domain) for n in (1, 2, 5)] == [1, 2, 5]
    others = (
        domain.refined(2),
        Domain((12, 12), domain.extent),
        Domain((4, 4), domain.extent),
        Domain((4, 6), (2.0, 4.0)),
        Domain((4, 6), domain.extent, periodic=False),
        Domain((4,), (2.0,)),
    )
    assert [domain.times_finer(other) for other in others] == [0] * len(others)
    with pytest.raises(ValueError, match="divided or multiplied by a whole number"):
        Resampling(domain, others[1], SMOKE)


@BOTH_BOXES
def test_a_prolonged_velocity_has_the_same_net_outflow_of_every_coarse_cell(
    key, domain
):
    u = random_state(key, domain)
    fine = outflow(prolong(u, 2, SMOKE, domain), domain.refined(2))
    blocks = fine.reshape(3, 8, 2, 12, 2).sum(axis=(2, 4))
    np.testing.assert_allclose(blocks, outflow(u, domain), atol=1e-5)


def test_the_divergence_of_a_prolonged_solenoidal_velocity_is_of_first_order():
    quantity = (Quantity("velocity", 2, is_staggered=True),)
    errors = []
    for n in (16, 32, 64):
        domain = Domain((n, n), (2 * np.pi,) * 2)
        # The differences of a stream function at the corners: no cell has an outflow.
        x, y = np.moveaxis(domain.coordinates() - np.array(domain.dx) / 2, -1, 0)
        stream = np.sin(x + 2 * y) + np.cos(2 * x - y)
        along_x = np.roll(stream, -1, 1) - stream
        along_y = stream - np.roll(stream, -1, 0)
        u = jnp.float32(np.stack([along_x, along_y], axis=-1)[None] / domain.dx[0])
        assert abs(pressure.divergence(domain, u[0])).max() < 1e-5
        fine = domain.refined(2)
        (u,) = prolong(u, 2, quantity, domain)
        errors.append(abs(pressure.divergence(fine, u)).max())
    assert order.of(errors).order == pytest.approx(1, abs=0.15)

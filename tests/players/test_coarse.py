"""A physical model on a coarser grid than the data's."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data import record as records
from hyco_jax.grids import resampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models import rollout
from hyco_jax.players import coarse as coarse_player
from hyco_jax.players import windowed as players
from tests import pair, toy

pytestmark = pytest.mark.usefixtures("quick_compilation")

FINE, COARSE = Domain((16,), (16.0,)), Domain((8,), (16.0,))
QUANTITIES = (Quantity("u"),)
PARAMS = {"rate": jnp.array(toy.RATE)}

restrict = functools.partial(
    resampling.restrict, factor=2, quantities=QUANTITIES, domain=FINE
)
prolong = functools.partial(
    resampling.prolong, factor=2, quantities=QUANTITIES, domain=COARSE
)
restrict_observed = functools.partial(
    resampling.restrict_observed, factor=2, quantities=QUANTITIES, domain=FINE
)


@pytest.fixture
def real(key):
    """Fine data whose cell averages are an exact coarse trajectory."""
    return toy.observed(prolong(toy.trajectories(key)))


def make_player(real):
    record = records.make_record(restrict_observed(real), QUANTITIES)
    player = players.make_physical_player(
        record,
        pair.PHYSICAL,
        step=toy.diffuse,
        tx=None,
        sample_u0=lambda key, n: restrict(toy.sample_u0(key, n, size=16)),
        partner=pair.SYNTHETIC,
    )
    return coarse_player.on_coarser_grid(
        player,
        restrict=restrict,
        restrict_observed=restrict_observed,
        prolong=prolong,
    )


def test_the_true_coefficient_explains_the_cell_averages(real):
    player = make_player(real)
    assert player.score(PARAMS, real) < 1e-10
    assert player.score({"rate": jnp.array(0.1)}, real) > 1e-4


def test_predictions_are_one_coarse_rollout_prolonged_at_the_end(key, real):
    generated, along_real = make_player(real).generate(PARAMS, real, key)
    assert along_real is None
    u0 = restrict(toy.sample_u0(key, 2, size=16))
    states = rollout.rollouts(toy.diffuse, PARAMS, u0, pair.SYNTHETIC.num_predict_steps)
    np.testing.assert_allclose(generated, prolong(states), atol=1e-6)


def test_the_partners_predictions_meet_the_solver_on_its_own_grid(key, real):
    generated = toy.sample_u0(key, 10, size=16).reshape(2, 5, 16, 1)
    parts = make_player(real).augment(real, generated, 0.5)
    assert [part.targets.shape for part in parts] == [(2, 7, 8, 1), (2, 5, 8, 1)]
    np.testing.assert_allclose(
        parts[1].targets[..., 0],
        np.asarray(generated).reshape(2, 5, 8, 2).mean(axis=-1),
        atol=1e-6,
    )


def test_with_gaps_only_whole_cells_are_compared(key):
    states = prolong(toy.trajectories(key))
    mask = np.zeros((1, 7, 16, 1), bool)
    mask[:, :, :5] = True
    real = toy.observed(states, mask)
    (part,) = make_player(real).augment(real, None, 0.0)
    # Cell 2 holds the fine cells 4 and 5, of which one is observed.
    seen = np.asarray(part.weights[0, 1, :, 0] > 0)
    np.testing.assert_array_equal(np.flatnonzero(seen), [0, 1])
    assert jnp.isfinite(make_player(real).score(PARAMS, real))

"""A physical model on a coarser grid than the data's."""

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data import record as records
from hyco_jax.data.record import Real
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.grids.resampling import Resampling
from hyco_jax.models import coarse, stepper
from hyco_jax.players import physical as physical_players
from hyco_jax.players import windows as shared
from hyco_jax.types import Model
from tests import pair, toy

pytestmark = pytest.mark.usefixtures("quick_compilation")

GRIDS = Resampling(Domain((16,), (16.0,)), 2, (Quantity("u"),))
PARAMS = {"rate": jnp.array(toy.RATE)}
MODEL = Model(None, toy.predict(toy.diffuse))
ON_DATA_GRID = coarse.on_finer_grid(MODEL, GRIDS)


def sample_u0(key, num_samples):
    return toy.sample_u0(key, num_samples, size=16)


@pytest.fixture
def real(key):
    """Fine data whose cell averages are an exact coarse trajectory."""
    observed = toy.observed(GRIDS.prolong(toy.trajectories(key)))
    return Real(observed, observed)


def make_player(real):
    record = records.make_record(GRIDS.restrict_observed(real.training))
    return physical_players.make_player(
        record,
        records.make_record(real.training).of(real.scored),
        pair.PHYSICAL,
        fitted=MODEL.predict,
        predict=ON_DATA_GRID.predict,
        resampling=GRIDS,
        tx=None,
        sample_u0=sample_u0,
        gives=pair.FOR_SYNTHETIC,
        receives=pair.FOR_PHYSICAL,
    )


def test_the_true_coefficient_explains_the_data(real):
    player = make_player(real)
    assert player.score(PARAMS, real) < 1e-10
    assert player.score({"rate": jnp.array(0.1)}, real) > 1e-4


def test_scores_on_both_grids_are_in_the_same_units(real):
    """The same exact model has the same score wherever it lives."""

    def fine(params, query):
        # Exact on the fine grid: what it predicts is the prolonged coarse trajectory.
        start = GRIDS.restrict(query.u0)
        states = [stepper.advance(toy.diffuse, params, u, query.horizon) for u in start]
        return GRIDS.prolong(jnp.stack(states))

    record = records.make_record(real.training)
    score = shared.make_score(record, fine)
    for rate in (toy.RATE, 0.1):
        params = {"rate": jnp.array(rate)}
        expected = make_player(real).score(params, real)
        assert score(params, real) == pytest.approx(float(expected), rel=1e-3, abs=1e-9)


def test_predictions_are_one_coarse_rollout_prolonged_at_the_end(key, real):
    generated, along_real = make_player(real).generate(PARAMS, real, key)
    assert along_real is None
    u0 = sample_u0(key, 2)
    states = stepper.rollouts(toy.diffuse, PARAMS, GRIDS.restrict(u0), 3)
    np.testing.assert_allclose(
        generated[:, 1:], GRIDS.prolong(states)[:, 1:], atol=1e-6
    )
    # The initial state is the one that was asked with.
    np.testing.assert_array_equal(generated[:, 0], u0)


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
    states = GRIDS.prolong(toy.trajectories(key))
    mask = np.zeros((1, 7, 16, 1), bool)
    mask[:, :, :5] = True
    observed = toy.observed(states, mask)
    real = Real(observed, observed)
    (part,) = make_player(real).augment(real, None, 0.0)
    # Cell 2 holds the fine cells 4 and 5, of which one is observed.
    seen = np.asarray(part.weights[0, 1, :, 0] > 0)
    np.testing.assert_array_equal(np.flatnonzero(seen), [0, 1])
    assert jnp.isfinite(make_player(real).score(PARAMS, real))


def test_driven_channels_are_refused_on_another_grid(key):
    query = shared.whole_query(toy.trajectories(key, size=16), 1)
    with pytest.raises(ValueError, match="driven channels .* coarser grid"):
        ON_DATA_GRID.predict(PARAMS, query)

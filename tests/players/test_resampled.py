"""A physical model on a coarser or finer grid than the data's."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import hyco_jax
from hyco_jax.data import record as records
from hyco_jax.data.record import Real
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.grids.resampling import Resampling
from hyco_jax.models import resampled, stepper
from hyco_jax.pde import kolmogorov
from hyco_jax.pde.kernels import pressure
from hyco_jax.players import physical as physical_players
from hyco_jax.players import windows as shared
from hyco_jax.problem import Problem
from hyco_jax.types import Model
from tests import pair, toy
from tests.ring import ring_settings

CELLS = 16
DATA = Domain((CELLS,), (16.0,))
COARSER = Resampling(DATA, Domain((8,), (16.0,)), (Quantity("u"),))
FINER = Resampling(DATA, DATA.refined(2), (Quantity("u"),))
PARAMS = {"rate": jnp.array(toy.RATE)}
MODEL = Model(None, toy.predict(toy.diffuse))
BOTH = pytest.mark.parametrize("grids", [COARSER, FINER], ids=["coarser", "finer"])


def sample_u0(key, num_samples):
    return toy.sample_u0(key, num_samples, size=CELLS)


def make_real(grids, key, mask=None):
    """Data on their grid that are an exact trajectory on the physical one."""
    if grids is COARSER:
        states = grids.to_data(toy.trajectories(key))
    else:
        u0 = grids.to_physical(sample_u0(key, 2))
        states = grids.to_data(stepper.rollouts(toy.diffuse, PARAMS, u0, 6))
    observed = toy.observed(states, mask)
    return Real(observed, observed)


def make_player(grids, real):
    on_data_grid = resampled.on_data_grid(MODEL, grids)
    return physical_players.make_player(
        records.make_record(grids.observed_to_common(real.training)),
        records.make_record(real.training).of(real.scored),
        pair.PHYSICAL,
        fitted=MODEL.predict if grids is COARSER else on_data_grid.predict,
        predict=on_data_grid.predict,
        resampling=grids,
        tx=None,
        sample_u0=sample_u0,
        gives=pair.FOR_SYNTHETIC,
        receives=pair.FOR_PHYSICAL,
    )


@BOTH
def test_the_true_coefficient_explains_the_data(grids, key):
    real = make_real(grids, key)
    player = make_player(grids, real)
    assert player.score(PARAMS, real) < 1e-10
    assert player.score({"rate": jnp.array(0.1)}, real) > 1e-4


def test_scores_on_both_grids_are_in_the_same_units(key):
    """The same exact model has the same score wherever it lives."""
    real = make_real(COARSER, key)

    def fine(params, query):
        # Exact on the fine grid: what it predicts is the prolonged coarse trajectory.
        start = COARSER.to_physical(query.u0)
        states = [stepper.advance(toy.diffuse, params, u, query.horizon) for u in start]
        return COARSER.to_data(jnp.stack(states))

    record = records.make_record(real.training)
    score = shared.make_score(record, fine)
    for rate in (toy.RATE, 0.1):
        params = {"rate": jnp.array(rate)}
        expected = make_player(COARSER, real).score(params, real)
        assert score(params, real) == pytest.approx(float(expected), rel=1e-3, abs=1e-9)


@BOTH
def test_predictions_are_one_rollout_resampled_at_the_end(grids, key):
    real = make_real(grids, key)
    generated, along_real = make_player(grids, real).generate(PARAMS, real, key)
    assert along_real is None
    u0 = sample_u0(key, 2)
    states = stepper.rollouts(toy.diffuse, PARAMS, grids.to_physical(u0), 3)
    np.testing.assert_allclose(
        generated[:, 1:], grids.to_data(states)[:, 1:], atol=1e-6
    )
    # The initial state is the one that was asked with.
    np.testing.assert_array_equal(generated[:, 0], u0)


def test_the_partners_predictions_meet_a_coarser_solver_on_its_own_grid(key):
    real = make_real(COARSER, key)
    generated = toy.sample_u0(key, 10, size=CELLS).reshape(2, 5, CELLS, 1)
    parts = make_player(COARSER, real).augment(real, generated, 0.5)
    assert [part.targets.shape for part in parts] == [(2, 7, 8, 1), (2, 5, 8, 1)]
    np.testing.assert_allclose(
        parts[1].targets[..., 0],
        np.asarray(generated).reshape(2, 5, 8, 2).mean(axis=-1),
        atol=1e-6,
    )


def test_nothing_interpolated_is_a_target_of_a_finer_solver(key):
    real = make_real(FINER, key)
    generated = toy.sample_u0(key, 10, size=CELLS).reshape(2, 5, CELLS, 1)
    parts = make_player(FINER, real).augment(real, generated, 0.5)
    np.testing.assert_array_equal(parts[0].targets, real.training.states)
    np.testing.assert_array_equal(parts[1].targets, generated)


def test_with_gaps_only_whole_cells_of_a_coarser_solver_are_compared(key):
    mask = np.zeros((1, 7, CELLS, 1), bool)
    mask[:, :, :5] = True
    real = make_real(COARSER, key, mask)
    player = make_player(COARSER, real)
    (part,) = player.augment(real, None, 0.0)
    # Cell 2 holds the fine cells 4 and 5, of which one is observed.
    seen = np.asarray(part.weights[0, 1, :, 0] > 0)
    np.testing.assert_array_equal(np.flatnonzero(seen), [0, 1])
    assert jnp.isfinite(player.score(PARAMS, real))


@BOTH
def test_driven_channels_are_refused_on_another_grid(grids, key):
    query = shared.whole_query(toy.trajectories(key, size=CELLS), 1)
    with pytest.raises(ValueError, match="driven channels .* another grid"):
        resampled.on_data_grid(MODEL, grids).predict(PARAMS, query)


def test_on_the_grid_of_the_data_a_model_is_left_as_it_is():
    same = Resampling(DATA, DATA, (Quantity("u"),))
    assert resampled.on_data_grid(MODEL, same) is MODEL


def test_a_flow_on_a_finer_grid_has_no_divergence_on_either(key):
    domain = Domain((8, 8), (2 * np.pi, 2 * np.pi))
    grids = Resampling(domain, domain.refined(2), kolmogorov.quantities(domain))
    # The prolonged state has some, and the first step projects.
    u0 = kolmogorov.sample_u0(key, domain, 1, 0.6, 1.0)
    (start,) = grids.to_physical(u0)
    assert pressure.relative_divergence(grids.physical, start) > 1e-3
    step = kolmogorov.make_step(grids.physical, 0.1, {"viscosity": 0.1})
    values = {"viscosity": 0.1, "forcing": jnp.zeros(start.shape)}
    states = stepper.advance(step, values, start, 2)
    for u, restricted in zip(states, grids.to_data(states), strict=True):
        assert pressure.relative_divergence(grids.physical, u) < 1e-6
        assert pressure.relative_divergence(domain, restricted) < 1e-6


def make_diffusion(physics_resolution=()):
    """Explicit diffusion on a ring of 8 cells, solved on a grid of its own."""

    def make_step(domain, dt, upper):
        def step(values, u):
            rate = values["diffusivity"] * dt / domain.dx[0] ** 2
            return toy.diffuse({"rate": rate}, u)

        return step

    return Problem(
        domain=Domain((8,), (8.0,)),
        dt=1.0,
        quantities=(Quantity("u"),),
        roles={"diffusivity": hyco_jax.Role(is_positive=True, can_vary=False)},
        make_step=make_step,
        physics_resolution=physics_resolution,
    )


def test_a_coefficient_is_found_on_the_finer_grid_that_made_the_data(key):
    exact, problems = 0.08, (make_diffusion((16,)), make_diffusion())
    grids = problems[0].resampling
    step = problems[0].make_step(grids.physical, 1.0, {})
    u0 = grids.to_physical(toy.sample_u0(key, 2))
    states = stepper.rollouts(step, {"diffusivity": exact}, u0, 6)
    data = hyco_jax.from_arrays(np.asarray(grids.to_data(states)))
    unknown = hyco_jax.CoefficientSettings("scalar", 0.04, (0.0, 0.12))
    settings = dataclasses.replace(
        ring_settings(),
        mode="physical",
        coefficients={"diffusivity": unknown},
        # Windows that start later would start from prolonged means.
        physical=hyco_jax.PhysicalSettings(horizon=6, generated_horizon=2, abs_tol=0.0),
    )
    results = [hyco_jax.fit(problem, data, settings) for problem in problems]
    finer, same = (float(result.coefficients["diffusivity"]) for result in results)
    assert finer == pytest.approx(exact, rel=1e-5)
    assert abs(same / exact - 1) > 0.01
    errors = [result.rows["physical_alone"]["train/nrmse"] for result in results]
    assert errors[0] < 1e-5 < 0.01 < errors[1]
    again = hyco_jax.evaluate(results[0], problems[0], settings, data)
    assert again == results[0].rows

"""Readings at points train both models; what is held out trains neither."""

import dataclasses

import jax
import numpy as np
import pytest

import hyco_jax
from configs import base
from hyco_jax import point_stages, stages
from hyco_jax.data import placement
from hyco_jax.training.losses import weighted_squares
from tests import readings as decay

PROBLEM = decay.make_problem()
NETWORK = {
    "synthetic": {
        "name": "convnet",
        "convnet": {"filters": (4,)},
        "batch_size": 8,
        "num_real": 2,
        "generated_horizon": 2,
    },
    "hybrid": {"num_physical_to_synthetic": 2},
}


def train(readings, stage="hybrid", **changes):
    """The state after all cycles of a stage, and the physical model."""
    settings = decay.make_settings(**changes)
    placed = placement.place(decay.observe(PROBLEM, readings), PROBLEM)
    models = stages.make_models(PROBLEM, settings, placed)
    plan = point_stages.make_plan(PROBLEM, placed, settings, models)
    (chosen,) = (s for s in plan.stages if s.name == stage)
    state = plan.init_state()
    for call in chosen.calls:
        state, _ = call.run(state, plan.real)
    return state, models


@pytest.fixture(scope="module")
def plain():
    """What `train` makes of all readings as they are."""
    return train(decay.make_readings())


def assert_same(one, other):
    for name in ("synthetic", "physical"):
        jax.tree.map(
            np.testing.assert_array_equal, getattr(one, name), getattr(other, name)
        )


@pytest.mark.parametrize("network", [{}, NETWORK], ids=["field", "network"])
def test_both_models_learn_the_decay_of_a_wave(network, plain):
    state, models = train(decay.make_readings(), **network) if network else plain
    found = models.physical.values(state.physical.train.variables)
    # The interpolation between cells and steps makes the wave a little lower.
    assert found["conductivity"] == pytest.approx(decay.CONDUCTIVITY, rel=0.05)
    assert state.physical.score < 1e-3
    assert state.synthetic.score < 0.7


def test_what_is_held_out_or_unobserved_changes_no_bit_of_training(plain):
    readings = decay.make_readings()
    hidden = readings.values.copy()
    hidden[readings.is_held_out] = np.nan
    wild = readings.values.copy()
    wild[readings.is_held_out] = 1e6
    for values in (hidden, wild):
        state, _ = train(dataclasses.replace(readings, values=values))
        assert_same(plain[0], state)


def test_a_moving_sensor_is_static_ones_visited_in_turn(plain):
    readings = decay.make_readings()
    moving = dataclasses.replace(
        readings, sensor=np.zeros_like(readings.sensor), sensors=("boat",)
    )
    assert_same(plain[0], train(moving)[0])


def test_sigma_is_the_unit_of_the_loss_and_changes_no_parameter():
    states = [
        train(
            decay.make_readings(sigma=sigma),
            synthetic={"clip_norm": 0.0},
            physical={"abs_tol": 0.0, "num_iterations": 10},
        )
        for sigma in (0.05, 0.5)
    ]
    (fine, models), (coarse, _) = states
    for name in ("synthetic", "physical"):
        ratio = getattr(coarse, name).score / getattr(fine, name).score
        assert ratio == pytest.approx(0.01, rel=1e-3)
    values = [
        float(models.physical.values(s.physical.train.variables)["conductivity"])
        for s in (fine, coarse)
    ]
    assert values[1] == pytest.approx(values[0], rel=1e-4)


def test_quantities_of_different_sigma_add_up_as_chi_squared():
    readings = decay.make_readings()
    rng = np.random.default_rng(1)
    sigma = rng.uniform(0.1, 3.0, readings.values.shape)
    readings = dataclasses.replace(readings, sigma=sigma)
    state, models = train(readings, stage="physical", hybrid={"cycles": 1})
    placed = placement.place(decay.observe(PROBLEM, readings), PROBLEM)
    query, where = placement.all_points(readings, placed, PROBLEM.dt)
    answers = models.physical.model.predict(state.physical.train.variables, query)
    predicted = np.asarray(answers)[where[:, 0], where[:, 1]]
    trains = ~readings.is_held_out
    chi2 = np.mean(((predicted - readings.values) / sigma)[trains] ** 2)
    assert state.physical.score == pytest.approx(chi2, rel=1e-3)


def test_at_alpha_0_the_models_learn_nothing_from_each_other():
    alone, _ = train(decay.make_readings(), stage="physical")
    decoupled, _ = train(
        decay.make_readings(), hybrid={"alpha_physical": 0.0, "alpha_synthetic": 0.0}
    )
    # A rollout that answers at more points rounds otherwise.
    np.testing.assert_allclose(
        decoupled.physical.train.params["conductivity"],
        alone.physical.train.params["conductivity"],
        rtol=1e-5,
    )


def test_ghosts_stay_in_their_box_and_are_drawn_afresh():
    readings = decay.make_readings()
    placed = placement.place(decay.observe(PROBLEM, readings), PROBLEM)
    region = ((0.25, 0.5),)
    ghosts = point_stages.points.Ghosts(500, region)
    ask = point_stages.points.make_ghost_query(ghosts, PROBLEM.domain, PROBLEM.dt)
    queries = [ask(jax.random.key(seed), placed.real) for seed in (0, 1)]
    points = np.asarray(queries[0].points)
    assert points.shape == (2, 500, 2)
    assert points[..., 0].min() >= 0 and points[..., 0].max() <= decay.DT * decay.STEPS
    assert points[..., 0].max() > 0.95 * decay.DT * decay.STEPS
    assert 1.0 <= points[..., 1].min() < 1.05 and 1.95 < points[..., 1].max() <= 2.0
    assert (points != np.asarray(queries[1].points)).all()


def test_ghosts_at_cells_are_where_the_solver_needs_no_interpolation():
    readings = decay.make_readings()
    placed = placement.place(decay.observe(PROBLEM, readings), PROBLEM)
    ghosts = point_stages.points.Ghosts(400, ((0.25, 0.5),), at_cells=True)
    ask = point_stages.points.make_ghost_query(ghosts, PROBLEM.domain, PROBLEM.dt)
    points = np.asarray(ask(jax.random.key(0), placed.real).points, np.float64)
    steps = points[..., 0] / decay.DT
    np.testing.assert_allclose(steps, steps.round(), atol=1e-5)
    assert set(steps.round().ravel()) == set(range(decay.STEPS + 1))
    # Cells 4 to 7 of 16.
    cells = points[..., 1] / PROBLEM.domain.dx[0] - 0.5
    np.testing.assert_allclose(cells, cells.round(), atol=1e-5)
    assert set(cells.round().ravel()) == {4, 5, 6, 7}


@pytest.mark.parametrize("at", ["anywhere", "cells"])
def test_ghosts_of_a_steady_equation_are_all_at_the_time_of_its_solution(at):
    problem = dataclasses.replace(PROBLEM, is_steady=True)
    readings = decay.make_readings()
    readings = dataclasses.replace(readings, time=np.full(readings.count, problem.dt))
    placed = placement.place(decay.observe(problem, readings), problem)
    settings = decay.make_settings(hybrid={"ghosts_at": at})
    models = stages.make_models(problem, settings, placed)
    plan = point_stages.make_plan(problem, placed, settings, models)
    for name, model in models.by_name.items():
        params = model.init(jax.random.key(0))
        made = plan.players[name].generate(params, plan.real, jax.random.key(1))
        assert made.query.points.shape == (2, 20, 2)
        np.testing.assert_allclose(made.query.points[..., 0], problem.dt)


def test_alpha_means_the_same_however_many_of_each_part_are_in_a_batch():
    """With one part in a batch of 8 + 56 and of 56 + 8, the loss's minimum is one."""
    readings = decay.make_readings(count=400)
    losses = []
    for num_real in (8, 56):
        placed = placement.place(decay.observe(PROBLEM, readings), PROBLEM)
        sizes = {2: (num_real, 64 - num_real)}
        settings = decay.make_settings()
        models = stages.make_models(PROBLEM, settings, placed)
        params = models.synthetic.init(jax.random.key(0))
        ghosts = point_stages.points.Ghosts(300, ((0.0, 1.0),))
        ask = point_stages.points.make_ghost_query(ghosts, PROBLEM.domain, PROBLEM.dt)
        predict = models.on_data_grid.predict
        generate = point_stages.points.generate_at(ask, predict, placed)
        generated = generate(
            models.physical.model.init(None), placed.real, jax.random.key(1)
        )
        player = point_stages.points.make_field_player(
            models.synthetic.predict, None, generate, placed, sizes
        )
        parts = player.augment(placed.real, generated, 0.5)
        # The mean over a batch of every sample's loss, as the trainer has it.
        per_sample = [
            np.asarray(weighted_squares(models.synthetic.predict, params, part)).mean()
            for part in parts
        ]
        losses.append(np.dot(per_sample, sizes[2]) / 64)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


UNKNOWN = {
    "physical": {
        "initial": "fitted",
        "segments": 2,
        "num_iterations": 30,
        "state_smoothness": 1e-4,
    },
    "hybrid": {"cycles": 2},
    "baselines": False,
    "uncertainty": {"noise": True},
}


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("network", [{}, NETWORK], ids=["field", "network"])
def test_the_first_states_may_be_unknown(network):
    # Many readings of 16 cells, so that the wave is determined at all.
    settings = decay.make_settings(**base.merge(UNKNOWN, network))
    observed = decay.observe(PROBLEM, decay.make_readings(count=300))
    observed = dataclasses.replace(observed, initial="interpolated")
    result = hyco_jax.fit(PROBLEM, observed, settings)
    guess, physical, synthetic = (
        result.rows[row]
        for row in ("initial_guess", "hybrid_physical", "hybrid_synthetic")
    )
    value = physical["coefficient/conductivity"]
    assert 0 < physical["coefficient_noise/conductivity"] < 0.02
    assert value == pytest.approx(decay.CONDUCTIVITY, rel=0.05)
    # Nobody says how the wave goes on between the readings of t = 0.
    assert physical["held_out/nrmse"] < 0.08 < 0.1 < guess["held_out/nrmse"]
    assert np.isfinite(synthetic["held_out/nrmse"])
    states = np.asarray(result.physical.params["initial"])
    assert states.shape == (2, 2, 16, 1)
    exact = decay.u0(PROBLEM)
    assert np.linalg.norm(states[:, 0] - exact) < 0.08 * np.linalg.norm(exact)

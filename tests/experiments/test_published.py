"""The published experiments: rows without a way back, PINN, errors, counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import published as configs
from experiments.published import case as cases
from experiments.published import counts, heat, one_way, pinn, starts, table
from hyco_jax import fitting, hybrid, seeds
from hyco_jax.models import expansions
from hyco_jax.pde import heat as pde
from hyco_jax.pde import heat_sensors
from hyco_jax.types import Model, Query, Samples
from tests import readings as decay
from tests.x64 import enable_x64

PROBLEM = decay.make_problem()
BOX = heat_sensors.node_domain(18)
MIDDLE = np.array(BOX.extent) / 2


@pytest.fixture(scope="module")
def prepared():
    """Two seeds, of as many readings."""
    result = []
    for seed in (0, 1):
        data = decay.observe(PROBLEM, decay.make_readings(held_out=0.0))
        settings = decay.make_settings(seed=seed)
        result.append(fitting.prepare(PROBLEM, data, settings))
    return result


def without_data(real, value):
    """The same readings, of which nobody knows the values."""
    return real.replace(
        **{
            name: samples.replace(targets=jnp.full_like(samples.targets, value))
            for name, samples in (("records", real.records), ("rows", real.rows))
        }
    )


@pytest.mark.parametrize("listener", ["physical", "synthetic"])
def test_one_teaches_and_never_listens(prepared, listener):
    plan = prepared[0].plan
    cycle = jax.jit(one_way.make_cycle(listener, plan.players))
    state = plan.init_state()
    (teacher,) = {"physical", "synthetic"} - {listener}
    after, _ = cycle(*cycle(state, plan.real)[:1], plan.real)
    before = jax.tree.leaves(getattr(state, teacher))
    for old, new in zip(before, jax.tree.leaves(getattr(after, teacher)), strict=True):
        np.testing.assert_array_equal(old, new)
    # The pupil has no data of its own, whatever they are.
    other, real = state, without_data(plan.real, jnp.nan)
    for _ in range(2):
        other, _ = cycle(other, real)
    learned = jax.tree.leaves(getattr(after, listener).train.params)
    same = jax.tree.leaves(getattr(other, listener).train.params)
    begin = jax.tree.leaves(getattr(state, listener).train.params)
    for new, unchanged, old in zip(learned, same, begin, strict=True):
        np.testing.assert_array_equal(new, unchanged)
        assert (new != old).any()


def test_a_pupil_finds_what_its_teacher_knows(prepared):
    """A solver that is taught by one of conductivity 0.5 finds it, not the data's."""
    plan, models = prepared[0].plan, prepared[0].models
    players = {**plan.players, "synthetic": plan.players["physical"]}
    state = plan.init_state()
    physical = state.physical
    raw = jax.scipy.special.logit(jnp.float32((0.5 - 0.01) / (2.0 - 0.01)))
    value = models.physical.values({"conductivity": raw})["conductivity"]
    assert value == pytest.approx(0.5, rel=1e-5)
    taught = physical.replace(
        train=physical.train.replace(params={"conductivity": raw})
    )
    cycle = jax.jit(one_way.make_cycle("physical", players))
    state = state.replace(synthetic=taught)
    for _ in range(4):
        state, _ = cycle(state, plan.real)
    found = models.physical.values(state.physical.train.params)["conductivity"]
    assert found == pytest.approx(0.5, rel=1e-3)


def test_seeds_at_once_are_the_seeds_one_by_one(prepared):
    cycle = one_way.make_cycle("physical", prepared[0].plan.players)
    repeated = hybrid.repeat(cycle, 2)
    states = [own.plan.init_state() for own in prepared]
    real = seeds.stack([own.plan.real for own in prepared])
    both, _ = jax.jit(jax.vmap(repeated))(seeds.stack(states), real)
    for i, state in enumerate(states):
        single, _ = jax.jit(repeated)(state, seeds.take(real, i))
        np.testing.assert_allclose(
            both.physical.train.params["conductivity"][i],
            single.physical.train.params["conductivity"],
            rtol=1e-4,
        )


def test_the_start_of_the_lowest_misfit_counts(prepared):
    plan, models = prepared[0].plan, prepared[0].models
    state = seeds.stack([plan.init_state()])
    real = seeds.stack([plan.real])
    # The third one is where nothing moves.
    begin = {"conductivity": jnp.array([[-3.0, 0.0, 60.0]])}
    found = starts.fit(plan.players["physical"], state, real, begin)
    assert found.score[0] == found.scores[0].min() < 0.1 * found.scores[0].max()
    values = models.physical.values(seeds.take(found.variables, 0))
    # Readings between cells are linear: of so short a wave 2 % too small.
    assert values["conductivity"] == pytest.approx(decay.CONDUCTIVITY, rel=0.05)
    assert found.evaluations[0] >= 3
    # One after the other they are fitted as they are in lockstep.
    again = starts.fit(plan.players["physical"], state, real, begin, at_once=1)
    np.testing.assert_allclose(again.scores, found.scores, rtol=1e-3)
    np.testing.assert_array_equal(again.evaluations, found.evaluations)


PROBLEM_2D = pde.make_problem(
    pde.Settings((18, 18), BOX.extent, 0.01, boundary="nodes"),
    pde.DataSettings(sensors="half"),
)


def decay_rows(points, predict):
    zero = jnp.zeros(len(points), jnp.int32)
    query = Query(zero, zero, None, jnp.asarray(points))
    values = predict({"size": 1.0}, query)
    return Samples(query, values, jnp.ones_like(values))


def raw(amplitudes):
    centers = np.array([[1.0, 1.0], [-2.0, -2.0]]) + MIDDLE
    return {"conductivity": {"amplitudes": jnp.array(amplitudes), "centers": centers}}


def test_the_residual_is_that_of_the_equation():
    """Of u = exp(-0.2 t) sin x sin y: 0 for κ = 0.1, else (κ - 0.1) 2u."""

    def field(z):
        return (jnp.exp(-0.2 * z[0]) * jnp.sin(z[1]) * jnp.sin(z[2]))[None]

    points = np.random.default_rng(0).uniform(0.3, 6.0, (20, 3))

    def left(amplitudes):
        params = raw(amplitudes)
        return jax.vmap(lambda z: heat.residual(field, params, z))(points)[:, 0]

    with enable_x64():
        np.testing.assert_allclose(left([0.0, 0.0]), 0, atol=1e-14)
        wrong = raw([0.6, 0.4])["conductivity"]
        kappa = np.array([heat.conductivity(wrong, z[1:]) for z in points])
        expected = (kappa - 0.1) * 2 * np.array([field(z)[0] for z in points])
        np.testing.assert_allclose(left([0.6, 0.4]), expected, atol=1e-14)
    assert np.abs(expected).max() > 0.1


def test_the_conductivity_at_points_is_that_of_the_solver():
    guess = raw([3.0, 2.5])["conductivity"]
    bumps = expansions.gaussian_bumps(
        *(BOX, guess["amplitudes"], guess["centers"], 1.0, 0.1, (0.0, 2.5)),
        fit_width=False,
        bound_amplitudes=False,
    )
    points = jnp.asarray(BOX.coordinates().reshape(-1, 2), jnp.float32)
    found = jax.vmap(lambda x: heat.conductivity(guess, x))(points)
    expected = bumps.value(bumps.raw)
    np.testing.assert_allclose(found.reshape(18, 18), expected, rtol=1e-5)
    np.testing.assert_allclose(expected, pde.two_bumps_conductivity(BOX), rtol=1e-5)


def test_conditions_are_the_initial_state_and_walls_at_0():
    settings = pde.Settings((18, 18), BOX.extent, 0.01, boundary="nodes")
    problem = pde.make_problem(settings, pde.DataSettings(sensors="half"))
    points, values = heat.conditions(jax.random.key(0), problem, 30)
    points, values = np.asarray(points), np.asarray(values)
    x = points[:, 1:] - MIDDLE
    assert (points[:30, 0] == 0).all() and np.abs(x).max() <= 3.0 + 1e-5
    hot, cold = (np.exp(-np.sum((x[:30] - c) ** 2, 1)) for c in (1, -1))
    np.testing.assert_allclose(values[:30, 0], hot - cold, atol=1e-5)
    np.testing.assert_allclose(np.abs(x[30:]).max(axis=1), 3.0, rtol=1e-5)
    assert not values[30:].any()
    for axis in (0, 1):
        for side in (-3.0, 3.0):
            assert np.isclose(x[30:, axis], side, atol=1e-5).any()
    assert 0 <= points[30:, 0].min() < 0.2 and 0.8 < points[30:, 0].max() <= 0.99


def test_a_pinn_learns_coefficients_and_network():
    """The loss's minimum is 0 at the exact solution with its coefficients."""

    def predict(params, query):
        t, x, y = jnp.moveaxis(query.points, -1, 0)
        return (params["size"] * jnp.exp(-0.2 * t) * jnp.sin(x) * jnp.sin(y))[..., None]

    entry = heat.ENTRY._replace(
        conditions=lambda key, problem, n: (jnp.zeros((n, 3)), jnp.zeros((n, 1)))
    )
    points = np.random.default_rng(0).uniform(0.5, 5.5, (40, 1, 3)).astype(np.float32)
    rows = decay_rows(points, predict)
    options = pinn.PinnSettings(400, 1e-2, 2e-2, 64, 20, 2)
    region = ((0.0, 1.0),) * 2
    problem = PROBLEM_2D
    loss = pinn.make_loss(entry, problem, region, predict, options)
    exact = {"network": {"size": jnp.float32(1.0)}, "coefficients": raw([0.0, 0.0])}
    assert loss(exact, rows, jax.random.key(0)) < 1e-10
    begin = {"size": jnp.float32(0.7)}
    found = pinn.fit(
        *(entry, problem, region, predict, options),
        *(begin, raw([0.5, 0.3]), rows, jax.random.key(1)),
    )
    assert found["network"]["size"] == pytest.approx(1.0, abs=0.05)
    left = np.abs(found["coefficients"]["conductivity"]["amplitudes"])
    assert (left < [0.2, 0.12]).all()


def test_settings_of_all_rows_are_allowed_and_of_the_same_data():
    config = configs.get_config("all").to_dict()
    for name, own in config["problems"].items():
        case = cases.make_case(name, own, config["seeds"])
        rows = {row: cases.settings(case, row, 3) for row in own["rows"]}
        assert {row.seed for row in rows.values()} == {3}
        assert len({(row.pde, row.data) for row in rows.values()}) == 1
        assert set(own["published"]) <= set(table.LABELS)
    with pytest.raises(ValueError, match="'heat' is not one of .*heat_half"):
        configs.get_config("heat")


def test_the_published_parameters_have_their_published_error():
    """Of the first run of the quarter, reference: 0.575825."""
    centres = np.array([[0.9956, 0.9893], [-1.8538, -1.4116]])
    found = {"amplitudes": np.array([2.8794, 1.0050]), "centers": centres + MIDDLE}
    error = heat.parameter_error({"conductivity": found}, BOX)
    assert error == pytest.approx(0.575825, abs=1e-4)
    swapped = {name: value[::-1] for name, value in found.items()}
    again = heat.parameter_error({"conductivity": swapped}, BOX)
    assert again == pytest.approx(error)


def test_solution_errors_are_relative_to_the_truth():
    """Of a truth that is linear, a tenth too much is an error of a tenth."""
    fine = heat_sensors.node_domain(heat_sensors.NODES)

    def linear(points, time):
        return (1 + time + points @ np.array([1.0, 0.5]))[..., None]

    x = fine.coordinates() - np.array(fine.extent) / 2
    truth = np.stack([linear(x, 0.01 * step) for step in range(4)])

    def at(points):
        return 1.1 * linear(points[:, 1:] - MIDDLE, points[:, 0])

    assert heat.field_error(at, truth) == pytest.approx(0.1)
    assert heat.field_error(at, truth, 2) == pytest.approx(0.1)
    assert heat.field_error(lambda z: at(z) / 1.1, truth) < 1e-12

    def predict(params, query):
        del params
        nodes = BOX.coordinates() - MIDDLE
        return 1.1 * np.stack([linear(nodes, 0.01 * (1 + k)) for k in range(3)])[None]

    model = Model(None, predict)
    error = heat.solver_error(PROBLEM_2D, model, None, truth)
    assert error == pytest.approx(0.1, rel=1e-4)


def test_starts_are_drawn_in_their_bounds():
    bounds = {"amplitudes": (0.5, 4.5), "centers": (-3.0, 3.0)}
    drawn = heat.draw_starts(bounds, 200, 0, BOX)["conductivity"]
    centred = drawn["centers"] - MIDDLE
    assert drawn["amplitudes"].shape == (200, 2) and centred.shape == (200, 2, 2)
    assert (
        0.5 <= drawn["amplitudes"].min() < 0.6 < 4.4 < drawn["amplitudes"].max() < 4.5
    )
    assert -3 <= centred.min() < -2.9 < 2.9 < centred.max() <= 3


def test_solves_and_evaluations_are_counted(prepared):
    """One seed, 3 cycles: L-BFGS's evaluations, with 2 more each, and a first score."""
    settings = decay.make_settings()
    physical = {"evaluations": np.array([[5, 4, 6]]), "score": np.zeros((1, 3))}
    synthetic = {"count": np.array([[7, 7, 7]]), "score": np.zeros((1, 3))}
    metrics = [{"physical": physical, "synthetic": synthetic}]
    assert counts.solves(metrics, settings, prepared) == 15 + 2 * 3 + 1
    adam = decay.make_settings(physical={"method": "adam"})
    assert counts.solves(metrics, adam, prepared) == 15 + 3 + 1
    # Batches of 64 points, and all readings scored 4 times.
    rows = prepared[0].placed.real.rows.count
    assert counts.evaluations(metrics, settings, prepared) == 21 * 64 + 4 * rows
    # Ghost points of each simulation; all of them are one rollout.
    sims = len(prepared[0].placed.u0)
    assert counts.network_answers(settings, prepared) == 20 * sims
    assert counts.solver_answers(settings, prepared) == 1

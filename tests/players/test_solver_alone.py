"""The solver alone: first cycles, and last ones, on what was held out for trust too."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import fitting
from hyco_jax.config import schema
from hyco_jax.data import record
from hyco_jax.models import segments
from hyco_jax.training import losses
from hyco_jax.types import Trajectories
from tests import readings as decay
from tests.ring import ring_data, ring_problem, ring_settings


def on_grid():
    problem = ring_problem()
    return problem, ring_data(problem), ring_settings()


def at_points():
    problem, readings = decay.make_problem(), decay.make_readings(held_out=0.0)
    noise = 0.1 * np.random.default_rng(1).standard_normal(readings.values.shape)
    readings = dataclasses.replace(readings, values=readings.values + noise)
    return problem, decay.observe(problem, readings), decay.make_settings()


@pytest.fixture(params=[on_grid, at_points], scope="module")
def case(request):
    return request.param()


def end(case, **changes):
    """The state after the last stage, and what was trained."""
    problem, data, settings = case
    settings = schema.from_dict(settings, {"baselines": False, **changes})
    plan = fitting.prepare(problem, data, settings).plan
    (stage,) = plan.stages
    state = plan.init_state()
    for call in stage.calls:
        state, _ = call.run(state, plan.real)
    return jax.device_get(state), plan


def coefficient(state):
    return jax.tree.leaves(state.physical.best)[0]


def test_it_ends_where_a_fit_of_all_data_does(case):
    held = {"trust_power": 1.0, "alpha_physical": 0.0}
    alone, all_data = end(case, mode="physical")
    without, plan = end(case, hybrid=held)
    state, last = end(case, hybrid=held | {"cooldown": 3})
    assert coefficient(state) == pytest.approx(coefficient(alone), rel=2e-4)
    # What was held out makes a difference.
    assert abs(coefficient(without) / coefficient(alone) - 1) > 1e-3
    # The network has not heard of it, and nothing of what it is scored by.
    for own, other in zip(
        jax.tree.leaves(state.synthetic.train.params),
        jax.tree.leaves(without.synthetic.train.params),
        strict=True,
    ):
        np.testing.assert_array_equal(own, other)
    assert state.synthetic.best_score == without.synthetic.best_score
    # Scores of the solver are anew those of what it is trained on.
    player, real = last.last_fit
    score = player.score(state.physical.best_variables, real)
    assert state.physical.best_score == pytest.approx(float(score), rel=1e-4)
    expected = all_data.last_fit[0].augment(all_data.last_fit[1], None, 0.0)
    found = player.augment(real, None, 0.0)
    for one, other in zip(found, expected, strict=True):
        weights = np.broadcast_to(one.weights, one.targets.shape)
        same = np.broadcast_to(other.weights, other.targets.shape)
        assert weights.sum() == pytest.approx(same.sum(), rel=1e-5)
        assert (weights > 0).sum() == (same > 0).sum()
    assert plan.last_fit[1] is plan.real


def test_the_first_cycles_are_the_fit_of_a_solver_alone(case):
    alone, _ = end(case, mode="physical", hybrid={"cycles": 3})
    silent = {"warmup": 1, "cycles": 1, "alpha_physical": 0.0}
    state, plan = end(case, hybrid=silent | {"physical_warmup": 2})
    names = [call.run.__name__.split("_")[0] for call in plan.stages[0].calls]
    assert names == ["physical", "physical", "synthetic", "hybrid"]
    assert coefficient(state) == pytest.approx(coefficient(alone), rel=1e-5)
    # Two in which the network does not train, and its updates are all made.
    once, _ = end(case, hybrid=silent)
    assert state.synthetic.train.step == once.synthetic.train.step
    assert state.cycle == 4


def test_the_network_ends_by_learning_from_the_solver_as_it_is_then(case):
    strong = {"cycles": 2, "warmup": 1, "cooldown": 1, "alpha_synthetic": 1e3}
    problem, data, settings = case
    settings = schema.from_dict(settings, {"baselines": False, "hybrid": strong})
    settings = schema.from_dict(settings, {"hybrid": {"synthetic_cooldown": 2}})
    prepared = fitting.prepare(problem, data, settings)
    plan = prepared.plan
    state = plan.init_state()
    kinds = ["synthetic", "hybrid", "hybrid", "cooldown", "taught", "taught"]
    for call, kind in zip(plan.stages[0].calls, kinds, strict=True):
        assert call.run.__name__.startswith(f"{kind}_")
        state, _ = call.run(state, plan.real)
        if kind == "cooldown":
            before = jax.device_get(state)
    state = jax.device_get(state)
    # The solver stays as it is, to the bit.
    jax.tree.map(np.testing.assert_array_equal, state.physical, before.physical)
    trained = state.synthetic.train.step - before.synthetic.train.step
    assert trained == before.synthetic.train.step * 2 / 3
    # Of what that one says the network knows more than before.
    network, solver = plan.players["synthetic"], plan.players["physical"]
    said = state.physical.train.variables, plan.real, jax.random.key(5)
    *_, part = network.augment(plan.real, solver.generate(*said), 1.0)
    predict = prepared.models.synthetic.predict
    then, now = (
        losses.part_losses(predict, each.synthetic.train.variables, [part]).sum()
        for each in (before, state)
    )
    assert now < 0.8 * then


def test_a_solver_may_end_with_what_it_had_before_it_heard_anyone(case):
    """An untrained network leads it away, and its cooldown is too short."""
    misled = {"physical_warmup": 3, "warmup": 0, "cycles": 1, "alpha_physical": 1e4}
    misled |= {"cooldown": 2, "cooldown_to_best": True}
    problem, data, settings = case
    settings = schema.from_dict(settings, {"baselines": False, "hybrid": misled})
    short = {"physical": {"num_iterations": 1}, "hybrid": {"cycles_per_call": 1}}
    plan = fitting.prepare(problem, data, schema.from_dict(settings, short)).plan
    state, scores, found = plan.init_state(), [], []
    for call in plan.stages[0].calls:
        state, metrics = call.run(state, plan.real)
        scores.append(float(metrics["physical"]["score"][0]))
        found.append(float(state.physical.score))
    assert min(scores) < 0.9 * scores[-1]
    assert found == [*scores[:-1], min(scores)]


@pytest.mark.parametrize("times", [1, 7])
def test_what_was_held_out_is_back_in_its_place(times):
    states = jnp.arange(2.0 * 7 * 3).reshape(2, 7, 3, 1)
    weights = jnp.asarray(np.random.default_rng(0).random((1, times, 3, 1)))
    observed = Trajectories(states, weights)
    real = record.make_real(observed, True)
    assert real.training.states.shape[1] == 6
    whole = real.whole
    np.testing.assert_array_equal(whole.training.states, states)
    np.testing.assert_array_equal(
        np.broadcast_to(whole.training.weights, states.shape),
        np.broadcast_to(weights, states.shape),
    )
    assert whole.whole is whole and whole.scored is whole.training
    assert record.make_real(observed, False).whole.training is observed


@pytest.mark.parametrize(
    ("weights", "cycles", "trust"),
    [((1.0, 9.0), 3, 1.0), ((9.0, 1.0), 1, 0.0), ((3.0, 3.0), 3, 0.0)],
)
def test_in_the_last_cycles_the_weight_of_jumps_goes_from_first_to_last(
    weights, cycles, trust
):
    problem, data, settings = at_points()
    own = {"initial": "fitted", "segments": 2, "jump_weights": weights}
    own |= {"num_iterations": 1}
    together = {"cycles": cycles, "trust_power": trust, "cooldown": 3}
    settings = schema.from_dict(
        settings, {"baselines": False, "physical": own, "hybrid": together}
    )
    plan = fitting.prepare(problem, data, settings).plan
    state, found = plan.init_state(), []
    for call in plan.stages[0].calls:
        name = call.run.__name__.split("_")[0]
        if name != "synthetic":
            weight = state.physical.train.constants[segments.JUMP_WEIGHT]
            found.append((name, float(weight)))
        state, _ = call.run(state, plan.real)
    middle = (weights[0] * weights[1]) ** 0.5
    whole = [weights[0], middle, weights[1]]
    expected = [("hybrid", x) for x in (whole if cycles == 3 else whole[:1])]
    expected += [("cooldown", x) for x in whole]
    assert [name for name, _ in found] == [name for name, _ in expected]
    np.testing.assert_allclose([x for _, x in found], [x for _, x in expected], 1e-5)
    state = jax.device_get(state)
    weight = state.physical.train.constants[segments.JUMP_WEIGHT]
    assert weight == pytest.approx(weights[1], rel=1e-6)
    player, real = plan.last_fit
    score = player.score(state.physical.best_variables, real)
    # Of all readings, with the last weight.
    assert state.physical.best_score == pytest.approx(float(score), rel=1e-4)

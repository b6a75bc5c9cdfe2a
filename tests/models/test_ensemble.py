"""Several networks of one kind as one model."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hyco_jax
from hyco_jax import fitting
from hyco_jax.models import ensemble as ensembles
from hyco_jax.players import synthetic as players
from hyco_jax.training.state import init as init_train_state
from hyco_jax.types import Query
from tests import readings as decay
from tests.ring import ring_data, ring_problem, ring_settings

MEMBERS = 3
PROBLEM = ring_problem()


def prepare(members, **changes):
    settings = ring_settings(members=members, normalise=True, input_noise=0.01)
    settings = dataclasses.replace(settings, **{"mode": "synthetic", **changes})
    data = ring_data(PROBLEM)
    return settings, data, fitting.prepare(PROBLEM, data, settings)


def member(params, i):
    return jax.tree.map(lambda x: x[i], params)


@pytest.fixture(scope="module")
def trained():
    """A cycle of an ensemble, and its state before."""
    settings, _, prepared = prepare(MEMBERS)
    player = prepared.plan.players["synthetic"]
    state = prepared.plan.init_state().synthetic.train
    parts = player.augment(prepared.plan.real, None, 0.0)
    return prepared, state, jax.jit(player.train)(state, parts, jax.random.key(3))


def test_its_members_are_those_of_single_trainings_with_their_keys(trained):
    _, before, (state, metrics) = trained
    settings, _, prepared = prepare(1)
    player, model = prepared.plan.players["synthetic"], prepared.models.synthetic
    tx = players.make_optimizer(settings.synthetic, 1000)
    parts = player.augment(prepared.plan.real, None, 0.0)
    seed = fitting.stages.seeded_key(settings.seed, fitting.stages.NETWORK)
    train = jax.jit(player.train)
    losses = []
    init_keys, keys = (jax.random.split(k, MEMBERS) for k in (seed, jax.random.key(3)))
    for i in range(MEMBERS):
        alone = init_train_state(model.init(init_keys[i]), ["network"], tx)
        expected = member(before.params, i)
        jax.tree.map(np.testing.assert_array_equal, alone.params, expected)
        alone, found = train(alone, parts, keys[i])
        losses.append(found["losses"])
        close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
        jax.tree.map(close, alone.params, member(state.params, i))
        assert state.step == alone.step
    np.testing.assert_allclose(metrics["losses"], np.mean(losses, 0), rtol=1e-5)
    assert metrics["skipped"] == 0 and state.constants.keys() == {"normalisation"}


def test_its_answer_is_the_mean(trained):
    prepared, _, (state, _) = trained
    models, zero = prepared.models, jnp.zeros(1, jnp.int32)
    query = Query(zero, zero, prepared.plan.real.training.states[:1, 0], horizon=4)
    answers = [
        models.ensemble.member.predict(
            {**state.constants, **member(state.params, i)}, query
        )
        for i in range(MEMBERS)
    ]
    assert np.std(answers, axis=0).max() > 1e-3
    found = models.synthetic.predict(state.variables, query)
    np.testing.assert_allclose(found, np.mean(answers, axis=0), atol=1e-6)
    spread = ensembles.spread(models.ensemble.answers(state.variables, query))
    np.testing.assert_allclose(spread, np.std(answers, axis=0, ddof=1), atol=1e-6)


def test_one_member_is_no_ensemble():
    _, _, prepared = prepare(1)
    assert prepared.models.ensemble is None
    assert prepared.models.trained is prepared.models.synthetic


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("kind", ["grid", "points"])
def test_a_run_compiles_once_goes_on_to_the_bit_and_is_calibrated(kind, tmp_path):
    if kind == "grid":
        settings, data, _ = prepare(2)
        problem, split, name = PROBLEM, "test", "synthetic_alone"
    else:
        settings = decay.make_settings(
            synthetic={"members": 2}, baselines=False, hybrid={"warmup": 0, "cycles": 2}
        )
        problem, split = decay.make_problem(), "held_out"
        name = "hybrid_synthetic"
        data = decay.observe(problem, decay.make_readings())

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hyco_jax.fit(problem, data, settings, tmp_path, stop)
    resumed = hyco_jax.fit(problem, data, settings, tmp_path)
    prepared = fitting.prepare(problem, data, settings)
    state, real = prepared.plan.init_state(), prepared.plan.real
    calls = prepared.plan.stages[-1].calls
    for call in calls:
        state, _ = call.run(state, real)
    assert [call.run._cache_size() for call in set(calls)] == [1]
    jax.tree.map(
        np.testing.assert_array_equal,
        resumed.trained[name].params,
        state.synthetic.best_variables,
    )
    row = resumed.rows[name]
    assert row[f"{split}/error_to_spread"] > 0
    assert 0 <= row[f"{split}/within_spread"] <= 1
    assert f"{split.replace('_', ' ')} error/spread" in resumed.table()
    loaded = hyco_jax.load(tmp_path, problem)
    assert loaded.synthetic.params["network"].keys()
    if kind == "grid":
        band = resumed.arrays[f"members/test/{name}"]
        curve = resumed.arrays[f"nrmse/test/{name}"]
        assert (band[0, 1:] < band[1, 1:]).all() and (curve[1:] < band[1, 1:]).all()
    else:
        assert resumed.arrays[f"spread/{name}"].shape == (60, 1)

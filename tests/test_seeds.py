"""Seeds in one program are what they are alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import fitting, seeds
from tests import readings, ring


@pytest.fixture(scope="module")
def on_grid():
    problem = ring.ring_problem()
    data = ring.ring_data(problem)
    settings = dataclasses.replace(ring.ring_settings(), baselines=False)
    return [
        fitting.prepare(problem, data, dataclasses.replace(settings, seed=seed))
        for seed in (0, 1)
    ]


def alone(prepared, name):
    (stage,) = (s for s in prepared.plan.stages if s.name == name)
    state = prepared.plan.init_state()
    for call in stage.calls:
        state, _ = call.run(state, prepared.plan.real)
    return state


def differences(one, other):
    """Largest difference of each parameter, of both models."""
    return [
        np.abs(np.subtract(a, b)).max()
        for side in ("synthetic", "physical")
        for a, b in zip(
            *(jax.tree.leaves(getattr(s, side).train.params) for s in (one, other)),
            strict=True,
        )
    ]


def test_each_seed_ends_where_it_ends_alone(on_grid):
    runs = seeds.run(on_grid)
    assert set(runs) == {"hybrid"}
    together = [seeds.take(runs["hybrid"].state, i) for i in (0, 1)]
    for prepared, state in zip(on_grid, together, strict=True):
        assert max(differences(state, alone(prepared, "hybrid"))) < 1e-4
    assert max(differences(*together)) > 0.05
    (metrics, *_) = runs["hybrid"].metrics
    assert metrics["synthetic"]["score"].shape == (2, 1)


def test_readings_that_others_have_more_of_change_nothing():
    problem = readings.make_problem()
    prepared = [
        fitting.prepare(
            problem,
            readings.observe(problem, readings.make_readings(count)),
            readings.make_settings(mode="physical", seed=seed),
        )
        for seed, count in ((0, 30), (1, 47))
    ]
    runs = seeds.run(prepared)["physical"]
    expected = alone(prepared[0], "physical")
    assert max(differences(seeds.take(runs.state, 0), expected)) < 1e-5


def test_what_cannot_be_stacked_is_refused():
    assert seeds.stack([jnp.ones(2), jnp.ones(3)]).tolist() == [[1, 1, 0], [1, 1, 1]]
    with pytest.raises(ValueError, match="same number of axes"):
        seeds.stack([jnp.ones(2), jnp.ones((2, 1))])
    with pytest.raises(ValueError, match="differ in more than arrays"):
        seeds.stack([{"a": jnp.ones(2)}, {"b": jnp.ones(2)}])

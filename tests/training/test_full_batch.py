import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data import windows
from hyco_jax.training import full_batch, lbfgs, losses, optimizers
from hyco_jax.training.state import init
from tests import toy

pytestmark = pytest.mark.usefixtures("strict_numerics")

START = {"kernel": jnp.array([0.1, 0.5, 0.3]), "gain": jnp.array(1.0)}
EXACT = [toy.RATE, 1 - 2 * toy.RATE, toy.RATE]


def step(params, u):
    return params["gain"] * toy.convolve(params, u)


def make_loss(parts, step=step, chunk=None):
    predict = toy.predict(step)
    return jax.jit(lambda p: losses.part_losses(predict, p, parts, chunk=chunk))


@pytest.fixture(scope="module")
def parts():
    """7 windows of horizon 2 with gaps, and 12 of horizon 1 with other weights."""
    states = toy.trajectories(jax.random.key(1))
    weights = jax.random.uniform(jax.random.key(2), states.shape)
    weights = jnp.where(weights > 0.3, weights, 0)
    gaps = jnp.where(weights > 0, states, jnp.nan)
    index = jnp.array([0, 0, 0, 0, 1, 1, 1]), jnp.array([0, 1, 2, 4, 0, 3, 4])
    first = windows.Windows(states, gaps, weights, *index, 2)
    ones = jnp.full((1, 1, 1, 1), 0.5)
    return [first, windows.predicted_windows(states, states, ones, 1)]


def make_train(method="lbfgs", tx=None, num_iterations=15, **options):
    tx = tx or optimizers.make_full_batch(method, 3e-2)
    options = {"predict": toy.predict(step), "abs_tol": 0.0} | options

    @jax.jit
    def train(state, parts):
        return full_batch.train(
            state,
            parts,
            tx=tx,
            method=method,
            num_iterations=num_iterations,
            **options,
        )

    return train, init(START, ["kernel"], tx)


@pytest.fixture(scope="module")
def trainers():
    """Compiled trainers; adam is so fast that its loss goes up and down."""
    return {
        "lbfgs": make_train(num_iterations=30),
        "adam": make_train(
            "adam", optimizers.make_full_batch("adam", 0.3), num_iterations=12
        ),
    }


@pytest.fixture(scope="module")
def fitted(parts, trainers):
    train, state = trainers["lbfgs"]
    return state, *train(state, parts)


def test_the_parameters_of_a_linear_model_are_found(fitted):
    _, after, metrics = fitted
    np.testing.assert_allclose(after.params["kernel"], EXACT, atol=1e-4)
    assert metrics["final_loss"] < 1e-8 * metrics["losses"][0]
    assert metrics["best_loss"] == metrics["losses"].min()
    assert after.step == metrics["count"] <= 30


def test_constants_are_used_and_stay(fitted, parts):
    state, after, metrics = fitted
    assert after.constants == state.constants and set(after.params) == {"kernel"}
    loss_parts = make_loss(parts)
    expected = loss_parts(START)
    np.testing.assert_allclose(metrics["losses"][0], expected.sum(), rtol=1e-5)
    doubled = loss_parts(START | {"gain": jnp.array(2.0)})
    assert abs(doubled.sum() - expected.sum()) > 0.1


@pytest.mark.parametrize("chunk", [5, 7])
def test_a_loss_in_chunks_has_the_same_value_and_gradient(parts, chunk):
    # Of 7 and 12 windows, chunks of 5 leave remainders of 2 and 2, chunks of 7 of 5.
    def value_and_grad(window_chunk):
        loss = make_loss(parts, chunk=window_chunk)
        return jax.jit(jax.value_and_grad(lambda p: loss(p) @ jnp.array([1.0, 3.0])))

    chunked, whole = (value_and_grad(c)(START) for c in (chunk, None))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), chunked, whole
    )


def test_the_loss_is_the_mean_over_windows_of_weighted_squares(parts):
    expected = []
    for part in parts:
        total = 0.0
        for sim, start in zip(part.sim, part.start, strict=True):
            u = part.inputs[sim, start]
            for k in range(1, part.horizon + 1):
                u = step(START, u)
                w = np.broadcast_to(part.weights, part.targets.shape)[sim, start + k]
                r = np.where(w > 0, part.targets[sim, start + k] - u, 0)
                total += np.sum(w * r**2)
        expected.append(total / (7 + 12))
    actual = make_loss(parts)(START)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_chunks_limit_the_memory_of_the_gradient():
    states = jnp.zeros((1, 33, 4096, 1))
    part = windows.predicted_windows(states, states, jnp.ones((1, 1, 1, 1)), 1)

    def wavy(params, u):
        for _ in range(8):
            u = jnp.sin(params["gain"] * u)
        return u

    def peak(chunk):
        def loss(params, part):
            return make_loss([part], wavy, chunk)(params)[0]

        compiled = jax.jit(jax.grad(loss)).lower(START, part).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # 32 windows at once hold 8 intermediate fields each, 4 windows an eighth of that.
    assert peak(4) < 0.35 * peak(None)


def test_adam_lowers_the_loss_and_returns_the_best_visited(parts, trainers):
    train, state = trainers["adam"]
    after, metrics = train(state, parts)
    assert metrics["losses"].shape == metrics["grad_norms"].shape == (13,)
    assert (np.diff(metrics["losses"]) > 0).any()
    assert metrics["best_loss"] < metrics["losses"][0]
    loss_parts = make_loss(parts)
    reached = loss_parts({**state.constants, **after.params})
    np.testing.assert_allclose(reached.sum(), metrics["best_loss"], rtol=1e-4)
    np.testing.assert_allclose(metrics["part_losses"], reached, rtol=1e-4)
    assert after.step == 12 and metrics["count"] == 12
    assert lbfgs.STATUS[int(metrics["status"])] == "iteration limit"


def test_adam_returns_the_moments_that_belong_to_the_best(parts, trainers):
    train, state = trainers["adam"]
    after, metrics = train(state, parts)
    best = int(np.argmin(metrics["losses"]))
    assert best < 12
    # To stop there is to have the same moments.
    tx = optimizers.make_full_batch("adam", 0.3)
    stopped, _ = make_train("adam", tx, num_iterations=best)[0](state, parts)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7),
        (after.params, after.opt_state),
        (stopped.params, stopped.opt_state),
    )


def test_adam_survives_what_is_not_finite(parts):
    # The logarithm fails as soon as the gain falls below 0.9.
    def fragile(params, u):
        return (1 + 0 * jnp.log(params["gain"] - 0.9)) * params["gain"] * u

    tx = optimizers.make_full_batch("adam", 0.03)
    state = init({"gain": jnp.array(1.0)}, ["gain"], tx)
    train, _ = make_train("adam", tx, num_iterations=10, predict=toy.predict(fragile))
    after, metrics = train(state, parts)
    assert lbfgs.STATUS[int(metrics["status"])] == "non-finite"
    assert 0.9 < after.params["gain"] < 1.0
    assert np.isfinite(metrics["best_loss"])
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(after))


def test_a_penalty_enters_the_loss_but_not_its_parts(parts, fitted):
    _, free, _ = fitted

    def penalty(params):
        return 100.0 * params["gain"] * params["kernel"][1] ** 2

    train, state = make_train(penalty=penalty, num_iterations=20)
    after, metrics = train(state, parts)
    assert after.params["kernel"][1] < 0.5 * free.params["kernel"][1]
    final = metrics["part_losses"].sum() + penalty({**START, **after.params})
    np.testing.assert_allclose(metrics["final_loss"], final, rtol=1e-4)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_the_state_keeps_structure_shapes_and_types(parts, trainers, method):
    train, state = trainers[method]
    shapes = toy.describe(state)
    for _ in range(3):
        state, _ = train(state, parts)
        assert toy.describe(state) == shapes
    assert train._cache_size() == 1


def test_a_single_update_that_raises_the_loss_is_kept_only_if_asked_for(parts):
    changes = []
    for keep_best in (True, False):
        train, state = make_train(
            "adam",
            optimizers.make_full_batch("adam", 30.0),
            num_iterations=1,
            keep_best=keep_best,
        )
        after, metrics = train(state, parts)
        assert metrics["losses"][1] > metrics["losses"][0]
        changes.append(np.abs(after.params["kernel"] - state.params["kernel"]).max())
        # The parts are those of what was kept.
        kept = metrics["losses"][int(not keep_best)]
        assert metrics["part_losses"].sum() == pytest.approx(float(kept), rel=1e-5)
    assert changes[0] == 0 and changes[1] > 1

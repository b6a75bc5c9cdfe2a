import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import lbfgs, losses, physical, synthetic, windows
from tests import toy

pytestmark = pytest.mark.usefixtures("strict_numerics")

START = {"kernel": jnp.array([0.1, 0.5, 0.3]), "gain": jnp.array(1.0)}
EXACT = [toy.RATE, 1 - 2 * toy.RATE, toy.RATE]


def step(params, u):
    return params["gain"] * toy.convolve(params, u)


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
    tx = tx or physical.make_optimizer(method, 3e-2)
    options = {"step": step, "abs_tol": 0.0} | options

    @jax.jit
    def train(state, parts):
        return physical.train(
            state,
            parts,
            tx=tx,
            method=method,
            num_iterations=num_iterations,
            **options,
        )

    return train, synthetic.init(START, ["kernel"], tx)


@pytest.fixture(scope="module")
def fitted(parts):
    train, state = make_train(num_iterations=30)
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
    loss_parts = physical.make_loss(parts, step=step)
    expected = loss_parts(START)
    np.testing.assert_allclose(metrics["losses"][0], expected.sum(), rtol=1e-5)
    doubled = loss_parts(START | {"gain": jnp.array(2.0)})
    assert abs(doubled.sum() - expected.sum()) > 0.1


@pytest.mark.parametrize("chunk", [1, 5, 7, 12])
def test_a_loss_in_chunks_has_the_same_value_and_gradient(parts, chunk):
    # Of 7 and 12 windows, chunks of 5 leave remainders of 2 and 2.
    def value_and_grad(window_chunk):
        loss = physical.make_loss(parts, step=step, window_chunk=window_chunk)
        vector = loss(START)
        return vector, jax.grad(lambda p: loss(p) @ jnp.array([1.0, 3.0]))(START)

    chunked, whole = (jax.jit(value_and_grad, static_argnums=0)(c) for c in (chunk, 0))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), chunked, whole
    )


def test_the_loss_is_the_mean_over_windows_of_weighted_squares(parts):
    first, second = parts
    expected = []
    for part in parts:
        total = 0.0
        for i in range(len(part.sim)):
            batch = windows.gather(part, jnp.array([i]))
            total += losses.window_losses(step, START, batch)[0]
        expected.append(total / (7 + 12))
    actual = physical.make_loss([first, second], step=step)(START)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_chunks_limit_the_memory_of_the_gradient():
    states = jnp.zeros((1, 33, 4096, 1))
    part = windows.predicted_windows(states, states, jnp.ones((1, 1, 1, 1)), 1)

    def wavy(params, u):
        for _ in range(8):
            u = jnp.sin(params["gain"] * u)
        return u

    def peak(chunk):
        loss = physical.make_loss([part], step=wavy, window_chunk=chunk)
        gradient = jax.jit(jax.grad(lambda p: loss(p)[0]))
        analysis = gradient.lower(START).compile().memory_analysis()
        return analysis.temp_size_in_bytes

    # 32 windows at once hold 8 intermediate fields each, 4 windows an eighth of that.
    assert peak(4) < 0.35 * peak(None)


def test_adam_lowers_the_loss_and_returns_the_best_visited(parts):
    # A rate so high that the loss goes up and down.
    tx = physical.make_optimizer("adam", 0.3)
    train, state = make_train("adam", tx, num_iterations=12)
    after, metrics = train(state, parts)
    assert metrics["losses"].shape == metrics["grad_norms"].shape == (13,)
    assert (np.diff(metrics["losses"]) > 0).any()
    assert metrics["best_loss"] < metrics["losses"][0]
    reached = physical.make_loss(parts, step=step)({**state.constants, **after.params})
    np.testing.assert_allclose(reached.sum(), metrics["best_loss"], rtol=1e-4)
    np.testing.assert_allclose(metrics["part_losses"], reached, rtol=1e-4)
    assert after.step == 12 and metrics["count"] == 12
    assert lbfgs.STATUS[int(metrics["status"])] == "iteration limit"


def test_adam_survives_what_is_not_finite(parts):
    # The logarithm fails as soon as the gain falls below 0.9.
    def fragile(params, u):
        return (1 + 0 * jnp.log(params["gain"] - 0.9)) * params["gain"] * u

    tx = physical.make_optimizer("adam", 0.03)
    state = synthetic.init({"gain": jnp.array(1.0)}, ["gain"], tx)
    train, _ = make_train("adam", tx, num_iterations=10, step=fragile)
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


@pytest.mark.parametrize("method", physical.METHODS)
def test_the_state_keeps_structure_shapes_and_types(parts, method):
    def describe(state):
        return jax.tree.map(lambda x: (x.shape, x.dtype, x.weak_type), state)

    train, state = make_train(method, num_iterations=2)
    shapes = describe(state)
    for _ in range(3):
        state, _ = train(state, parts)
        assert describe(state) == shapes
    assert train._cache_size() == 1 and state.step <= 6

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

from hyco_jax.training import lbfgs
from tests import toy
from tests.x64 import enable_x64

pytestmark = pytest.mark.usefixtures("strict_numerics")

TX = lbfgs.make_optimizer()


def init(params):
    return jax.tree.map(lambda x: jnp.array(x, x.dtype), TX.init(params))


def status(result):
    return lbfgs.STATUS[int(result.status)]


def make_minimize(loss, num_iterations, carry_memory=False):
    """Compiles the minimisation of `loss(params, data)`."""

    @jax.jit
    def minimize(params, opt_state, data, abs_tol=0.0):
        return lbfgs.minimize(
            lambda p: loss(p, data),
            params,
            opt_state,
            TX,
            num_iterations=num_iterations,
            abs_tol=abs_tol,
            carry_memory=carry_memory,
        )

    return minimize


# Functions of two numbers. One compilation serves all: the problem is data.
PROBLEMS = {
    "rosenbrock": lambda x, _: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2,
    # Above the kink at 0 the slope is positive, below it negative.
    "kink": lambda x, _: 1 + jnp.abs(x[0]) + x[0] / 2,
    "nan everywhere but at 1": lambda x, _: jnp.where(x[0] == 1, x[0] + x[1], jnp.nan),
    "nan beyond 2": lambda x, _: jnp.where(x[0] < 2, 100 * (x[0] - 1.9) ** 2, jnp.nan),
    # Convex around the shift, concave more than a quarter of a period away.
    "waves": lambda x, shift: jnp.sum(1 - jnp.cos(x - shift)),
    # An offset that hides decreases below 6e-8.
    "high rosenbrock": lambda x, _: 1 + PROBLEMS["rosenbrock"](x, _),
}


@functools.cache
def minimize_problem(carry_memory):
    def loss(params, data):
        number, shift = data
        return jax.lax.switch(number, list(PROBLEMS.values()), params["x"], shift)

    return make_minimize(loss, 60, carry_memory)


def solve(name, start, shift=0.0, opt_state=None, abs_tol=0.0, carry_memory=False):
    params = {"x": jnp.asarray(start, jnp.float32)}
    opt_state = init(params) if opt_state is None else opt_state
    data = jnp.array(list(PROBLEMS).index(name)), jnp.array(shift)
    return minimize_problem(carry_memory)(params, opt_state, data, abs_tol)


# An ill-conditioned least-squares problem: singular values from 1 to 1e-2.
SIZE = 12
_rng = np.random.default_rng(0)
_left, _right = (np.linalg.qr(_rng.normal(size=(SIZE, SIZE)))[0] for _ in range(2))
OPERATOR = jnp.asarray(_left * np.geomspace(1, 1e-2, SIZE) @ _right, jnp.float32)
TRUTH = jnp.asarray(_rng.normal(size=SIZE), jnp.float32)
ZERO = {"x": jnp.zeros(SIZE)}


def least_squares(params, truth):
    residual = jnp.matmul(OPERATOR, params["x"] - truth, precision="highest")
    return jnp.sum(residual**2)


@functools.cache
def minimize_squares(carry_memory):
    return make_minimize(least_squares, 5, carry_memory)


def test_the_minimiser_of_a_quadratic_is_found_and_a_tolerance_stops_earlier():
    curvatures = jnp.linspace(1, 30, SIZE)
    minimize = make_minimize(
        lambda p, truth: jnp.sum(curvatures * (p["x"] - truth) ** 2), 40
    )
    exact = minimize(ZERO, init(ZERO), TRUTH)
    np.testing.assert_allclose(exact.params["x"], TRUTH, atol=1e-4)
    result = minimize(ZERO, init(ZERO), TRUTH, 1e-2)
    decreases = -np.diff(result.losses)[: int(result.num_iterations)]
    assert status(result) == "converged"
    assert decreases[-1] < 1e-2 and (decreases[:-1] >= 1e-2).all()
    assert result.num_iterations < exact.num_iterations


def test_an_ill_conditioned_problem_takes_the_work_it_takes_scipy():
    # 5 calls of 5 iterations that carry their memory are 25 iterations.
    params, opt_state, evaluations = ZERO, init(ZERO), 0
    for _ in range(5):
        result = minimize_squares(True)(params, opt_state, TRUTH)
        params, opt_state = result.params, result.opt_state
        evaluations += int(result.num_evaluations)
    reference = scipy.optimize.minimize(
        lambda x: float(np.sum((OPERATOR @ (x - TRUTH)) ** 2)),
        np.zeros(SIZE),
        jac=lambda x: np.asarray(2 * OPERATOR.T @ (OPERATOR @ (x - TRUTH)), float),
        method="L-BFGS-B",
        options={"maxiter": 25, "ftol": 0, "gtol": 0},
    )
    # The loss falls by four decades; the two agree within half of one.
    assert result.losses[-1] < 3 * reference.fun < 1e-2
    assert evaluations <= 2 * reference.nfev + 2 * 5
    # Without the memory the same iterations get less far.
    params = ZERO
    for _ in range(5):
        restarted = minimize_squares(False)(params, init(ZERO), TRUTH)
        params = restarted.params
    assert result.losses[-1] < 0.5 * restarted.losses[-1]


def test_the_steps_are_those_of_optax():
    # Its loop is another, which guards the steps of a line search that have no name.
    scale, num_iterations = SIZE, 5

    def loss(params):
        return scale * least_squares(params, TRUTH)

    search = optax.scale_by_zoom_linesearch(20, initial_guess_strategy="one")
    tx = optax.lbfgs(memory_size=10, linesearch=search)
    value_and_grad = jax.jit(jax.value_and_grad(loss))

    @jax.jit
    def update(params, state):
        value, grad = value_and_grad(params)
        updates, state = tx.update(
            grad, state, params, value=value, grad=grad, value_fn=loss
        )
        return optax.apply_updates(params, updates), state

    params, state, evaluations = ZERO, tx.init(ZERO), 1
    for _ in range(num_iterations):
        params, state = update(params, state)
        evaluations += int(state[-1].info.num_linesearch_steps)
    result = minimize_squares(False)(ZERO, init(ZERO), TRUTH)
    assert result.num_evaluations == evaluations > num_iterations
    np.testing.assert_allclose(result.params["x"], params["x"], rtol=1e-4, atol=1e-6)


def test_members_of_a_batch_find_what_each_finds_alone():
    starts = {"x": jnp.stack([jnp.zeros(SIZE), TRUTH / 2, TRUTH])}
    minimize = minimize_squares(False)
    together = jax.vmap(lambda p: minimize(p, TX.init(p), TRUTH))(starts)
    for i, start in enumerate(starts["x"]):
        alone = minimize({"x": start}, init(ZERO), TRUTH)
        assert together.num_evaluations[i] == alone.num_evaluations
        np.testing.assert_allclose(
            together.params["x"][i], alone.params["x"], rtol=1e-4, atol=1e-6
        )
    assert together.num_evaluations[2] == 1


def test_rosenbrock_falls_steadily_to_the_minimum_that_scipy_finds():
    result = solve("rosenbrock", [-1.2, 1.0])
    reference = scipy.optimize.minimize(
        scipy.optimize.rosen, [-1.2, 1.0], jac=scipy.optimize.rosen_der, method="BFGS"
    )
    np.testing.assert_allclose(result.params["x"], reference.x, atol=1e-3)
    # The same work: SciPy makes 32 iterations.
    assert 15 <= result.num_iterations <= 2 * reference.nit
    # The losses are those of the iterates, and never rise. At the start it is
    # (1 + 1.2)² + 100 (1 - 1.44)² = 24.2
    assert result.losses[0] == pytest.approx(24.2, rel=1e-5)
    done = int(result.num_iterations)
    assert (np.diff(result.losses[: done + 1]) < 0).all()
    np.testing.assert_array_equal(result.losses[done:], result.losses[done])
    final = PROBLEMS["rosenbrock"](result.params["x"], 0.0)
    np.testing.assert_allclose(result.losses[-1], final, rtol=1e-4, atol=1e-12)
    slope = np.hypot(-2 * 2.2 - 400 * -1.2 * (1 - 1.44), 200 * (1 - 1.44))
    assert result.grad_norms[0] == pytest.approx(slope, rel=1e-5)


def test_the_iteration_limit_ends_the_search_without_harm():
    result = minimize_squares(False)(ZERO, init(ZERO), TRUTH)
    assert status(result) == "iteration limit" and result.num_iterations == 5
    # Each iteration costs an evaluation or more, and the start costs one.
    assert 6 <= result.num_evaluations <= 5 * 20 + 1
    assert result.losses[-1] < 0.1 * result.losses[0]


def test_near_a_float32_minimum_the_search_stops_within_two_line_searches():
    result = solve("high rosenbrock", solve("rosenbrock", [-1.2, 1.0]).params["x"])
    assert status(result) in ("line search failed", "converged")
    assert result.num_evaluations <= 1 + 2 * 20
    again = solve("high rosenbrock", result.params["x"])
    assert again.num_evaluations <= 1 + 2 * 20
    assert again.losses[-1] <= result.losses[-1] <= result.losses[0]


def test_a_failed_line_search_keeps_the_parameters_and_restarts_the_memory():
    result = solve("kink", [0.0, 5.0])
    assert status(result) == "line search failed"
    np.testing.assert_array_equal(result.params["x"], [0.0, 5.0])
    assert result.opt_state[0].count == result.num_iterations == 0
    assert result.num_evaluations <= 1 + 20


def test_a_vanishing_gradient_needs_no_line_search():
    result = minimize_squares(False)({"x": TRUTH}, init(ZERO), TRUTH)
    assert status(result) == "converged" and result.num_evaluations == 1
    np.testing.assert_array_equal(result.params["x"], TRUTH)


@pytest.mark.parametrize("start", [0.0, 1.0], ids=["the start", "every trial"])
def test_what_is_not_finite_stops_at_the_last_good_parameters(start):
    result = solve("nan everywhere but at 1", [start, 0.0])
    assert status(result) == "non-finite"
    np.testing.assert_array_equal(result.params["x"], [start, 0.0])
    assert result.num_iterations == result.opt_state[0].count == 0


def test_a_wall_of_nan_in_the_way_is_stepped_back_from():
    result = solve("nan beyond 2", [0.0, 0.0])
    assert result.params["x"][0] == pytest.approx(1.9, abs=1e-3)


def test_a_trial_that_overflows_is_rejected_and_the_search_converges():
    # 60 steps of u' = c u² from 1: for c above 0.2 each squares what has blown up.
    def rollout(c):
        step = lambda u, _: (u + 0.1 * c * u**2,) * 2  # noqa: E731
        return jax.lax.scan(step, jnp.ones(()), length=60)[1]

    tried = []

    def loss(params, target):
        value = jnp.mean((rollout(params["x"][0]) - target) ** 2)
        jax.debug.callback(tried.append, value)
        return value

    params = {"x": jnp.array([-0.3])}
    result = make_minimize(loss, 40)(params, init(params), rollout(0.1))
    jax.block_until_ready(result)
    # The start, and then the first trial.
    assert np.isfinite(tried[0]) and not np.isfinite(tried[1])
    assert result.params["x"][0] == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize("carry_memory", [False, True])
def test_a_changed_objective_is_evaluated_anew(carry_memory):
    minimize = minimize_squares(carry_memory)
    first = minimize(ZERO, init(ZERO), TRUTH)
    # The stored value is first.losses[-1]; the true one is much larger.
    moved = TRUTH + 3.0
    second = minimize(first.params, first.opt_state, moved)
    expected = least_squares(first.params, moved)
    np.testing.assert_allclose(second.losses[0], expected, rtol=1e-5)
    assert expected > 100 * first.losses[-1]
    final = least_squares(second.params, moved)
    np.testing.assert_allclose(second.losses[-1], final, rtol=1e-3)
    assert second.losses[-1] < 0.5 * second.losses[0]


def test_pairs_without_positive_curvature_are_dropped():
    # The tolerance ends the search before rounding does, which would drop the memory.
    search = functools.partial(solve, "waves", abs_tol=1e-3, carry_memory=True)
    first = search([0.2, 1.4], 1.0)
    memory, count, far = first.opt_state[0], first.num_iterations, 3.5
    assert memory.count == count >= 2
    s = first.params["x"] - memory.params["x"]
    y = jnp.sin(first.params["x"] - far) - jnp.sin(memory.params["x"] - far)
    assert jnp.vdot(s, y) < 0
    second = search(first.params["x"], far, first.opt_state)
    assert status(second) == "converged"
    # The memory was restarted before the first iteration, else it held `count` more.
    assert second.opt_state[0].count == second.num_iterations > 0
    assert (second.opt_state[0].weights_memory >= 0).all()
    near = search(first.params["x"], 1.2, first.opt_state)
    assert near.opt_state[0].count == count + near.num_iterations > count


@pytest.mark.parametrize("carry_memory", [False, True])
def test_the_state_keeps_structure_shapes_and_types(carry_memory):
    minimize = minimize_squares(carry_memory)
    params, opt_state = ZERO, init(ZERO)

    shapes = toy.describe((params, opt_state))
    for shift in range(3):
        result = minimize(params, opt_state, TRUTH + shift)
        params, opt_state = result.params, result.opt_state
        assert toy.describe((params, opt_state)) == shapes
    assert minimize._cache_size() == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("carry_memory", [False, True])
def test_under_x64_parameters_of_either_precision_keep_it(dtype, carry_memory):
    with enable_x64():
        goal = jnp.asarray([1.0, -2.0, 3.0], dtype)
        minimize = make_minimize(
            lambda p, goal: jnp.sum((p["x"] - goal) ** 2), 8, carry_memory
        )
        params = {"x": jnp.zeros(3, dtype)}
        opt_state = init(params)
        shapes = toy.describe((params, opt_state))
        result = minimize(params, opt_state, goal)
        assert toy.describe((result.params, result.opt_state)) == shapes
        assert result.losses.dtype == dtype
        assert result.num_iterations.dtype == result.num_evaluations.dtype == "int32"
        np.testing.assert_allclose(result.params["x"], goal, rtol=1e-6)


def test_the_many_small_gradients_of_a_field_are_no_obstacle():
    # As for a field of 128² cells: each entry of the gradient is about 1e-4.
    target = jnp.sin(jnp.arange(16384.0) / 1000)

    def loss(params, data):
        return jnp.mean((params["x"] - data) ** 2)

    params = {"x": jnp.zeros(16384)}
    result = make_minimize(loss, 2)(params, init(params), target)
    np.testing.assert_allclose(result.params["x"], target, atol=1e-4)

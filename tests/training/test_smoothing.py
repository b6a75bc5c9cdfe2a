"""The weight of a penalty: where it ends in a linear problem."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.models import regularisation
from hyco_jax.training import smoothing

COUNT, CELLS, NOISE = 120, 24, 0.3
DOMAIN = Domain((CELLS,), (1.0,))


def linear_problem(seed=0):
    """Noisy means over random windows of a field that a smooth prior has drawn."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(COUNT, CELLS)) / np.sqrt(CELLS)
    bend = np.asarray(
        jax.hessian(lambda c: regularisation.h1_penalty(c, DOMAIN))(jnp.zeros(CELLS)),
        np.float64,
    )
    # Of exp(-R(c)/2τ) with a mean of order 1: the constant part is not penalised.
    values, waves = np.linalg.eigh(bend)
    sizes = np.where(values > 1e-3, 1 / np.sqrt(np.maximum(values, 1e-3)), 1.0)
    field = waves @ (30 * sizes * rng.normal(size=CELLS))
    data = matrix @ field + NOISE * rng.normal(size=COUNT)
    return matrix, bend, data


def fitted(matrix, bend, data, weight):
    """The minimum of mean((Ac - y)²) + w R(c)."""
    hessian = 2 * matrix.T @ matrix / COUNT
    return np.linalg.solve(hessian + weight * bend, 2 * matrix.T @ data / COUNT)


def predictive_error(matrix, bend, data, weight, variance):
    """Generalised cross-validation, or C_p where the variance is known."""
    hessian = 2 * matrix.T @ matrix / COUNT
    determined = np.trace(np.linalg.solve(hessian + weight * bend, hessian))
    field = fitted(matrix, bend, data, weight)
    misfit = np.mean((matrix @ field - data) ** 2)
    if variance is None:
        return misfit / (1 - determined / COUNT) ** 2
    return misfit + 2 * variance * determined / COUNT


def as_problem(matrix, data, variance=None):
    a, y = jnp.asarray(matrix, jnp.float32), jnp.asarray(data, jnp.float32)
    return smoothing.Problem(
        residuals=lambda params: (a @ params["c"] - y) / jnp.sqrt(COUNT),
        coordinates=lambda params: params,
        prior=lambda values, weights: (
            weights["c"] * regularisation.h1_penalty(values["c"], DOMAIN)
        ),
        adapts=("c",),
        num_observations=COUNT,
        variance=variance,
    )


@pytest.mark.parametrize("variance", [None, NOISE**2])
@pytest.mark.parametrize("start", [1e-7, 1e-1])
def test_it_ends_at_the_weight_of_least_predictive_error(variance, start):
    matrix, bend, data = linear_problem()
    problem = as_problem(matrix, data, variance)
    adapt = jax.jit(functools.partial(smoothing.adapt, problem=problem))
    weights, visited = {"c": jnp.float32(start)}, []
    for cycle in range(14):
        field = fitted(matrix, bend, data, float(weights["c"]))
        params = {"c": jnp.asarray(field, jnp.float32)}
        weights = adapt(weights, params, key=jax.random.key(cycle))
        visited.append(float(weights["c"]))
    tried = 10.0 ** np.linspace(-7, 0, 141)
    errors = [predictive_error(matrix, bend, data, w, variance) for w in tried]
    best = tried[np.argmin(errors)]
    # Traces are estimated by few random directions.
    assert np.exp(np.mean(np.log(visited[-5:]))) == pytest.approx(best, rel=0.3)


def test_a_weight_without_anything_to_go_by_stays():
    matrix, _, data = linear_problem()
    problem = as_problem(matrix, data)
    constant = {"c": jnp.ones(CELLS)}
    weights = {"c": jnp.float32(0.5), "other": jnp.float32(2.0)}
    found = smoothing.adapt(weights, constant, problem, jax.random.key(0))
    assert (found["c"], found["other"]) == (0.5, 2.0)


def test_one_call_changes_a_weight_by_a_factor_of_ten_at_most():
    matrix, bend, data = linear_problem()
    problem = as_problem(matrix, data)
    for start, least, most in ((1e-9, 9.99, 10.01), (1e3, 0.0999, 0.5)):
        field = fitted(matrix, bend, data, start)
        params = {"c": jnp.asarray(field, jnp.float32)}
        weights = {"c": jnp.float32(start)}
        found = smoothing.adapt(weights, params, problem, jax.random.key(0))
        assert least * start < found["c"] < most * start

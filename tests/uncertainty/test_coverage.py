"""Intervals of 95 % cover the truth of simulated data sets as often as they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import hyco_jax
from hyco_jax import fitting
from hyco_jax.training import lbfgs
from hyco_jax.uncertainty import (
    bands,
    curvature,
    estimate,
    identifiability,
    names,
    solve,
)
from hyco_jax.uncertainty.residuals import Inputs

CELLS, STEPS, SIGMA, SETS = 12, 10, 0.05, 100
TX = lbfgs.make_optimizer()


def _step(values, u):
    """Diffusion of varying conductivity, and decay, on a ring."""
    v = u[:, 0]
    k = values["conductivity"] * jnp.ones_like(v)
    flux = 0.5 * (k + jnp.roll(k, 1)) * (v - jnp.roll(v, 1))
    v = v + 0.5 * (jnp.roll(flux, -1) - flux) - 0.1 * values["decay"] * v
    return v[:, None]


def _problem(step=_step):
    role = hyco_jax.Role(is_positive=True)
    return hyco_jax.Problem(
        domain=hyco_jax.Domain((CELLS,), (float(CELLS),)),
        dt=1.0,
        quantities=(hyco_jax.Quantity("u"),),
        roles={"conductivity": role, "decay": role},
        make_step=lambda domain, dt, upper: step,
    )


def _settings(conductivity, **physical):
    return hyco_jax.Settings(
        mode="physical",
        coefficients={
            "conductivity": conductivity,
            "decay": hyco_jax.CoefficientSettings("scalar", 0.5, (0.0, 2.0)),
        },
        physical=hyco_jax.PhysicalSettings(**physical),
    )


FOURIER = hyco_jax.CoefficientSettings("fourier", 0.4, (0.05, 0.9), num_modes=1)
NUMBER = hyco_jax.CoefficientSettings("scalar", 0.4, (0.05, 0.9))
VALUES = {
    "conductivity": 0.4 + 0.2 * np.cos(2 * np.pi * np.arange(CELLS) / CELLS),
    "decay": 0.6,
}


def _take_apart(settings, values, seen, step=_step):
    """The setup of a fit, its loss, true states and whether they are observed."""
    problem = _problem(step)
    truth = np.zeros((2, STEPS + 1, CELLS, 1))
    truth[:, 0, :, 0] = np.random.default_rng(0).standard_normal((2, CELLS))
    advance = jax.jit(jax.vmap(lambda u: step(values, u)))
    for i in range(STEPS):
        truth[:, i + 1] = advance(truth[:, i])
    seen = np.broadcast_to(seen, truth.shape).copy()
    seen[:, 0] = True
    data = hyco_jax.from_arrays(np.where(seen, truth, np.nan))
    prepared = fitting.prepare(problem, data, settings)
    params = prepared.models.physical.model.init(None)
    fit = estimate.least_squares(
        prepared.models, prepared.plan, prepared.placed, params
    )
    setup = solve.make_setup(fit, prepared.plan.real, problem, prepared.data)
    return setup, prepared, jnp.asarray(truth, jnp.float32), seen


def _fit_all(setup, prepared, truth, seen):
    """Parameters of fits to many data sets, in one program, and the data."""
    real, fit = prepared.plan.real, setup.fit
    start = ravel_pytree(prepared.models.physical.model.init(None))[0]
    is_noisy = jnp.asarray(seen).at[:, 0].set(False)

    def observe(key):
        noise = SIGMA * jax.random.normal(key, truth.shape)
        states = jnp.where(seen, truth + noise * is_noisy, jnp.nan)
        return fit.with_data(real, states)

    @jax.jit
    @jax.vmap
    def fitted(key):
        inputs = Inputs({}, observe(key))
        return lbfgs.minimize(
            lambda x: fit.loss(x, inputs),
            start,
            TX.init(start),
            TX,
            num_iterations=40,
            abs_tol=0.0,
            carry_memory=False,
        ).params

    keys = jax.random.split(jax.random.key(0), SETS)
    reals = jax.device_get(jax.jit(jax.vmap(observe))(keys))
    leaves, structure = jax.tree.flatten(reals)
    sets = [structure.unflatten(own) for own in zip(*leaves, strict=True)]
    return fitted(keys), [Inputs({}, real) for real in sets]


def _programs(setup, size):
    return curvature.make_curvature(setup.fit, setup.whole, setup.shape, size)


def test_of_numbers_and_pointwise_of_an_expansion():
    parts = _take_apart(_settings(FOURIER), VALUES, np.arange(CELLS)[:, None] < 8)
    setup, prepared = parts[:2]
    found, inputs = _fit_all(*parts)
    programs = _programs(setup, found.shape[1])
    numbers = ("decay",)
    values = bands.make_values(setup.fit, prepared.models.physical.learned, numbers)
    hits = {name: [] for name in VALUES}
    for x, own in zip(found, inputs, strict=True):
        solution = solve.solve(setup, programs, x, own)
        made = bands.make_bands(values, x, own, numbers, solution)
        errors = {"decay": np.sqrt(made.plain.covariance[0, 0]), **made.plain.fields}
        for name, truth in VALUES.items():
            gap = np.abs(made.values[name] - truth)
            hits[name].append(gap < 1.96 * errors[name])
    for covered in hits.values():
        assert 0.9 <= np.mean(covered) <= 0.99
    assert solution.noise.sigma == pytest.approx(SIGMA, rel=0.15)


def test_of_windows_that_start_from_noise():
    # Windows of 3 steps that overlap count an entry three times, and their starts are
    # noisy: neither is an error of the textbook's covariance aware of.
    settings = _settings(NUMBER, horizon=3)
    values = {"conductivity": 0.4, "decay": 0.6}
    parts = _take_apart(settings, values, True)
    setup = parts[0]
    assert setup.is_overlapping
    found, inputs = _fit_all(*parts)
    programs = _programs(setup, 2)
    at = np.asarray(found, np.float64).mean(axis=0)
    solution = solve.solve(setup, programs, jnp.float32(at), inputs[0])
    predicted = np.sqrt(np.diag(solution.plain.of(np.eye(2))))
    np.testing.assert_allclose(np.std(found, axis=0), predicted, rtol=0.2)


def test_a_pair_that_the_data_cannot_tell_apart_is_named():
    def step(values, u):
        both = values["conductivity"] * values["decay"]
        return _step({"conductivity": both, "decay": 0.0}, u)

    values = {"conductivity": 0.6, "decay": 0.5}
    setup, prepared, *_ = _take_apart(_settings(NUMBER), values, True, step)
    params = prepared.models.physical.model.init(None)
    x = ravel_pytree(params)[0]
    programs = _programs(setup, 2)
    solution = solve.solve(setup, programs, x, Inputs({}, prepared.plan.real))
    named = names.name_parameters(params)
    found = identifiability.identify(solution.data, named)
    assert found.eigenvalues == pytest.approx([2.0, 0.0], abs=1e-5)
    (sentence,) = found.words
    # Both have the same share, so that rounding says which comes first.
    pair, _, _ = sentence.partition(" trade off")
    assert sorted(pair.split(" and ")) == ["conductivity", "decay"]

"""Fitted coefficients: their errors, where they are known, and what figures draw."""

from collections.abc import Mapping
from typing import Protocol

import jax
import numpy as np

from hyco_jax.data.observations import Truth
from hyco_jax.models.physical import restrict_value
from hyco_jax.problem import Problem
from hyco_jax.scoring import metrics
from hyco_jax.stages import Models
from hyco_jax.types import Params


class Judge(Protocol):
    """What the judges of data on the grid and at points share.

    Attributes:
        problem: The physical system.
        models: Both models.
        true_coefficients: From `true_values`.
    """

    problem: Problem
    models: Models
    true_coefficients: Mapping[str, np.ndarray]


def true_values(
    problem: Problem, models: Models, truth: Truth | None
) -> dict[str, np.ndarray]:
    """True values of the learned coefficients, in the shape of the fitted ones.

    Args:
        problem: The physical system.
        models: Both models.
        truth: What is known of the data's.

    Returns:
        By name, on the physical grid; on the data's, if that is coarser and the truth
        is known there alone.
    """
    if truth is None:
        return {}
    params = jax.eval_shape(models.physical.model.init, jax.random.key(0))
    shapes = jax.eval_shape(models.physical.values, params)
    result = {}
    for name in models.physical.learned:
        if name in truth.coefficients:
            value = _to_compare(problem, name, truth.coefficients[name])
            # A number is compared with a field in each of its cells.
            shape = shapes[name].shape if value.ndim == 0 else value.shape
            result[name] = np.broadcast_to(value, shape)
    return result


def errors(judge: Judge, params: Params) -> dict[str, float]:
    """Relative errors of the coefficients whose truth is known, by name."""
    values = judge.models.physical.values(params)
    return {
        name: float(
            metrics.relative_error(_beside_truth(judge, name, values[name]), truth)
        )
        for name, truth in judge.true_coefficients.items()
    }


def columns(judge: Judge, params: Params) -> dict[str, float]:
    """Of the table: these errors, and the largest of them."""
    found = errors(judge, params)
    if not found:
        return {}
    by_name = {f"coefficient_error/{name}": error for name, error in found.items()}
    return {"coefficient_error": max(found.values())} | by_name


def arrays(judge: Judge, row: str, params: Params) -> dict[str, np.ndarray]:
    """Of figures and results: the values that a row of the table found."""
    result = {}
    for name, value in judge.models.physical.values(params).items():
        if name in judge.true_coefficients:
            value = _beside_truth(judge, name, value)
        result[f"coefficient/{name}/{row}"] = on_data_grid(judge.problem, name, value)
    return result


def true_arrays(judge: Judge) -> dict[str, np.ndarray]:
    """Of figures: the true values."""
    return {
        f"coefficient/{name}/truth": on_data_grid(judge.problem, name, truth)
        for name, truth in judge.true_coefficients.items()
    }


def _to_compare(problem, name, value) -> np.ndarray:
    """Takes a true value from the data's grid to the one that errors are taken on."""
    value, domain = np.asarray(value, np.float64), problem.physics_domain
    if domain.times_finer(problem.domain) > 1 and problem.true_values is not None:
        own = np.asarray(problem.true_values(problem.domain)[name])
        if own.shape == value.shape and np.allclose(own, value):
            return np.asarray(problem.true_values(domain)[name])
    return restrict_value(problem, name, value, problem.resampling.common)


def _beside_truth(judge, name, value) -> np.ndarray:
    """Takes a fitted value to the grid and the shape of the true one."""
    domain, truth = judge.problem.domain, judge.true_coefficients[name]
    if truth.shape[: domain.ndim] == domain.resolution:
        value = restrict_value(judge.problem, name, value, domain)
    return np.broadcast_to(value, truth.shape)


def on_data_grid(problem: Problem, name: str, value) -> np.ndarray:
    """Takes a coefficient to the data's grid: means, or repeated in its cells."""
    value, domain = np.asarray(value), problem.domain
    factor = domain.times_finer(problem.physics_domain)
    if not factor:
        return restrict_value(problem, name, value, domain)
    if value.ndim:
        for axis in range(domain.ndim):
            value = np.repeat(value, factor, axis)
    return value

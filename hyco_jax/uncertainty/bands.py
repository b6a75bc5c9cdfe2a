"""Standard errors of coefficients: of numbers, and pointwise of fields."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.types import Array
from hyco_jax.uncertainty.residuals import Inputs, LeastSquares
from hyco_jax.uncertainty.solve import Solution

_DRAWS = 200


class Values(NamedTuple):
    """Compiled functions of x `(p,)` and the inputs.

    Attributes:
        at: Physical values of the coefficients, by name.
        slopes: Their derivatives, by name, `(..., p)`.
        number_slopes: Those of the numbers among them, `(numbers, p)`.
        spread: Also of deviations `(draws, p)` of x: root mean squares of the changes
            of the values, by name.
    """

    at: Callable[..., Mapping[str, Array]]
    slopes: Callable[..., Mapping[str, Array]]
    number_slopes: Callable[..., Array]
    spread: Callable[..., Mapping[str, Array]]


def make_values(
    fit: LeastSquares, names: Sequence[str], numbers: Sequence[str]
) -> Values:
    """Makes the functions; they are compiled when they are called.

    Args:
        fit: The loss.
        names: Of the coefficients.
        numbers: Those of them that are numbers.
    """

    def at(x, inputs):
        found = fit.coordinates(x, inputs)
        return {name: found[name] for name in names}

    def of_numbers(x, inputs):
        found = at(x, inputs)
        return jnp.array([found[name] for name in numbers])

    def spread(x, inputs, draws):
        centre = at(x, inputs)

        def add(total, draw):
            gaps = jax.tree.map(lambda a, b: (a - b) ** 2, at(x + draw, inputs), centre)
            return jax.tree.map(jnp.add, total, gaps), None

        zero = jax.tree.map(jnp.zeros_like, centre)
        total = jax.lax.scan(add, zero, draws)[0]
        return jax.tree.map(lambda s: jnp.sqrt(s / len(draws)), total)

    return Values(
        jax.jit(at),
        jax.jit(jax.jacfwd(at)),
        jax.jit(jax.jacrev(of_numbers)),
        jax.jit(spread),
    )


class Errors(NamedTuple):
    """Standard errors.

    Attributes:
        covariance: Of the numbers, `(numbers, numbers)`.
        fields: Pointwise standard errors of all other coefficients, by name.
    """

    covariance: np.ndarray
    fields: dict[str, np.ndarray]


class Bands(NamedTuple):
    """Standard errors of coefficients.

    Attributes:
        numbers: Names of the coefficients that are numbers.
        values: Of all coefficients, by name.
        plain: If the model is right and the noise independent.
        robust: If not, from the scatter of the residuals; None with too few of them.
    """

    numbers: tuple[str, ...]
    values: dict[str, np.ndarray]
    plain: Errors
    robust: Errors | None


def make_bands(
    values: Values,
    x: Array,
    inputs: Inputs,
    numbers: tuple[str, ...],
    solution: Solution,
) -> Bands:
    """Computes standard errors of all coefficients.

    Those of numbers, expansions and small fields are of first order. Those of large
    fields come from 200 draws: they are within 5 %, and never beyond bounds.

    Args:
        values: From `make_values`.
        x: The fitted parameters.
        inputs: Data and constants.
        numbers: Names of the coefficients that are numbers.
        solution: What the data leave of the parameters.
    """
    at = jax.device_get(values.at(x, inputs))
    fields = [name for name in at if name not in numbers]
    slopes = np.zeros((0, x.size))
    if numbers:
        slopes = np.asarray(values.number_slopes(x, inputs), np.float64)
    along = None
    if fields and solution.data is not None:
        along = values.slopes(x, inputs)

    def errors(posterior):
        covariance = posterior.of(slopes)
        if along is not None:
            found = {name: _band(along[name], posterior) for name in fields}
        elif fields:
            draws = posterior.draw(np.random.default_rng(0), _DRAWS)
            drawn = values.spread(x, inputs, jnp.asarray(draws, x.dtype))
            found = {name: np.asarray(drawn[name], np.float64) for name in fields}
        else:
            found = {}
        return Errors(covariance, found)

    robust = None if solution.robust is None else errors(solution.robust)
    return Bands(numbers, at, errors(solution.plain), robust)


def _band(slopes, posterior) -> np.ndarray:
    flat = np.asarray(slopes, np.float64).reshape(-1, slopes.shape[-1])
    # Some cells at a time: the covariance of all of them is not needed.
    parts = [np.diag(posterior.of(flat[i : i + 256])) for i in range(0, len(flat), 256)]
    std = np.sqrt(np.maximum(np.concatenate(parts), 0))
    return std.reshape(slopes.shape[:-1])

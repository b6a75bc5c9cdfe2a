"""The unknown coefficients of a PDE: what an optimiser fits, and what the PDE sees.

A coefficient is a number, a field on the grid, or an expansion in few parameters (see
`expansions.py`). An optimiser works on unbounded `raw` parameters; the PDE sees
`value(raw)`. A coefficient with bounds (a viscosity) is
`lower + (upper - lower) * sigmoid(raw)`: its gradient never vanishes inside them,
whereas a clipped one that reaches its bound stays there. One without bounds (a
potential, a force) is `raw` itself.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities
from hyco_jax.models import stepper
from hyco_jax.types import Array, Model, Params, PdeStep

Bounds = tuple[float, float]


class Coefficient(NamedTuple):
    """A coefficient as the optimiser and the PDE see it.

    Attributes:
        raw: Unbounded parameters at the initial guess, a float32 array or a dict of
            such.
        value: Maps them to the physical value, shape `()`, `(*S,)`, or `(*S, D)` for
            a vector field.
        upper: The largest value there can be; infinite without bounds.
    """

    raw: Any
    value: Callable[[Any], Array]
    upper: float


class Role(NamedTuple):
    """What a PDE expects of one of its coefficients.

    Attributes:
        is_positive: Whether it needs bounds, else it is signed.
        is_vector: Whether as a field it has one component per axis.
        is_staggered: Whether component i of such a field lies at the lower faces of
            the cells along axis i.
        is_potential: Whether only its gradient counts, so that its mean is taken off.
        can_vary: Whether it may be a field, else it is a number.
        must_vary: Whether it has to be a field.
        unit: In which it is reported, "" where a PDE leaves units to its user.
    """

    is_positive: bool
    is_vector: bool = False
    is_staggered: bool = False
    is_potential: bool = False
    can_vary: bool = True
    must_vary: bool = False
    unit: str = ""


def scalar(guess: float, bounds: Bounds | None = None) -> Coefficient:
    """Makes a coefficient that is a number.

    Args:
        guess: Its initial value.
        bounds: The interval in which it lies, if any.

    Raises:
        ValueError: If the guess is not finite, or not inside the bounds.
    """
    return from_array(np.float64(guess), bounds)


def field(
    guess: float | np.ndarray,
    shape: tuple[int, ...],
    bounds: Bounds | None = None,
    zero_mean: bool = False,
) -> Coefficient:
    """Makes a coefficient with a value of its own in every cell.

    Args:
        guess: Initial value, a number or an array of the given shape.
        shape: `(*S,)`, or `(*S, D)` for a vector field.
        bounds: The interval in which each value lies, if any.
        zero_mean: Whether the mean over the cells is taken off, for a potential, which
            the PDE only sees the gradient of.

    Raises:
        ValueError: If the guess has another shape, is not finite, or not inside the
            bounds, or if there are bounds and the mean is taken off.
    """
    guess = np.asarray(guess, np.float64)
    if guess.shape not in ((), tuple(shape)):
        raise ValueError(
            f"guess has shape {guess.shape}, expected () or {tuple(shape)}; give one "
            "number, or one for every cell"
        )
    coefficient = from_array(np.broadcast_to(guess, shape), bounds)
    if not zero_mean:
        return coefficient
    if bounds is not None:
        raise ValueError(
            f"a field of mean zero has no bounds, got bounds={bounds}; leave out one "
            "of zero_mean and bounds"
        )
    return coefficient._replace(value=lambda raw: raw - jnp.mean(raw))


def values(coefficients: Mapping[str, Coefficient], params: Params) -> dict[str, Array]:
    """Returns the physical values of a model's params, by name."""
    return {name: c.value(params[name]) for name, c in coefficients.items()}


def make_model(
    coefficients: Mapping[str, Coefficient],
    step: PdeStep,
    domain: Domain,
    dt: float,
    quantities: Quantities | None = None,
    remat: bool = False,
) -> Model:
    """Makes a PDE with unknown coefficients a model.

    Args:
        coefficients: By name; its raw parameters are the model's parameters.
        step: Maps the physical values, by name, and the state `(*S, C)` to the state
            one time step later.
        domain: The grid.
        dt: Time step.
        quantities: Of the state.
        remat: See `stepper.stepper`.
    """

    def init(key):
        del key  # The guess is not random; networks need it.
        return {n: jax.tree.map(jnp.asarray, c.raw) for n, c in coefficients.items()}

    def fitted_step(params, *u):
        return step(values(coefficients, params), *u)

    return stepper.stepper(init, fitted_step, domain, dt, quantities, remat)


def bounded(raw: Array, lower: float, upper: float) -> Array:
    """Maps unbounded values into the interval (lower, upper), element by element.

    Args:
        raw: Any shape.
        lower: Lower bound, not negative, in the unit of the coefficient.
        upper: Upper bound, in the same unit.

    Returns:
        The coefficient, of the shape and dtype of `raw`. Where |raw| is so large that
        the dtype cannot resolve the distance, it equals the bound.

    Raises:
        ValueError: If the bounds are not finite, not ordered or negative.
    """
    check_bounds(lower, upper)
    # The mean of both ends and not lower + width * s: rounding stays inside the bounds.
    s = jax.nn.sigmoid(raw)
    return lower * (1 - s) + upper * s


def unbounded(value: np.ndarray | Array, lower: float, upper: float) -> Array:
    """Inverts `bounded`.

    Args:
        value: The coefficient, concrete values of any shape.
        lower: Lower bound, not negative.
        upper: Upper bound.

    Returns:
        The raw values, of the shape of `value` and of its dtype if that is floating
        (float64 becomes float32 unless JAX's 64 bit is on), else float32.

    Raises:
        ValueError: If a value is not inside (lower, upper), or the bounds are not
            finite, not ordered or negative.
    """
    check_bounds(lower, upper)
    exact = np.asarray(value, np.float64)
    if not np.all((exact > lower) & (exact < upper)):
        raise ValueError(
            f"values from {exact.min():g} to {exact.max():g} must lie strictly inside "
            f"the bounds ({lower:g}, {upper:g}); widen the bounds or move the values"
        )
    dtype = getattr(value, "dtype", np.dtype(np.float32))
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.float32
    raw = np.log(exact - lower) - np.log(upper - exact)
    return jnp.asarray(raw, jax.dtypes.canonicalize_dtype(dtype))


def check_bounds(lower: float, upper: float) -> None:
    """Raises a ValueError unless 0 <= lower < upper, both finite."""
    if not (np.isfinite(lower) and np.isfinite(upper) and 0 <= lower < upper):
        raise ValueError(
            f"bounds=({lower}, {upper}) must be finite with 0 <= lower < upper; "
            "give the range of values you consider possible"
        )


def from_array(guess: np.ndarray, bounds: Bounds | None) -> Coefficient:
    """Makes a coefficient of any shape; see `scalar` and `field`."""
    if not np.isfinite(guess).all():
        raise ValueError(f"the guess {guess} must be finite")
    if bounds is None:
        return Coefficient(np.float32(guess), lambda raw: raw, np.inf)
    raw = np.asarray(unbounded(guess, *bounds), np.float32)
    return Coefficient(raw, lambda raw: bounded(raw, *bounds), float(bounds[1]))

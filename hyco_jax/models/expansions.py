"""Coefficient fields as expansions in few parameters: bumps, waves, knots."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.models import coefficients
from hyco_jax.models.coefficients import Bounds, Coefficient
from hyco_jax.types import Array


def gaussian_bumps(
    domain: Domain,
    amplitudes: np.ndarray,
    centers: np.ndarray,
    width: float = 1.0,
    offset: float = 0.0,
    bounds: Bounds | None = None,
    fit_width: bool = True,
    bound_amplitudes: bool = True,
    amplitude_bounds: Bounds | None = None,
) -> Coefficient:
    """Makes a field offset + Σₘ Aₘ exp(-|x - cₘ|² / w²).

    The conductivity of the heat test of arXiv 2509.14123, which cuts it at 2.5.

    Args:
        domain: The grid; the distances don't wrap around.
        amplitudes: Initial Aₘ, shape `(M,)`.
        centers: Initial cₘ, shape `(M, D)`.
        width: Initial w, the same for all.
        offset: The value far away, not fitted.
        bounds: The interval `(lower, upper)` in which each value lies, if any: the
            field is cut there.
        fit_width: Whether the width is fitted, else it stays as it is.
        bound_amplitudes: Whether amplitudes lie in (0, 2 upper), if there are bounds;
            twice, since the field that is sought may be cut as well. Else they may have
            any value, as in the paper.
        amplitude_bounds: Another interval in which each amplitude lies; the lower one
            may be negative.

    Returns:
        The coefficient; its raw parameters are `amplitudes`, `centers` and, if it is
        fitted, `log_width`.

    Raises:
        ValueError: If shapes or values don't fit, the offset is not in
            [lower, upper), or all of the initial field is cut, so that no gradient
            would ever move it.
    """
    amplitudes, centers = np.asarray(amplitudes, float), np.asarray(centers, float)
    _check_bumps(domain, amplitudes, centers, width, offset, bounds)
    lower, upper = (-np.inf, np.inf) if bounds is None else bounds
    if amplitude_bounds is None and bounds is not None and bound_amplitudes:
        amplitude_bounds = 0.0, 2 * upper
    x = domain.coordinates()

    def value(raw):
        where = jnp.asarray(x, raw["centers"].dtype)[..., None, :]
        squares = jnp.sum((where - raw["centers"]) ** 2, axis=-1)
        log_width = raw.get("log_width", math.log(width))
        bumps = jnp.exp(-squares * jnp.exp(-2 * log_width))
        heights = amplitudes_from(raw["amplitudes"], amplitude_bounds)
        total = offset + jnp.sum(heights * bumps, axis=-1)
        return jnp.clip(total, lower, upper)

    raw = {
        "amplitudes": np.float32(raw_amplitudes(amplitudes, amplitude_bounds)),
        "centers": coefficients.from_array(centers, None).raw,
    }
    if fit_width:
        raw["log_width"] = np.float32(math.log(width))
    start = value(raw)
    if bounds is not None and ((start >= upper) | (start <= lower)).all():
        raise ValueError(
            f"the initial bumps are at or beyond bounds={bounds} in every cell, where "
            "they are cut and have no gradient; change amplitudes, width or offset"
        )
    return Coefficient(raw, value, float(upper))


def amplitudes_from(raw: Array, bounds: Bounds | None) -> Array:
    """Maps raw values to amplitudes in an interval that may reach below 0, or none."""
    if bounds is None:
        return raw
    return bounds[0] + coefficients.bounded(raw, 0.0, bounds[1] - bounds[0])


def raw_amplitudes(values: np.ndarray, bounds: Bounds | None) -> Array | np.ndarray:
    """Inverts `amplitudes_from`.

    Raises:
        ValueError: If a value is not inside the bounds.
    """
    if bounds is None:
        return values
    if not ((bounds[0] < values) & (values < bounds[1])).all():
        raise ValueError(
            f"the amplitudes {values.tolist()} are not all inside {bounds}, in which "
            "they are fitted: move them or widen amplitude_bounds"
        )
    return coefficients.unbounded(values - bounds[0], 0.0, bounds[1] - bounds[0])


def fourier(
    domain: Domain,
    num_modes: int,
    guess: float = 0.0,
    num_components: int = 0,
    bounds: Bounds | None = None,
    zero_mean: bool = False,
) -> Coefficient:
    """Makes a field that is a series of the longest waves of the box.

    The series is Σ a φ(x) with φ a product of 1, cos(2πkx/L) and sin(2πkx/L) of every
    axis, k <= num_modes; in a closed box, of cos(πkx/L), whose slope at the walls is 0.

    Args:
        domain: The grid.
        num_modes: Waves along each axis.
        guess: Initial value, the same everywhere.
        num_components: Components of a vector field; 0 for a scalar one.
        bounds: The interval in which each value lies, if any; the series is then that
            of the raw values.
        zero_mean: Whether the constant is left out, and with it the guess.

    Raises:
        ValueError: If the grid can't hold so many waves, or the guess is not inside
            the bounds.
    """
    check_modes(domain, num_modes)
    constant = coefficients.from_array(np.float64(guess), bounds)
    bases = [_basis(n, num_modes, domain.periodic) for n in domain.resolution]
    components = (num_components,) if num_components else ()
    raw = np.zeros((*(basis.shape[1] for basis in bases), *components), np.float32)
    raw[(0,) * domain.ndim] = constant.raw

    def value(raw):
        series = raw
        for basis in bases:
            # The first axis goes, the grid's comes last: after all, the order is kept.
            series = jnp.tensordot(
                series,
                jnp.asarray(basis, raw.dtype),
                axes=(0, 1),
                precision=jax.lax.Precision.HIGHEST,
            )
        if components:
            series = jnp.moveaxis(series, 0, -1)
        if zero_mean:
            series = series - raw[(0,) * domain.ndim]
        return constant.value(series)

    return Coefficient(raw, value, constant.upper)


def positive_sines(
    domain: Domain,
    root: float,
    amplitudes: np.ndarray,
    period: float,
    bounds: Bounds,
) -> Coefficient:
    """Makes a field b² + log(1 + exp(s)) with s a series of sines, see `sines_at`.

    The permeability of the Darcy test of arXiv 2509.14123.

    Args:
        domain: The grid, closed; positions count from its middle.
        root: Initial b.
        amplitudes: Initial ones, one for each of M waves along each axis, shape
            `(M,) * D`.
        period: Of the longest wave.
        bounds: The interval in which each value lies; the field is cut there.

    Returns:
        The coefficient; its raw parameters are `root` and `amplitudes`.

    Raises:
        ValueError: If the box is periodic, or the shape is wrong.
    """
    amplitudes = np.asarray(amplitudes, float)
    if domain.periodic or amplitudes.shape != amplitudes.shape[:1] * domain.ndim:
        raise ValueError(
            f"amplitudes of shape {amplitudes.shape} do not fit {domain}: expected a "
            f"closed box, and as many waves along each of {domain.ndim} axes"
        )
    coefficients.check_bounds(*bounds)
    x = domain.coordinates() - np.array(domain.extent) / 2

    def value(raw):
        where = jnp.asarray(x, raw["amplitudes"].dtype)
        return jnp.clip(sines_at(where, raw, period), *bounds)

    raw = {
        name: coefficients.from_array(guess, None).raw
        for name, guess in (("root", np.float64(root)), ("amplitudes", amplitudes))
    }
    return Coefficient(raw, value, float(bounds[1]))


def sines_at(position: Array, raw: dict[str, Array], period: float) -> Array:
    """Evaluates b² + log(1 + exp(Σ c_m Πᵢ sin(2π mᵢ xᵢ / period))), mᵢ = 1 to M.

    Args:
        position: Of points, shape `(..., D)`.
        raw: `root`, b, and `amplitudes`, c, shape `(M,) * D`.
        period: Of the longest wave.

    Returns:
        Shape `(...)`.
    """
    ndim, count = position.shape[-1], len(raw["amplitudes"])
    waves = 2 * jnp.pi / period * jnp.arange(1, count + 1, dtype=position.dtype)
    sines = jnp.sin(position[..., None] * waves)
    series = jnp.broadcast_to(
        raw["amplitudes"], (*position.shape[:-1], *raw["amplitudes"].shape)
    )
    for axis in range(ndim):
        factor = sines[..., axis, :].reshape(
            *position.shape[:-1], count, *[1] * (ndim - 1 - axis)
        )
        series = jnp.sum(series * factor, axis=-(ndim - axis))
    return raw["root"] ** 2 + jax.nn.softplus(series)


def knots(
    domain: Domain, num_knots: int, guess: float, bounds: Bounds | None = None
) -> Coefficient:
    """Makes a field that is multilinear between equidistant knots, the sides included.

    Args:
        domain: The grid, closed.
        num_knots: Knots along each axis, at least 2.
        guess: Initial value, the same everywhere.
        bounds: The interval in which each value lies, if any.

    Raises:
        ValueError: If the box is periodic, there are more knots than cells, or the
            guess is not inside the bounds.
    """
    if domain.periodic or not 2 <= num_knots <= min(domain.resolution):
        raise ValueError(
            f"num_knots={num_knots} does not fit {domain}: expected a closed box, and "
            f"2 to {min(domain.resolution)} knots"
        )
    at_knots = coefficients.from_array(
        np.full((num_knots,) * domain.ndim, guess), bounds
    )
    hats = [_hats(n, num_knots) for n in domain.resolution]

    def value(raw):
        field = at_knots.value(raw)
        for basis in hats:
            # The first axis goes, the grid's comes last: after all, the order is kept.
            field = jnp.tensordot(
                field,
                jnp.asarray(basis, raw.dtype),
                axes=(0, 1),
                precision=jax.lax.Precision.HIGHEST,
            )
        return field

    return Coefficient(at_knots.raw, value, at_knots.upper)


def check_modes(domain: Domain, num_modes: int) -> None:
    """Raises a ValueError unless a grid can hold a series of so many waves."""
    most = min((n - 1) // 2 if domain.periodic else n - 1 for n in domain.resolution)
    if not 0 < num_modes <= most:
        raise ValueError(
            f"num_modes={num_modes} does not fit resolution={domain.resolution}, which "
            f"holds 1 to {most}; choose fewer waves or a finer grid"
        )


def _check_bumps(domain, amplitudes, centers, width, offset, bounds) -> None:
    if amplitudes.ndim != 1 or centers.shape != (len(amplitudes), domain.ndim):
        raise ValueError(
            f"amplitudes and centers have shapes {amplitudes.shape} and "
            f"{centers.shape}, expected (M,) and (M, {domain.ndim})"
        )
    if not width > 0:
        raise ValueError(f"width={width} must be positive")
    if bounds is None:
        return
    coefficients.check_bounds(*bounds)
    if not bounds[0] <= offset < bounds[1]:
        raise ValueError(
            f"offset={offset} is not inside bounds={bounds}; expected lower <= offset "
            "< upper, as bumps only add to it: move the offset or widen the bounds"
        )


def _basis(num_cells: int, num_modes: int, periodic: bool) -> np.ndarray:
    """Waves at the cell centres, shape `(cells, waves)`, the constant first."""
    x = (np.arange(num_cells) + 0.5) / num_cells
    waves = [np.ones(num_cells)]
    for k in range(1, num_modes + 1):
        if periodic:
            waves += [np.cos(2 * np.pi * k * x), np.sin(2 * np.pi * k * x)]
        else:
            waves.append(np.cos(np.pi * k * x))
    return np.stack(waves, axis=-1)


def _hats(num_cells: int, num_knots: int) -> np.ndarray:
    """Hat functions of the knots at the cell centres, shape `(cells, knots)`."""
    x = (np.arange(num_cells) + 0.5) / num_cells * (num_knots - 1)
    return np.maximum(0, 1 - np.abs(x[:, None] - np.arange(num_knots)))

"""Viscous Burgers equation on a periodic box, one step of PhiFlow's scheme.

    uₜ + (u·∇)u = ∇·(ν ∇u),    u (*S, D), D components in D dimensions

`ν`, the kinematic viscosity (length²/time), is a number or a field `ν(x)`. A step of
length `dt` splits the two terms:

1. Semi-Lagrangian advection with linear interpolation at `x - dt·u(x)`, as PhiFlow's
   `advect.semi_lagrangian`: stable for every `dt`, error O(dt + dx²/dt), not
   conservative.
2. Explicit Euler diffusion in flux form, with the mean of two cells' ν at their face:
   conserves ∫u, error O(dt + dx²), stable for `dt/substeps <= 1/(2 ν Σᵢ 1/dxᵢ²)`. The
   number of substeps follows from the largest viscosity that can occur.

Good values: extent 100, 256 cells (or 128²), dt 0.1, |u| about 1, ν in (0, 3).

The derivatives are written out because XLA's transpose of a periodic shift is slow on
CPU; they are reverse mode (`jax.grad`, `jax.vjp`, and `jax.jvp` of those).
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from hyco_jax import coefficients, fields
from hyco_jax.domain import Domain
from hyco_jax.fields import flow
from hyco_jax.types import Array, Model, Params, StepFn

_UNROLL = 4


def stable_substeps(domain: Domain, dt: float, max_viscosity: float) -> int:
    """Returns the fewest diffusion substeps that are stable.

    Args:
        domain: The grid.
        dt: Time step.
        max_viscosity: Largest viscosity that can occur, length²/time.

    Returns:
        The least n >= 1 with `dt/n <= 1/(2 ν Σᵢ 1/dxᵢ²)`.

    Raises:
        ValueError: If `dt` is not positive or `max_viscosity` is negative.
    """
    if not (0 < dt < math.inf and 0 <= max_viscosity < math.inf):
        raise ValueError(
            f"dt={dt} must be positive and max_viscosity={max_viscosity} not negative, "
            "both finite"
        )
    number = 2 * dt * max_viscosity * sum(1 / h**2 for h in domain.dx)
    # The slack keeps a dt that sits on the limit from costing a substep by rounding.
    return max(1, math.ceil(number * (1 - 1e-9)))


def make_step(
    domain: Domain, dt: float, max_viscosity: float, substeps: int | None = None
) -> StepFn:
    """Returns a function that advances Burgers' equation by `dt`.

    Args:
        domain: The grid, D axes.
        dt: Time step.
        max_viscosity: Largest viscosity that `step` will be given; it determines the
            number of substeps.
        substeps: Diffusion substeps, if not the fewest that are stable.

    Returns:
        `step(viscosity, u)`, which maps the physical viscosity, shape `()` or `(*S,)`,
        and the state, shape `(*S, D)`, to the state `dt` later.

    Raises:
        ValueError: If `substeps` is too small; at trace time, if a shape is wrong.
    """
    needed = stable_substeps(domain, dt, max_viscosity)
    if substeps is None:
        substeps = needed
    if substeps < needed:
        raise ValueError(
            f"substeps={substeps} is unstable: dt={dt} with max_viscosity="
            f"{max_viscosity} needs substeps >= {needed}; raise it, leave it None, or "
            "lower dt or the upper bound of the viscosity"
        )

    def step(viscosity, u):
        _check_shapes(domain, viscosity, u)
        nu = jnp.broadcast_to(jnp.asarray(viscosity, u.dtype), domain.resolution)
        faces = _face_viscosity(domain, dt / substeps, nu)
        planes = _advect(domain, dt, tuple(u[..., c] for c in range(domain.ndim)))
        planes, _ = lax.scan(
            lambda planes, _: (_diffuse(faces, planes), None),
            planes,
            length=substeps,
            unroll=min(substeps, _UNROLL),
        )
        return jnp.stack(planes, axis=-1)

    return step


def make_burgers(
    domain: Domain,
    dt: float,
    guess: float | np.ndarray,
    bounds: tuple[float, float],
    is_field: bool,
    substeps: int | None = None,
) -> Model:
    """Returns the model with unknown viscosity.

    Its params are `{"viscosity": raw}` with `raw`, shape `()` or `(*S,)`, unbounded;
    see `viscosity`.

    Args:
        domain: The grid, D axes.
        dt: Time step.
        guess: Initial viscosity, a number or, for a field, shape `(*S,)`.
        bounds: The interval (lower, upper) in which the viscosity lies.
        is_field: Whether the viscosity is a field `(*S,)`, else a number.
        substeps: Diffusion substeps, if not the fewest that are stable at the upper
            bound.

    Raises:
        ValueError: If the guess has the wrong shape or does not lie inside the bounds,
            or `substeps` is too small.
    """
    shape = domain.resolution if is_field else ()
    guess = np.asarray(guess, np.float64)
    if guess.shape not in ((), shape):
        raise ValueError(
            f"guess has shape {guess.shape}, expected () or {shape} for "
            f"is_field={is_field}"
        )
    raw = coefficients.unbounded(np.broadcast_to(guess, shape), *bounds)
    raw = np.asarray(raw, np.float32)
    physical_step = make_step(domain, dt, bounds[1], substeps)

    def init(key):
        del key  # The guess is not random; networks need it.
        return {"viscosity": jnp.asarray(raw)}

    def step(params, u):
        return physical_step(viscosity(params, bounds), u)

    return Model(init, step)


def viscosity(params: Params, bounds: tuple[float, float]) -> Array:
    """Returns the physical viscosity of a model's params, shape `()` or `(*S,)`."""
    return coefficients.bounded(params["viscosity"], *bounds)


def sine_squared_viscosity(
    domain: Domain, scale: float = 1.0, offset: float = 0.0
) -> np.ndarray:
    """Returns `offset + scale·∏ᵢ sin²(π xᵢ / Lᵢ)` at the cell centres, shape `(*S,)`."""
    phase = np.pi * domain.coordinates() / np.array(domain.extent)
    return offset + scale * np.prod(np.sin(phase) ** 2, axis=-1)


def _check_shapes(domain, viscosity, u):
    expected = (*domain.resolution, domain.ndim)
    if u.shape != expected:
        raise ValueError(
            f"u has shape {u.shape}, expected {expected}; batch with jax.vmap"
        )
    if jnp.shape(viscosity) not in ((), domain.resolution):
        raise ValueError(
            f"viscosity has shape {jnp.shape(viscosity)}, expected () or "
            f"{domain.resolution}; batch with jax.vmap"
        )


def _neighbours(plane):
    """Returns a function from an offset in {-1, 0, 1}^D to the periodic neighbours."""
    padded = jnp.pad(plane, 1, mode="wrap")

    def shifted(offset):
        start = [1 + k for k in offset]
        stop = [s + n for s, n in zip(start, plane.shape, strict=True)]
        return lax.slice(padded, start, stop)

    return shifted


def _offsets(ndim):
    return [tuple(i - 1 for i in k) for k in np.ndindex(*(3,) * ndim)]


@custom_vmap
def _largest(x):
    """Returns max |x|; under `jax.vmap`, that of the whole batch, not batched."""
    return jnp.max(jnp.abs(x))


@_largest.def_vmap
def _largest_rule(axis_size, in_batched, x):
    # One decision for the batch: `lax.cond` on a batched one would run both branches.
    return _largest(x), False


def _within_a_cell(ratios, planes):
    courant = [_largest(p) * r for p, r in zip(planes, ratios, strict=True)]
    return functools.reduce(jnp.maximum, courant) <= 1


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _advect(domain, dt, planes):
    """Interpolates every component linearly at the departure points.

    128², float32, 2 cores: PhiFlow's gather takes 0.65 ms and 3.8 ms with gradient,
    where the scatter dominates. Displacements up to a cell reach only the 3^D nearest
    cells, and the same weights make a stencil.
    """
    ratios = tuple(dt / h for h in domain.dx)
    return lax.cond(
        _within_a_cell(ratios, planes),
        functools.partial(_advect_near, ratios),
        functools.partial(_advect_far, domain, dt),
        planes,
    )


def _advect_fwd(domain, dt, planes):
    return _advect(domain, dt, planes), planes


def _advect_bwd(domain, dt, planes, cotangents):
    ratios = tuple(dt / h for h in domain.dx)

    def far(planes, cotangents):
        return jax.vjp(functools.partial(_advect_far, domain, dt), planes)[1](
            cotangents
        )[0]

    near = functools.partial(_advect_near_vjp, ratios)
    within = _within_a_cell(ratios, planes)
    return (lax.cond(within, near, far, planes, cotangents),)


_advect.defvjp(_advect_fwd, _advect_bwd)


def _advect_far(domain, dt, planes):
    field = fields.to_field(jnp.stack(planes, axis=-1), domain)
    u = fields.to_array(flow.advect.semi_lagrangian(field, field, dt))
    return tuple(u[..., c] for c in range(domain.ndim))


def _hat(d, k):
    """The weight of the cell at offset k for a departure point at -d, |d| <= 1."""
    return 1 - jnp.abs(d) if k == 0 else jnp.maximum(-k * d, 0)


def _hat_slope(d, k):
    # One-sided at d = 0, as the gather's; the three slopes add up to 0.
    if k == 0:
        return jnp.where(d > 0, -1, 1).astype(d.dtype)
    return jnp.where((d > 0) == (k < 0), -k, 0).astype(d.dtype)


def _advect_near(ratios, planes):
    shifted = [_neighbours(p) for p in planes]
    d = [p * r for p, r in zip(planes, ratios, strict=True)]
    result = [0] * len(planes)
    for k in _offsets(len(planes)):
        weight = math.prod(_hat(da, ka) for da, ka in zip(d, k, strict=True))
        result = [s + weight * near(k) for s, near in zip(result, shifted, strict=True)]
    return tuple(result)


def _advect_near_vjp(ratios, planes, cotangents):
    """Maps cotangents of the advected planes to those of `planes`."""
    ndim = len(planes)
    u = [_neighbours(p) for p in planes]
    g = [_neighbours(p) for p in cotangents]
    d = [p * r for p, r in zip(planes, ratios, strict=True)]
    result = [0] * ndim
    for k in _offsets(ndim):
        back = tuple(-i for i in k)
        # From the values: cell j was read with weight k by the cell at j - k.
        weight = math.prod(_hat(u[a](back) * ratios[a], k[a]) for a in range(ndim))
        # From the departure points, which move with the velocity.
        gain = sum(cotangents[c] * u[c](k) for c in range(ndim))
        for a in range(ndim):
            slope = math.prod(
                _hat_slope(d[b], k[b]) if b == a else _hat(d[b], k[b])
                for b in range(ndim)
            )
            result[a] = result[a] + weight * g[a](back) + ratios[a] * slope * gain
    return tuple(result)


def _face_viscosity(domain, dt, viscosity):
    """Returns dt·ν/dx² at the lower face of every cell, one array per axis."""
    return tuple(
        (0.5 * dt / h**2) * (viscosity + jnp.roll(viscosity, 1, axis))
        for axis, h in enumerate(domain.dx)
    )


def _along(plane, axis):
    """Returns the periodic neighbours below and above along an axis."""
    n = plane.shape[axis]
    first = lax.slice_in_dim(plane, 0, 1, axis=axis)
    last = lax.slice_in_dim(plane, n - 1, n, axis=axis)
    padded = jnp.concatenate([last, plane, first], axis)
    below = lax.slice_in_dim(padded, 0, n, axis=axis)
    return below, lax.slice_in_dim(padded, 2, n + 2, axis=axis)


@jax.custom_vjp
def _diffuse(faces, planes):
    """One explicit Euler step of u + dt ∇·(ν∇u), component by component."""
    result = []
    for plane in planes:
        change = 0
        for axis, lower in enumerate(faces):
            below, above = _along(plane, axis)
            upper = jnp.roll(lower, -1, axis)
            change = change + (upper * (above - plane) - lower * (plane - below))
        result.append(plane + change)
    return tuple(result)


def _diffuse_bwd(residuals, cotangents):
    faces, planes = residuals
    result = []
    for axis in range(len(faces)):
        jumps = [
            (u - _along(u, axis)[0]) * (g - _along(g, axis)[0])
            for u, g in zip(planes, cotangents, strict=True)
        ]
        result.append(-sum(jumps))
    # The diffusion operator is symmetric: its transpose is itself.
    return tuple(result), _diffuse(faces, cotangents)


_diffuse.defvjp(
    lambda faces, planes: (_diffuse(faces, planes), (faces, planes)), _diffuse_bwd
)

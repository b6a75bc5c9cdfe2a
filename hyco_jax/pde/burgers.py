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

Pure, for `jit` and `vmap`, float32 or float64; differentiable in reverse mode, with
respect to ν and u.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax import coefficients
from hyco_jax.domain import Domain
from hyco_jax.pde import schemes
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
        faces = schemes.face_coefficient(domain, dt / substeps, nu)
        planes = schemes.advect(
            domain, dt, tuple(u[..., c] for c in range(domain.ndim))
        )
        planes, _ = lax.scan(
            lambda planes, _: (schemes.diffuse(faces, planes), None),
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
    """Returns offset + scale·∏ᵢ sin²(π xᵢ / Lᵢ) at the cell centres, shape `(*S,)`."""
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

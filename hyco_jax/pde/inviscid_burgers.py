"""Inviscid Burgers equation in a potential, on a periodic box.

    uₜ + (u·∇)u = -∇φ,    u (*S, D), D components in D dimensions

`φ(x)`, the potential (length²/time²), is a field; only its gradient counts. A step of
length `dt` splits the two terms:

1. Semi-Lagrangian advection with linear interpolation at `x - dt·u(x)`, as PhiFlow's
   `advect.semi_lagrangian`: stable for every `dt`, error O(dt + dx²/dt).
2. `u -= dt ∇φ` with PhiFlow's central differences: error O(dt + dx²).

∫u: the force doesn't change it, to rounding. Advection does, as it is not conservative,
by O(dt + dx²/dt) per unit of time where u is smooth (the equation keeps it in 1-D, and
for u a gradient). Without a potential no component gets a new extremum.

Shocks form after 1/max(-∇u). The interpolation then acts as the missing viscosity,
r(1 - r)dx²/(2 dt) with r the displacement's fraction of a cell, so that nothing blows
up; but they move with the wrong speed: where u falls from 1 to 0, the shock stands
still instead of moving with 1/2. Fit on data of this scheme, or on smooth ones.

Good values: extent 100, 256 cells (or 128²), dt 0.1 to 0.2, |u| and φ about 1.

Pure, for `jit` and `vmap`, float32 or float64; differentiable in reverse mode, with
respect to φ and u.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.data import generate
from hyco_jax.grids import fields, sampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.coefficients import Role
from hyco_jax.pde.kernels import checks, schemes
from hyco_jax.problem import GridSettings, Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {"potential": Role(is_positive=False, is_potential=True, must_vary=True)}


@dataclasses.dataclass(frozen=True)
class Settings(GridSettings):
    """The grids, and the potential that data are simulated with."""

    extent: tuple[float, ...] = (100.0,)
    dt: float = 0.4
    potential_scale: float = key(
        1.0, "the true potential is scale Π sin(2πx/L)", rules.number()
    )


@dataclasses.dataclass(frozen=True)
class DataSettings(generate.DataSettings):
    """How data are simulated and observed, or where they are."""

    smoothness: float = key(
        0.0,
        "of the initial states, as in PhiFlow's Noise; 0: a Gaussian spectrum",
        rules.not_negative(100.0),
    )


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of a potential, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed.
    """
    settings, data = settings or Settings(), data or DataSettings()
    domain = settings.make_domain()

    def true_values(domain):
        return {"potential": sine_potential(domain, settings.potential_scale)}

    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain),
        roles=COEFFICIENTS,
        make_step=make_step,
        sample_u0=functools.partial(
            sample_u0,
            scale=data.scale,
            amplitude=data.amplitude,
            smoothness=data.smoothness,
        ),
        true_values=true_values,
        physics_resolution=settings.physics_resolution,
        spec=make_spec("inviscid_burgers", settings, data),
    )


def quantities(domain: Domain) -> tuple[Quantity, ...]:
    """The quantities of a state."""
    return (Quantity("velocity", domain.ndim),)


def make_step(domain: Domain, dt: float, upper: Mapping[str, float]) -> PdeStep:
    """Returns a function that advances the inviscid Burgers equation by `dt`.

    Args:
        domain: The grid, D axes, periodic.
        dt: Time step.
        upper: Not used; the scheme is stable for every value.

    Returns:
        `step(values, u)`, which maps `{"potential": φ}`, shape `(*S,)`, and the state,
        shape `(*S, D)`, to the state `dt` later.

    Raises:
        ValueError: If the box is closed or `dt` not positive; at trace time, if a shape
            is wrong.
    """
    del upper
    checks.check_periodic(domain)
    if not 0 < dt < math.inf:
        raise ValueError(f"dt={dt} must be positive and finite")

    def step(values, u):
        potential = values["potential"]
        checks.check_state(domain, domain.ndim, u)
        checks.check_value("potential", potential, (domain.resolution,))
        planes = schemes.advect(
            domain, dt, tuple(u[..., c] for c in range(domain.ndim))
        )
        slope = _gradient(domain, jnp.asarray(potential, u.dtype))
        return jnp.stack(planes, axis=-1) - dt * slope

    return step


def sample_u0(
    key: Array,
    domain: Domain,
    num_samples: int,
    scale: float,
    amplitude: float,
    smoothness: float = 0.0,
) -> Array:
    """Samples smooth random velocities, see `sampling.sample_u0`.

    The published test has PhiFlow's `Noise` of scale 25 and smoothness 2.
    """
    return sampling.sample_u0(
        key, domain, num_samples, scale, amplitude, smoothness=smoothness
    )


def sine_potential(domain: Domain, scale: float = 1.0) -> np.ndarray:
    """Returns scale·∏ᵢ sin(2π xᵢ / Lᵢ) at the cell centres, shape `(*S,)`.

    HYCO-PhiFlow's true potential, in 1-D and 2-D.
    """
    phase = 2 * np.pi * domain.coordinates() / np.array(domain.extent)
    return scale * np.prod(np.sin(phase), axis=-1)


def _gradient(domain, potential):
    # PhiML computes in its own precision, 32 bit by default, whatever it is given.
    with flow.math.precision(jnp.finfo(potential.dtype).bits):
        field = fields.to_field(potential[..., None], domain).vector[0]
        slope = flow.field.spatial_gradient(field)
    return fields.to_array(slope)

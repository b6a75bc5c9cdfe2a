"""Inviscid Burgers equation in a potential, on a periodic box.

    uₜ + (u·∇)u = -∇φ,    u (*S, D), D components in D dimensions

`φ(x)`, the potential (length²/time²), is a field; only its gradient counts, taken by
PhiFlow's central differences.

The schemes `central` and `limited` are of second order, O(dt² + dx²), where u is
smooth, see `eulerian.py`. Their substeps follow from the largest speed that can occur.
In 1-D they conserve ∫u. Shocks form after 1/max(-∇u): they are for `limited`, which
moves them with the right speed; `central` leaves waves behind them.

`semi_lagrangian` is PhiFlow's, of first order. A step of length `dt` splits the terms:

1. Semi-Lagrangian advection with linear interpolation at `x - dt·u(x)`, as PhiFlow's
   `advect.semi_lagrangian`: stable for every `dt`, error O(dt + dx²/dt).
2. `u -= dt ∇φ`: error O(dt + dx²).

∫u: the force doesn't change it, to rounding. Advection does, as it is not conservative,
by O(dt + dx²/dt) per unit of time where u is smooth (the equation keeps it in 1-D, and
for u a gradient). Without a potential no component gets a new extremum.

At shocks the interpolation acts as the missing viscosity,
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
from hyco_jax.pde.kernels import checks, eulerian, schemes, splitting
from hyco_jax.pde.kernels.splitting import TransportSettings
from hyco_jax.problem import Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {"potential": Role(is_positive=False, is_potential=True, must_vary=True)}


@dataclasses.dataclass(frozen=True)
class Settings(TransportSettings):
    """The grids, and the potential that data are simulated with."""

    scheme: str = "limited"
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
        "smoothness of the initial states, as in PhiFlow's Noise; 0: a Gaussian "
        "spectrum",
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
    # Along a trajectory u²/2 + φ stays, and φ is between -scale and scale.
    fastest = math.hypot(
        sampling.PEAK * data.amplitude, 2 * abs(settings.potential_scale) ** 0.5
    )
    speeds = settings.make_speeds(fastest, slice(domain.ndim))

    def true_values(domain):
        return {"potential": sine_potential(domain, settings.potential_scale)}

    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain),
        roles=COEFFICIENTS,
        sample_u0=functools.partial(
            sample_u0,
            scale=data.scale,
            amplitude=data.amplitude,
            smoothness=data.smoothness,
        ),
        true_values=true_values,
        physics_resolution=settings.physics_resolution,
        # At shocks no scheme has the order that it has elsewhere.
        **{**settings.make_solvers(make_step, speeds), "order": None},
        spec=make_spec("inviscid_burgers", settings, data),
    )


def quantities(domain: Domain) -> tuple[Quantity, ...]:
    """The quantities of a state."""
    return (Quantity("velocity", domain.ndim),)


def make_step(
    domain: Domain,
    dt: float,
    upper: Mapping[str, float],
    scheme: str = "semi_lagrangian",
    max_speed: float = 1.0,
) -> PdeStep:
    """Returns a function that advances the inviscid Burgers equation by `dt`.

    Args:
        domain: The grid, D axes, periodic.
        dt: Time step.
        upper: Not used; the schemes are stable for every value.
        scheme: See above.
        max_speed: The largest component of a state that `step` will be given;
            `semi_lagrangian` doesn't need it.

    Returns:
        `step(values, u)`, which maps `{"potential": φ}`, shape `(*S,)`, and the state,
        shape `(*S, D)`, to the state `dt` later.

    Raises:
        ValueError: If the box is closed, the scheme unknown, or `dt` or a `max_speed`
            that is needed not positive; at trace time, if a shape is wrong.
    """
    del upper
    checks.check_periodic(domain)
    checks.check_dt(dt)

    make = _semi_lagrangian if scheme == "semi_lagrangian" else _eulerian
    advance = make(domain, dt, scheme, max_speed)

    def step(values, u):
        potential = values["potential"]
        checks.check_state(domain, domain.ndim, u)
        checks.check_value("potential", potential, (domain.resolution,))
        slope = _gradient(domain, jnp.asarray(potential, u.dtype))
        planes = tuple(u[..., c] for c in range(domain.ndim))
        return jnp.stack(advance(tuple(jnp.moveaxis(slope, -1, 0)), planes), axis=-1)

    return step


def _semi_lagrangian(domain, dt, *_):
    def advance(slope, planes):
        planes = schemes.advect(domain, dt, planes)
        return tuple(u - dt * s for u, s in zip(planes, slope, strict=True))

    return advance


def _eulerian(domain, dt, scheme, max_speed):
    parts = splitting.plan(domain, dt, scheme, max_speed)

    def advance(slope, planes):
        def rate(planes):
            rates = eulerian.advection(scheme, domain, planes)
            return tuple(r - s for r, s in zip(rates, slope, strict=True))

        return splitting.advance(parts, dt, rate, planes)

    return advance


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

"""Incompressible flow on a periodic box, driven by a force that doesn't change.

    uₜ + (u·∇)u = -∇p + ν ∇²u + f(x),    ∇·u = 0

`u (*S, D)`, D = 2 or 3, is the velocity and `f` the force per mass (length/time²), both
with component a at the lower faces along axis a, see `fields.to_staggered`; `ν` is the
kinematic viscosity (length²/time), a number. The pressure takes the gradient part of f,
∇φ, so that only the part without divergence can be identified. It is that of
`pressure.py`, direct, divergence-free to rounding.

The schemes `central` and `limited` are of second order, O(dt² + dx²), see `fluxes.py`
and `splitting.py`: the projection follows every stage, ∫u is kept up to the force's.
Their substeps follow from the largest speed and viscosity that can occur.

`semi_lagrangian` is PhiFlow's, of first order. A step of length `dt`:

1. Semi-Lagrangian advection, stable for every `dt`, error O(dt + dx²/dt): linear
   interpolation acts as a viscosity of up to dx²/(8 dt). Not conservative.
2. Explicit Euler diffusion in flux form, second order, conserves ∫u, with the substeps
   that the limit dt/n <= 1/(2 ν Σᵢ 1/dxᵢ²) asks for.
3. u += dt·f.
4. The projection, conserves ∫u.

Good values: extent 100², 128² to 256² cells,
dt 0.05 to 0.2, ν = 1e-4 to 0.1, f of amplitude 1. Pure, for `jit` and `vmap`, float32
or float64; differentiable in reverse mode with respect to ν, f and u.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.data import generate
from hyco_jax.grids import sampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.coefficients import Role
from hyco_jax.pde.kernels import (
    checks,
    fluxes,
    pressure,
    schemes,
    semi_lagrangian,
    splitting,
)
from hyco_jax.pde.kernels.splitting import TransportSettings
from hyco_jax.problem import Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {
    "viscosity": Role(is_positive=True, can_vary=False),
    "forcing": Role(
        is_positive=False, is_vector=True, is_staggered=True, must_vary=True
    ),
}

# Largest `diagnostics` of a float32 rollout: 8 roundings, whatever grid and force.
MAX_DIVERGENCE = 1e-6

_UNROLL = 4


@dataclasses.dataclass(frozen=True)
class Settings(TransportSettings):
    """The grids, and the viscosity and force that data are simulated with."""

    scheme: str = "central"
    resolution: tuple[int, ...] = (32, 32)
    extent: tuple[float, ...] = (2 * math.pi, 2 * math.pi)
    dt: float = 0.1
    substeps: int = key(
        0,
        "number of substeps of a step (of semi_lagrangian, of its viscosity alone); "
        "0: the fewest that are stable",
        checks.SUBSTEPS_RULE,
    )
    viscosity: float = key(0.02, "true viscosity", rules.positive())
    forcing_strength: float = key(
        1.0,
        "strength of the true force, which is strength sin(2πny/L) along x",
        rules.number(),
    )
    wave_number: int = key(
        2, "wave number n of the true force", rules.integer(1, 10_000)
    )


@dataclasses.dataclass(frozen=True)
class DataSettings(generate.DataSettings):
    """How data are simulated and observed, or where they are."""

    scale: float = 0.6
    mean_flow: float = key(
        0.5, "mean flow of the initial states, in units of the force", rules.number()
    )
    region: tuple[tuple[float, float], ...] = ((0.25, 0.75), (0.25, 0.75))


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of a force, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed.
    """
    settings, data = settings or Settings(), data or DataSettings()
    domain = settings.make_domain()
    mean_speed = abs(data.mean_flow * settings.forcing_strength)
    fastest = sampling.PEAK * data.amplitude + mean_speed
    speeds = settings.make_speeds(fastest, slice(domain.ndim))

    def forcing(domain):
        return sine_forcing(domain, settings.forcing_strength, settings.wave_number)

    def draw(key, domain, num_samples):
        mean_flow = data.mean_flow * forcing(domain)
        return sample_u0(
            key, domain, num_samples, data.scale, data.amplitude, mean_flow
        )

    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain),
        roles=COEFFICIENTS,
        sample_u0=draw,
        true_values=lambda domain: {
            "viscosity": settings.viscosity,
            "forcing": forcing(domain),
        },
        physics_resolution=settings.physics_resolution,
        diagnostics=diagnostics,
        limits={"divergence": MAX_DIVERGENCE},
        **settings.make_solvers(make_step, speeds, substeps=settings.substeps or None),
        spec=make_spec("kolmogorov", settings, data),
    )


def quantities(domain: Domain) -> tuple[Quantity, ...]:
    """The quantities of a state."""
    return (Quantity("velocity", domain.ndim, is_staggered=True),)


def make_step(
    domain: Domain,
    dt: float,
    upper: Mapping[str, float],
    substeps: int | None = None,
    scheme: str = "semi_lagrangian",
    max_speed: float = 1.0,
) -> PdeStep:
    """Returns a function that advances the flow by `dt`.

    Args:
        domain: The grid, periodic, 2-D or 3-D.
        dt: Time step.
        upper: The largest viscosity that `step` will be given determines the number of
            substeps; the force doesn't limit `dt`.
        substeps: If not the fewest that are stable; of `semi_lagrangian`, those of the
            viscosity.
        scheme: See above.
        max_speed: The largest component of a state that `step` will be given;
            `semi_lagrangian` doesn't need it.

    Returns:
        `step(values, u)`, which maps `{"viscosity": (), "forcing": (*S, D)}` and the
        velocity, shape `(*S, D)`, to the velocity `dt` later.

    Raises:
        ValueError: If the box is closed or 1-D, the scheme unknown, a `max_speed` that
            is needed not positive, or `substeps` too small; at trace time, if a shape
            is wrong.
    """
    checks.check_periodic(domain)
    if domain.ndim == 1:
        raise ValueError(
            "the domain has 1 axis, but in 1-D only a uniform flow has no divergence; "
            "give it 2 or 3"
        )
    make = _semi_lagrangian if scheme == "semi_lagrangian" else _eulerian
    advance = make(domain, dt, upper["viscosity"], substeps, scheme, max_speed)

    def step(values, u):
        checks.check_state(domain, domain.ndim, u)
        checks.check_value("viscosity", values["viscosity"], ((),))
        checks.check_value("forcing", values["forcing"], (u.shape,))
        planes = tuple(u[..., a] for a in range(domain.ndim))
        nu = jnp.full(domain.resolution, values["viscosity"], u.dtype)
        forcing = tuple(jnp.moveaxis(jnp.asarray(values["forcing"], u.dtype), -1, 0))
        return jnp.stack(advance(nu, forcing, planes), axis=-1)

    return step


def _semi_lagrangian(domain, dt, max_viscosity, substeps, *_):
    substeps = checks.check_substeps(substeps, domain, dt, max_viscosity)

    def advance(nu, forcing, planes):
        planes = semi_lagrangian.advect_velocity(domain, dt, planes)
        faces = schemes.face_coefficient(domain, dt / substeps, nu)
        planes, _ = lax.scan(
            lambda planes, _: (schemes.diffuse(faces, planes), None),
            planes,
            length=substeps,
            unroll=min(substeps, _UNROLL),
        )
        planes = tuple(u + dt * f for u, f in zip(planes, forcing, strict=True))
        return pressure.project(domain, planes)

    return advance


def _eulerian(domain, dt, max_viscosity, substeps, scheme, max_speed):
    parts = splitting.plan(domain, dt, scheme, max_speed, max_viscosity, substeps or 1)
    project = functools.partial(pressure.project, domain)

    def advance(nu, forcing, planes):
        faces = schemes.face_coefficient(domain, 1.0, nu)

        def transport(planes):
            rates = fluxes.advection(scheme, domain, planes)
            return tuple(rate + f for rate, f in zip(rates, forcing, strict=True))

        return splitting.advance(
            parts,
            dt,
            transport,
            planes,
            functools.partial(schemes.diffusion, faces),
            project,
        )

    return advance


def sample_u0(
    key: Array,
    domain: Domain,
    num_samples: int,
    scale: float,
    amplitude: float,
    mean_flow: np.ndarray | None = None,
) -> Array:
    """Samples smooth random velocities without divergence.

    The noise has none before it is evaluated at the faces, so that the projection on
    the grid changes it by O(dx²), and all grids get the same flow to that order.

    Args:
        key: PRNG key.
        domain: The grid.
        num_samples: Number N of states.
        scale: Correlation length, see `sampling.sample_u0`.
        amplitude: Root mean square of each component, before the part with divergence
            is taken off, about half of the energy in 2-D; 0 for no noise.
        mean_flow: What is added, such as a multiple of the forcing, shape `(*S, D)`.

    Returns:
        Shape `(N, *S, D)`, of JAX's default float.
    """
    options = {"staggered": True, "divergence_free": True}
    noise = sampling.sample_u0(key, domain, num_samples, scale, amplitude, **options)
    if mean_flow is not None:
        noise += jnp.asarray(mean_flow, noise.dtype)
    planes = tuple(noise[..., a] for a in range(domain.ndim))
    project = jax.vmap(lambda planes: pressure.project(domain, planes))
    return jnp.stack(project(planes), axis=-1)


def diagnostics(domain: Domain, u: Array) -> dict[str, Array]:
    """Returns what must stay small in a state: its `pressure.relative_divergence`."""
    return {"divergence": pressure.relative_divergence(domain, u)}


def sine_forcing(
    domain: Domain, strength: float = 1.0, wave_number: int = 2
) -> np.ndarray:
    """Returns strength·sin(2π n y / L) along x, Kolmogorov's force.

    The published test has n = 2, `sin(4π y / L)`.

    Args:
        domain: The grid, 2-D or 3-D; y is the second axis.
        strength: Amplitude, length/time².
        wave_number: Waves n in the box.

    Returns:
        Values at the lower faces along x, which are at the height of the cell centres,
        shape `(*S, D)`; the other components are zero.
    """
    forcing = np.zeros((*domain.resolution, domain.ndim))
    phase = 2 * np.pi * wave_number * domain.coordinates()[..., 1] / domain.extent[1]
    forcing[..., 0] = strength * np.sin(phase)
    return forcing

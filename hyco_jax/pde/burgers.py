"""Viscous Burgers equation on a periodic box.

    uₜ + (u·∇)u = ∇·(ν ∇u),    u (*S, D), D components in D dimensions

`ν`, the kinematic viscosity (length²/time), is a number or a field `ν(x)`. Diffusion is
in flux form, with the mean of two cells' ν at their face, and conserves ∫u.

The schemes `central` and `limited` are of second order, O(dt² + dx²), see
`eulerian.py` and `splitting.py`. In 1-D they conserve ∫u. Their substeps follow from
the largest speed and viscosity that can occur.

`semi_lagrangian` is PhiFlow's, of first order. A step of length `dt` splits the terms:

1. Semi-Lagrangian advection with linear interpolation at `x - dt·u(x)`, as PhiFlow's
   `advect.semi_lagrangian`: stable for every `dt`, error O(dt + dx²/dt), not
   conservative.
2. Explicit Euler diffusion: error O(dt + dx²), stable for
   `dt/substeps <= 1/(2 ν Σᵢ 1/dxᵢ²)`.

Good values: extent 100, 256 cells (or 128²), dt 0.1, |u| about 1, ν in (0, 3).

Pure, for `jit` and `vmap`, float32 or float64; differentiable in reverse mode, with
respect to ν and u.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

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
from hyco_jax.pde.kernels import checks, eulerian, schemes, splitting
from hyco_jax.pde.kernels.splitting import TransportSettings
from hyco_jax.problem import Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {"viscosity": Role(is_positive=True)}
DataSettings = generate.DataSettings

_UNROLL = 4


@dataclasses.dataclass(frozen=True)
class Settings(TransportSettings):
    """The grids, and the viscosity that data are simulated with."""

    scheme: str = "central"
    substeps: int = key(
        0,
        "number of substeps of a step (of semi_lagrangian, of its diffusion alone); "
        "0: the fewest that are stable",
        checks.SUBSTEPS_RULE,
    )
    viscosity: str = key(
        "sine_squared",
        "true viscosity: offset + scale Π sin²(πx/L), or constant",
        rules.choice("sine_squared", "constant"),
    )
    viscosity_scale: float = key(
        3.0, "scale of the true viscosity", rules.not_negative()
    )
    viscosity_offset: float = key(
        1.0, "offset of the true viscosity", rules.not_negative()
    )
    true_drag: float = key(
        0.0,
        "γ of a drag -γu in the equation of the data that the model doesn't have",
        rules.not_negative(),
    )


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of a viscosity, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed.
    """
    settings, data = settings or Settings(), data or DataSettings()
    domain = settings.make_domain()
    scale, offset = settings.viscosity_scale, settings.viscosity_offset
    fastest = sampling.PEAK * data.amplitude
    speeds = settings.make_speeds(fastest, slice(domain.ndim))

    def true_values(domain):
        if settings.viscosity == "constant":
            return {"viscosity": np.full(domain.resolution, scale + offset)}
        return {"viscosity": sine_squared_viscosity(domain, scale, offset)}

    solvers = settings.make_solvers(
        make_step, speeds, substeps=settings.substeps or None
    )
    if settings.true_drag:
        solvers["make_true_step"] = functools.partial(
            make_dragged_step, solvers["make_true_step"], settings.true_drag
        )
    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain),
        roles=COEFFICIENTS,
        sample_u0=functools.partial(
            sample_u0, scale=data.scale, amplitude=data.amplitude
        ),
        true_values=true_values,
        physics_resolution=settings.physics_resolution,
        **solvers,
        spec=make_spec("burgers", settings, data),
    )


def quantities(domain: Domain) -> tuple[Quantity, ...]:
    """The quantities of a state."""
    return (Quantity("velocity", domain.ndim),)


def make_step(
    domain: Domain,
    dt: float,
    upper: Mapping[str, float],
    substeps: int | None = None,
    scheme: str = "semi_lagrangian",
    max_speed: float = 1.0,
) -> PdeStep:
    """Returns a function that advances Burgers' equation by `dt`.

    Args:
        domain: The grid, D axes, periodic.
        dt: Time step.
        upper: The largest viscosity that `step` will be given.
        substeps: If not the fewest that are stable; of `semi_lagrangian`, those of the
            diffusion.
        scheme: See above.
        max_speed: The largest component of a state that `step` will be given;
            `semi_lagrangian` doesn't need it.

    Returns:
        `step(values, u)`, which maps `{"viscosity": ν}`, shape `()` or `(*S,)`, and the
        state, shape `(*S, D)`, to the state `dt` later.

    Raises:
        ValueError: If the box is closed, the scheme unknown, a `max_speed` that is
            needed not positive, or `substeps` too small; at trace time, if a shape is
            wrong.
    """
    checks.check_periodic(domain)
    if scheme == "semi_lagrangian":
        advance = _semi_lagrangian(domain, dt, upper["viscosity"], substeps)
    else:
        advance = _eulerian(
            domain,
            dt,
            upper["viscosity"],
            substeps,
            scheme,
            max_speed,
        )

    def step(values, u):
        viscosity = values["viscosity"]
        checks.check_state(domain, domain.ndim, u)
        checks.check_value("viscosity", viscosity, ((), domain.resolution))
        nu = jnp.broadcast_to(jnp.asarray(viscosity, u.dtype), domain.resolution)
        planes = tuple(u[..., c] for c in range(domain.ndim))
        return jnp.stack(advance(nu, planes), axis=-1)

    return step


def make_dragged_step(
    make_step: Callable[..., PdeStep],
    drag: float,
    domain: Domain,
    dt: float,
    upper: Mapping[str, float],
    **options: Any,
) -> PdeStep:
    """Returns a step of uₜ + (u·∇)u = ∇·(ν ∇u) - γu.

    Half of the drag's exact decay stands before the step and half behind it, which is
    of second order (G. Strang, SIAM J. Numer. Anal. 5, 506, 1968).

    Args:
        make_step: Of the equation without a drag.
        drag: γ, 1/time.
        domain: The grid.
        dt: Time step.
        upper: As of `make_step`.
        **options: Others of `make_step`.
    """
    step = make_step(domain, dt, upper, **options)
    decay = math.exp(-drag * dt / 2)
    return lambda values, u: decay * step(values, decay * u)


def _semi_lagrangian(domain, dt, max_viscosity, substeps):
    substeps = checks.check_substeps(substeps, domain, dt, max_viscosity)

    def advance(nu, planes):
        faces = schemes.face_coefficient(domain, dt / substeps, nu)
        planes = schemes.advect(domain, dt, planes)
        planes, _ = lax.scan(
            lambda planes, _: (schemes.diffuse(faces, planes), None),
            planes,
            length=substeps,
            unroll=min(substeps, _UNROLL),
        )
        return planes

    return advance


def _eulerian(domain, dt, max_viscosity, substeps, scheme, max_speed):
    parts = splitting.plan(domain, dt, scheme, max_speed, max_viscosity, substeps or 1)

    def advance(nu, planes):
        faces = schemes.face_coefficient(domain, 1.0, nu)
        return splitting.advance(
            parts,
            dt,
            lambda u: eulerian.advection(scheme, domain, u),
            planes,
            functools.partial(schemes.diffusion, faces),
        )

    return advance


def sample_u0(
    key: Array, domain: Domain, num_samples: int, scale: float, amplitude: float
) -> Array:
    """Samples smooth random velocities, see `sampling.sample_u0`."""
    return sampling.sample_u0(key, domain, num_samples, scale, amplitude)


def sine_squared_viscosity(
    domain: Domain, scale: float = 1.0, offset: float = 0.0
) -> np.ndarray:
    """Returns offset + scale·∏ᵢ sin²(π xᵢ / Lᵢ) at the cell centres, shape `(*S,)`."""
    phase = np.pi * domain.coordinates() / np.array(domain.extent)
    return offset + scale * np.prod(np.sin(phase) ** 2, axis=-1)

"""Advection of a density by a known velocity with an unknown correction, periodic.

    ρₜ + (a v + m)·∇ρ = 0,    state (ρ, v) (*S, 1 + D), D components in D dimensions

`v(x)`, the known velocity (length/time), is constant in time and part of the state.
Unknown are `a`, the `factor` (a number, 1 where v is right), and `m(x)`, the
`modulation` (length/time). `step` takes both; what is not fitted is fixed at 1 or 0.

The schemes `central` and `limited` are of second order, O(dt² + dx²), see
`eulerian.py`; `limited` makes no new extrema along an axis. Their substeps follow from
the largest speed that can occur.

With `semi_lagrangian` a step is PhiFlow's `advect.semi_lagrangian`, ρ interpolated
linearly at `x - dt·(a v + m)(x)`:

* Stable for every `dt`. No new extrema: ρ stays between its least and largest value.
* Straight trajectories: error O(dt) wherever the velocity varies along them.
* Interpolation diffuses by dx²·r(1 - r)/(2 dt), with r the displacement's fraction of a
  cell: error O(dx²/dt), at most O(dx); none for whole cells. So few large steps are
  better than many small ones, as long as trajectories are nearly straight.
* Mass ∫ρ is kept by the equation if ∇·(a v + m) = 0, by the scheme up to O(dt + dx²/dt)
  per unit time (exactly only if the displacement is the same everywhere).

The step is piecewise smooth in a and m: its slope jumps where a departure point crosses
a cell centre. It is fastest where no displacement exceeds a cell (see `transport`).

Good values: extent 100, 64² to 128² cells, dt 0.05, the swirl below of speed up to 16.

Pure, for `jit` and `vmap`, float32 or float64; differentiable in reverse mode, with
respect to a, m and u.
"""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.data import generate
from hyco_jax.grids import sampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.coefficients import Role
from hyco_jax.pde.kernels import checks, eulerian, polar, splitting, transport
from hyco_jax.pde.kernels.splitting import TransportSettings
from hyco_jax.problem import Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {
    "factor": Role(is_positive=True, can_vary=False),
    "modulation": Role(is_positive=False, is_vector=True, must_vary=True),
}


@dataclasses.dataclass(frozen=True)
class Settings(TransportSettings):
    """The grids, the known swirl, and what data are simulated with."""

    scheme: str = "limited"
    resolution: tuple[int, ...] = (32, 32)
    extent: tuple[float, ...] = (100.0, 100.0)
    dt: float = 0.4
    factor: float = key(1.0, "true factor of the known swirl", rules.positive())
    swirl_strength: float = key(
        0.25, "largest angular velocity of the swirl", rules.number()
    )
    modulation_strength: float = key(
        0.05,
        "largest speed of the true modulation, in sides of the box per time",
        rules.number(),
    )
    modulation_width: float = key(
        0.1,
        "width of the ring on which the modulation lies, in sides of the box",
        rules.positive(),
    )
    num_lobes: int = key(
        3, "number of waves of the modulation around its ring", rules.integer(0, 10_000)
    )


@dataclasses.dataclass(frozen=True)
class DataSettings(generate.DataSettings):
    """How data are simulated and observed, or where they are."""

    scale: float = 20.0
    amplitude: float = key(1.0, "bound of the initial density", rules.positive())
    region: tuple[tuple[float, float], ...] = ((0.25, 0.75), (0.25, 0.75))


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of a swirl, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed.
    """
    settings, data = settings or Settings(), data or DataSettings()
    domain = settings.make_domain()
    # Half as much again, for a modulation that is not found yet.
    swirl = np.abs(swirl_velocity(domain, settings.swirl_strength)).max()
    wave = min(domain.extent) * abs(settings.modulation_strength)
    fastest = float(1.5 * (settings.factor * swirl + wave))
    # Of a v + m a state tells the known velocity v alone.
    speeds = settings.make_speeds(fastest, slice(1, 1 + domain.ndim))

    def draw(key, domain, num_samples):
        swirl = swirl_velocity(domain, settings.swirl_strength)
        return sample_u0(key, domain, num_samples, data.scale, data.amplitude, swirl)

    def true_values(domain):
        modulation = ring_modulation(
            domain,
            settings.modulation_strength,
            width=settings.modulation_width,
            num_lobes=settings.num_lobes,
        )
        return {"factor": settings.factor, "modulation": modulation}

    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain),
        roles=COEFFICIENTS,
        sample_u0=draw,
        true_values=true_values,
        physics_resolution=settings.physics_resolution,
        **settings.make_solvers(make_step, speeds),
        spec=make_spec("advection", settings, data),
    )


def quantities(domain: Domain) -> tuple[Quantity, ...]:
    """The quantities of a state."""
    return Quantity("density"), Quantity("velocity", domain.ndim, is_static=True)


def make_step(
    domain: Domain,
    dt: float,
    upper: Mapping[str, float],
    scheme: str = "semi_lagrangian",
    max_speed: float = 1.0,
) -> PdeStep:
    """Returns a function that advects the density by `dt`.

    Args:
        domain: The grid, D axes, periodic.
        dt: Time step.
        upper: Not used; the schemes are stable for every value.
        scheme: See above.
        max_speed: The largest component of a v + m; `semi_lagrangian` doesn't need it.

    Returns:
        `step(values, u)`, which maps `{"factor": a, "modulation": m}`, shapes `()` and
        `(*S, D)` (or `()` for the same in every component, such as 0), and the state,
        shape `(*S, 1 + D)`, to the state `dt` later.

    Raises:
        ValueError: If the box is closed, the scheme unknown, or `dt` or a `max_speed`
            that is needed not positive; at trace time, if a shape is wrong.
    """
    del upper
    checks.check_periodic(domain)
    checks.check_dt(dt)
    vector = (*domain.resolution, domain.ndim)
    make = _semi_lagrangian if scheme == "semi_lagrangian" else _eulerian
    advance = make(domain, dt, scheme, max_speed)

    def step(values, u):
        factor, modulation = values["factor"], values["modulation"]
        checks.check_state(domain, 1 + domain.ndim, u)
        checks.check_value("factor", factor, ((),))
        checks.check_value("modulation", modulation, ((), vector))
        known = u[..., 1:]
        velocity = jnp.asarray(factor, u.dtype) * known
        velocity = velocity + jnp.asarray(modulation, u.dtype)
        components = tuple(velocity[..., i] for i in range(domain.ndim))
        density = advance(components, u[..., 0])
        return jnp.concatenate([density[..., None], known], axis=-1)

    return step


def _semi_lagrangian(domain, dt, *_):
    return lambda velocity, q: transport.advect(domain, dt, velocity, (q,))[0]


def _eulerian(domain, dt, scheme, max_speed):
    parts = splitting.plan(domain, dt, scheme, max_speed)

    def advance(velocity, density):
        def rate(planes):
            return (eulerian.carry(scheme, domain, velocity, *planes),)

        return splitting.advance(parts, dt, rate, (density,))[0]

    return advance


def sample_u0(
    key: Array,
    domain: Domain,
    num_samples: int,
    scale: float,
    amplitude: float,
    velocity: np.ndarray | None = None,
) -> Array:
    """Samples patches of density ±amplitude with smooth edges, and appends v.

    ρ is amplitude·tanh(2 n), n smooth noise of mean square 1, see `sampling.sample_u0`.

    Args:
        key: PRNG key.
        domain: The grid.
        num_samples: Number N of states.
        scale: Correlation length of the noise, in units of the extent.
        amplitude: Bound of |ρ|.
        velocity: The known velocity, shape `(*S, D)`; by default `swirl_velocity`.

    Returns:
        Shape `(N, *S, 1 + D)`, of JAX's default float.

    Raises:
        ValueError: If the velocity has another shape, or none is given in 1-D.
    """
    velocity = np.asarray(swirl_velocity(domain) if velocity is None else velocity)
    shape = (*domain.resolution, domain.ndim)
    if velocity.shape != shape:
        raise ValueError(
            f"velocity has shape {velocity.shape}, expected {shape}; give one vector "
            "for every cell"
        )
    noise = sampling.sample_u0(key, domain, num_samples, scale, num_channels=1)
    density = amplitude * jnp.tanh(2 * noise)
    velocity = jnp.asarray(velocity, noise.dtype)
    velocities = jnp.broadcast_to(velocity, (num_samples, *shape))
    return jnp.concatenate([density, velocities], axis=-1)


def swirl_velocity(
    domain: Domain, strength: float = 0.5, radius: float = 0.3, width: float = 0.15
) -> np.ndarray:
    """Returns a swirl about the centre, in 3-D about its axis along z.

    Its angular velocity is strength·exp(-((r - radius)/width)²), r in units of the
    shortest side, times `polar.taper`, which takes HYCO-PhiFlow's swirl to 0 at the
    sides of the periodic box, where it would jump. Divergence-free and smooth.

    Args:
        domain: The grid, 2-D or 3-D.
        strength: Largest angular velocity, 1/time.
        radius: Where it is largest, below 0.4.
        width: Of the ring.

    Returns:
        Shape `(*S, D)`, float64, length/time.

    Raises:
        ValueError: If the domain is 1-D.
    """
    r, _, tangent = polar.about_centre(domain)
    speed = strength * r * np.exp(-(((r - radius) / width) ** 2)) * polar.taper(r)
    return min(domain.extent) * speed[..., None] * tangent


def ring_modulation(
    domain: Domain,
    strength: float = 0.05,
    radius: float = 0.3,
    width: float = 0.05,
    num_lobes: int = 6,
) -> np.ndarray:
    """Returns the tangential field strength·exp(-((r - radius)/width)²)·sin(n θ).

    The true modulation of HYCO-PhiFlow, of largest speed 5 on a box of extent 100, but
    for `polar.taper`, which takes it to 0 at the sides of the periodic box.

    Args:
        domain: The grid, 2-D or 3-D.
        strength: Largest speed, in shortest sides of the box per unit of time.
        radius: Of the ring, in units of the shortest side.
        width: Of the ring, likewise.
        num_lobes: Number n of waves around the ring.

    Returns:
        Shape `(*S, D)`, float64, length/time.

    Raises:
        ValueError: If the domain is 1-D.
    """
    r, angle, tangent = polar.about_centre(domain)
    speed = strength * np.exp(-(((r - radius) / width) ** 2)) * polar.taper(r)
    speed *= np.sin(num_lobes * angle)
    return min(domain.extent) * speed[..., None] * tangent

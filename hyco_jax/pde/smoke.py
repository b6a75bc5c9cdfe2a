"""Smoke that rises in a closed box, 2-D or 3-D, and makes the air move with it.

    sₜ + u·∇s = r i(x),
    uₜ + (u·∇)u = -∇p + b s e + ν ∇²u,    ∇·u = 0

`s` is the density of the smoke, `u` the velocity, `e` points along the last axis; the
inflow `i` is a known mask and `r` its rate (density/time), `b` the buoyancy
(length/time² per density), a number or a field `b(x)`, `ν` the kinematic viscosity
(length²/time). On the walls u = 0, and s has no gradient across them.

A state has the channels density (cell centres), velocity (lower faces, see
`fields.to_staggered`) and, if there is an inflow, its mask (centres, static). The
projection is that of `pressure.py`, direct, divergence-free to rounding; around
obstacles it is PhiFlow's `fluid.make_incompressible`, by conjugate gradients.

The schemes `central` and `limited` are of second order, O(dt² + dx²), up to the walls,
see `fluxes.py` and `runge_kutta.py`: every stage has transport, inflow, viscosity and
buoyancy, and then the projection. ∫s is kept up to the inflow. Substeps follow from the
largest speed and viscosity that can occur.

`semi_lagrangian` is PhiFlow's, of first order. A step:

1. s by MacCormack's advection, second order in dx, clipped to the values around
   the departure point: no new extrema, not conservative. Then s += dt·r·i.
2. u by semi-Lagrangian advection, stable for every `dt`, error O(dt + dx²/dt).
3. Explicit viscosity, second order, substeps by the limit dt/n <= 1/(2 ν Σᵢ 1/dxᵢ²).
4. u += dt·b·s·e with the mean of b·s at the faces: smoke in layers stays at rest.
5. The projection.

Good values: extent 100², 128² cells, dt 0.1 to 0.8,
b = 1, r = 0.2, ν from 0 to 0.1. Pure, for `jit` and `vmap`, float32 or float64;
differentiable in reverse mode with respect to the coefficients and the state.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.data import generate
from hyco_jax.grids import sampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.coefficients import Role
from hyco_jax.pde.kernels import (
    checks,
    fluxes,
    obstructions,
    patches,
    pressure,
    semi_lagrangian,
    splitting,
    staggered,
)
from hyco_jax.pde.kernels.splitting import TransportSettings
from hyco_jax.problem import Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {
    "viscosity": Role(is_positive=True, can_vary=False),
    "buoyancy": Role(is_positive=True),
    "inflow_rate": Role(is_positive=True, can_vary=False),
}

# Largest `diagnostics` of a float32 rollout without obstacles: 8 roundings.
MAX_DIVERGENCE = 1e-6


@dataclasses.dataclass(frozen=True)
class Settings(TransportSettings):
    """The grids, and the coefficients that data are simulated with."""

    scheme: str = "central"
    resolution: tuple[int, ...] = (32, 32)
    extent: tuple[float, ...] = (32.0, 32.0)
    substeps: int = key(
        0,
        "number of substeps of a step (of semi_lagrangian, of its viscosity alone); "
        "0: the fewest that are stable",
        checks.SUBSTEPS_RULE,
    )
    has_inflow: bool = key(
        True,
        "whether a source emits smoke, else there is a cloud of it at the start",
        rules.FLAG,
    )
    viscosity: float = key(0.1, "true viscosity", rules.not_negative())
    buoyancy: float = key(1.0, "true buoyancy, or its mean", rules.number())
    buoyancy_variation: float = key(
        0.0,
        "variation of a true buoyancy that is the field buoyancy + variation "
        "sin(2πx/L)",
        rules.number(),
    )
    inflow_rate: float = key(
        0.2, "true inflow rate", rules.not_negative(), when={"has_inflow": True}
    )


@dataclasses.dataclass(frozen=True)
class DataSettings(generate.DataSettings):
    """How data are simulated and observed, or where they are."""

    scale: float = key(
        2.5,
        "radius of the source, or correlation length of the cloud of smoke",
        rules.positive(),
    )
    amplitude: float = key(
        1.0,
        "strength of the source, or root mean square of the cloud of smoke",
        rules.positive(),
    )
    region: tuple[tuple[float, float], ...] = ((0.25, 0.75), (0.25, 0.75))


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of a plume, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed.
    """
    settings, data = settings or Settings(), data or DataSettings()
    domain = settings.make_domain(periodic=False)
    # Of the inflow; the coarser grid has to carry it.
    edge = 3 * settings.longest_cell
    has_inflow = settings.has_inflow
    used = [name for name in COEFFICIENTS if has_inflow or name != "inflow_rate"]

    fastest = _free_fall(settings, data)
    speeds = settings.make_speeds(fastest, slice(1, 1 + domain.ndim))

    def make(domain, dt, upper, **options):
        step = make_step(domain, dt, upper, has_inflow=has_inflow, **options)
        return lambda values, u: step({name: values[name] for name in used}, u)

    def true_values(domain):
        buoyancy, variation = settings.buoyancy, settings.buoyancy_variation
        if variation:
            buoyancy = sine_buoyancy(domain, variation, buoyancy)
        numbers = {n: getattr(settings, n) for n in ("viscosity", "inflow_rate")}
        return {"buoyancy": buoyancy, **numbers}

    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain, has_inflow),
        roles=COEFFICIENTS,
        sample_u0=lambda *a: sample_u0(
            *a, data.scale, data.amplitude, has_inflow, edge
        ),
        true_values=true_values,
        physics_resolution=settings.physics_resolution,
        diagnostics=diagnostics,
        limits={"divergence": MAX_DIVERGENCE},
        **settings.make_solvers(make, speeds, substeps=settings.substeps or None),
        spec=make_spec("smoke", settings, data),
    )


def quantities(domain: Domain, has_inflow: bool = True) -> tuple[Quantity, ...]:
    """The quantities of a state, with or without an inflow."""
    moving = (Quantity("density"), Quantity("velocity", domain.ndim, is_staggered=True))
    return (*moving, Quantity("inflow", is_static=True)) if has_inflow else moving


def make_step(
    domain: Domain,
    dt: float,
    upper: Mapping[str, float],
    substeps: int | None = None,
    has_inflow: bool = True,
    obstacles: Sequence[flow.Geometry] = (),
    scheme: str = "semi_lagrangian",
    max_speed: float = 1.0,
) -> PdeStep:
    """Returns a function that advances smoke and air by `dt`.

    Args:
        domain: The grid, closed, 2-D or 3-D.
        dt: Time step.
        upper: Largest values; that of the viscosity limits a substep.
        substeps: If not the fewest that are stable; of `semi_lagrangian`, those of the
            viscosity.
        has_inflow: Whether there is an inflow channel, and an `inflow_rate`.
        obstacles: Geometries of PhiFlow, see `obstructions.make_projection`.
        scheme: See above.
        max_speed: The largest component of a velocity that `step` will be given;
            `semi_lagrangian` doesn't need it.

    Returns:
        `step(values, u)`, which maps `{"viscosity": (), "buoyancy": () or (*S,),
        "inflow_rate": ()}` and the state `(*S, C)` to the state `dt` later.

    Raises:
        ValueError: If the box is periodic or 1-D, an obstacle is no geometry in it, the
            scheme is unknown, a `max_speed` that is needed not positive, or `substeps`
            too small; at trace time, if a shape is wrong.
    """
    _check_box(domain)
    project = obstructions.make_projection(domain, obstacles)
    make = _semi_lagrangian if scheme == "semi_lagrangian" else _eulerian
    advance = make(domain, dt, project, upper["viscosity"], substeps, scheme, max_speed)

    def step(values, u):
        _check_arguments(domain, has_inflow, values, u)
        planes = tuple(u[..., a] for a in range(domain.ndim + 1))
        inflow = values["inflow_rate"] * u[..., -1] if has_inflow else 0.0
        viscosity, buoyancy = values["viscosity"], values["buoyancy"]
        planes = advance(viscosity, buoyancy, inflow, planes)
        static = (u[..., -1],) if has_inflow else ()
        return jnp.stack([*planes, *static], axis=-1)

    return step


def _semi_lagrangian(domain, dt, project, max_viscosity, substeps, *_):
    substeps = checks.check_substeps(substeps, domain, dt, max_viscosity)
    up = domain.ndim - 1

    def advance(viscosity, buoyancy, inflow, planes):
        density, *planes = planes
        density = semi_lagrangian.advect_density(domain, dt, density, planes)
        density += dt * inflow
        planes = semi_lagrangian.advect_velocity(domain, dt, planes)
        amount = dt / substeps * viscosity
        planes = staggered.diffuse(domain, amount, planes, substeps)
        lift = staggered.at_faces(domain, buoyancy * density, up)
        return density, *project((*planes[:up], planes[up] + dt * lift))

    return advance


def _eulerian(domain, dt, project, max_viscosity, substeps, scheme, max_speed):
    parts = splitting.plan(
        domain,
        dt,
        scheme,
        max_speed,
        max_viscosity,
        substeps or 1,
        may_split=False,
    )

    def advance(viscosity, buoyancy, inflow, planes):
        def rate(planes):
            density, *velocity = planes
            rates = list(fluxes.advection(scheme, domain, velocity))
            rates[-1] += staggered.at_faces(domain, buoyancy * density, domain.ndim - 1)
            friction = staggered.diffusion(domain, velocity)
            rates = [r + viscosity * f for r, f in zip(rates, friction, strict=True)]
            return fluxes.carry(scheme, domain, velocity, density) + inflow, *rates

        density, *velocity = planes
        # What is stored at the walls counts as zero.
        velocity = [staggered.without_wall(u, axis) for axis, u in enumerate(velocity)]
        return splitting.advance(
            parts,
            dt,
            rate,
            (density, *velocity),
            constrain=lambda planes: (planes[0], *project(tuple(planes[1:]))),
        )

    return advance


def sample_u0(
    key: Array,
    domain: Domain,
    num_samples: int,
    scale: float,
    amplitude: float,
    has_inflow: bool = True,
    edge: float | None = None,
) -> Array:
    """Samples fluids at rest: a source at a random place, or a cloud of smoke.

    With an inflow, see `patches.random_sources`, there is no smoke yet.

    Args:
        key: PRNG key.
        domain: The grid.
        num_samples: Number N of states.
        scale: Radius of the source (good: 1/20 of the box), or correlation length of
            the smoke (1/10), in units of the extent.
        amplitude: Value of the mask inside the source, or root mean square of the
            smoke, which has mean zero.
        has_inflow: Which of the two.
        edge: Width of the source's edge, in units of the extent; by default its radius.

    Returns:
        Shape `(N, *S, C)`, of JAX's default float.

    Raises:
        ValueError: If the edge is too wide for the radius, or the correlation length
            leaves no wave.
    """
    shape = (num_samples, *domain.resolution)
    velocity = jnp.zeros((*shape, domain.ndim))
    if not has_inflow:
        density = sampling.sample_u0(key, domain, num_samples, scale, amplitude, 1)
        return jnp.concatenate([density, velocity], axis=-1)
    edge = scale if edge is None else edge
    mask = amplitude * patches.random_sources(key, domain, num_samples, scale, edge)
    return jnp.concatenate([jnp.zeros((*shape, 1)), velocity, mask], axis=-1)


def diagnostics(domain: Domain, u: Array) -> dict[str, Array]:
    """Returns what must stay small in a state: its `pressure.relative_divergence`."""
    velocity = u[..., 1 : domain.ndim + 1]
    return {"divergence": pressure.relative_divergence(domain, velocity)}


def sine_buoyancy(
    domain: Domain, strength: float = 0.4, offset: float = 1.0
) -> np.ndarray:
    """Returns offset + strength·sin(2π x / L) at the cell centres, shape `(*S,)`."""
    phase = 2 * np.pi * domain.coordinates()[..., 0] / domain.extent[0]
    return offset + strength * np.sin(phase)


def _free_fall(settings, data):
    """The speed at which all of the smoke's weight has turned into motion."""
    densest = sampling.PEAK * data.amplitude
    if settings.has_inflow:
        densest = settings.inflow_rate * data.amplitude * settings.dt * data.num_steps
    weight = (abs(settings.buoyancy) + abs(settings.buoyancy_variation)) * densest
    return math.sqrt(2 * weight * settings.extent[-1])


def _check_box(domain):
    if domain.periodic or domain.ndim == 1:
        raise ValueError(
            f"smoke rises in a closed box of 2 or 3 axes, but the domain has "
            f"{domain.ndim} and periodic={domain.periodic}; make the Domain with "
            "periodic=False"
        )


def _check_arguments(domain, has_inflow, values, u):
    checks.check_state(domain, domain.ndim + (2 if has_inflow else 1), u)
    checks.check_value("viscosity", values["viscosity"], ((),))
    checks.check_value("buoyancy", values["buoyancy"], ((), domain.resolution))
    if has_inflow:
        checks.check_value("inflow_rate", values["inflow_rate"], ((),))

"""Gray-Scott reaction and diffusion of two substances on a periodic box.

    uₜ = Dᵤ∇²u - uv² + F(1 - u)
    vₜ = Dᵥ∇²v + uv² - (F + k)v,    state (*S, 2): u, v

The diffusivities `Dᵤ`, `Dᵥ` (length²/time) are numbers; the rates `feed` F and `kill` k
(1/time) are numbers or fields. Time is measured by the reaction, whose constant is 1.

A substep of length h is Strang's splitting, second order in h:

1. Half a reaction: Heun's method for h/2.
2. Diffusion for h, exact for every wave of the grid (`exact_diffusion.py`).
3. The other half.

`integrator="euler"` is the scheme of the published test (arXiv 2602.23859): explicit
Euler steps of all terms at once, with the five-point Laplacian (in D dimensions of
2D + 1 points); first order in h, second in dx.

Nothing is conserved; (u, v) = (1, 0) is a fixed point. Heun's method is stable for
`h (1 + F + k) <= 4` as long as 0 <= u, v <= 1; at h = 1 the relative error is 0.002
to 0.004 after a time of 40. v stays above -0.01 from a disc with a sharp edge, and
above -0.001 from smooth blobs of radius 5 to 10.

Good values: extent 100, 64² cells, dt 10, `TRUE_VALUES`. A disc or blob of radius 10
grows a ring; rings break up from a time of 300 on, and fill the box by 1000. Errors of
0.003 at 400 can be 0.4 at 2000: records of 60 to 100 steps suit learning.

Pure, for `jit` and `vmap`, float32 or float64; differentiable in reverse mode, with
respect to all coefficients and the state.

`data.readings` reads a simulation of the published test at random points, see
`gray_scott_readings.py`.
"""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.data import generate
from hyco_jax.data.observations import Observations
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.coefficients import Role
from hyco_jax.pde import gray_scott_readings
from hyco_jax.pde.kernels import checks, exact_diffusion, patches, shifts
from hyco_jax.problem import GridSettings, Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {
    "diffusivity_u": Role(is_positive=True, can_vary=False),
    "diffusivity_v": Role(is_positive=True, can_vary=False),
    "feed": Role(is_positive=True),
    "kill": Role(is_positive=True),
}

INTEGRATORS = ("strang", "euler")

_MAX_SUBSTEP = 1.0


@dataclasses.dataclass(frozen=True)
class Settings(GridSettings):
    """The grids, and the coefficients that data are simulated with."""

    resolution: tuple[int, ...] = (32, 32)
    extent: tuple[float, ...] = (50.0, 50.0)
    dt: float = 25.0
    substeps: int = key(
        0,
        "number of substeps of a step; 0: so many that none is longer than 1",
        checks.SUBSTEPS_RULE,
    )
    integrator: str = key(
        "strang",
        "integrator: Strang's splitting with exact diffusion (strang), or explicit "
        "Euler with the five-point Laplacian (euler), as published",
        rules.choice(*INTEGRATORS),
    )
    diffusivity_u: float = key(0.20, "true diffusivity of u", rules.positive())
    diffusivity_v: float = key(0.08, "true diffusivity of v", rules.positive())
    feed: float = key(0.018, "true feed rate", rules.positive())
    kill: float = key(0.051, "true kill rate", rules.positive())


# Of the published test, arXiv 2602.23859.
TRUE_VALUES = {name: getattr(Settings(), name) for name in COEFFICIENTS}


@dataclasses.dataclass(frozen=True)
class DataSettings(generate.DataSettings):
    """How data are simulated and observed, or where they are."""

    scale: float = key(6.0, "radius of the blobs of v at t = 0", rules.positive())
    amplitude: float = key(0.5, "height of the blobs", rules.positive(1.0))
    num_blobs: int = key(
        3, "number of blobs in an initial state", rules.integer(1, 10_000)
    )
    initial: str = key(
        "blobs",
        "initial states: blobs, or disc, where the first is the published one",
        rules.choice("blobs", "disc"),
    )
    region: tuple[tuple[float, float], ...] = ((0.25, 0.75), (0.25, 0.75))
    readings: int = key(
        0,
        "number of readings of the published test that train, at random cells and "
        "steps of its simulation, without noise; 0: the region is observed",
        rules.integer(0, 1_000_000),
    )

    @property
    def at_points(self) -> bool:
        """Whether it is read at random points."""
        return self.readings > 0


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of two substances, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed.
    """
    settings, data = settings or Settings(), data or DataSettings()
    domain = settings.make_domain()
    # Of the disc; the coarser grid has to carry it.
    edge = 3 * settings.longest_cell

    def draw(key, domain, num):
        u0 = sample_u0(key, domain, num, data.scale, data.amplitude, data.num_blobs)
        if data.initial == "blobs":
            return u0
        # The published test has one initial state; the others are for validation.
        return u0.at[0].set(disc_u0(domain, data.scale, edge))

    integrator = settings.integrator
    make_true = functools.partial(
        make_step, substeps=settings.substeps or None, integrator=integrator
    )

    def make(model_domain, dt, upper):
        # A part of a step has as many as the whole, so that all of the error shrinks.
        longer = max(dt, settings.dt)
        substeps = settings.substeps or _check_substeps(
            None, domain, longer, upper, integrator
        )
        return make_step(model_domain, dt, upper, substeps, integrator)

    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain),
        roles=COEFFICIENTS,
        make_step=make,
        make_true_step=make_true,
        order=2 if integrator == "strang" else None,
        sample_u0=draw,
        true_values=lambda domain: {n: getattr(settings, n) for n in COEFFICIENTS},
        physics_resolution=settings.physics_resolution,
        spec=make_spec("gray_scott", settings, data),
    )


def observe(problem: Problem, options: DataSettings, key: Array) -> Observations:
    """Reads the published test at random points, see `gray_scott_readings.py`."""
    return gray_scott_readings.observe(
        problem, options.readings, options.num_steps, options.scale, key
    )


def quantities(domain: Domain) -> tuple[Quantity, ...]:
    """The quantities of a state."""
    del domain
    return (Quantity("u"), Quantity("v"))


def make_step(
    domain: Domain,
    dt: float,
    upper: Mapping[str, float],
    substeps: int | None = None,
    integrator: str = "strang",
) -> PdeStep:
    """Returns a function that advances the Gray-Scott equations by `dt`.

    Args:
        domain: The grid, periodic.
        dt: Time step.
        upper: The largest values that `step` will be given; those of `feed` and `kill`
            bound a substep, of "euler" those of the diffusivities too.
        substeps: Substeps, if not the fewest of length <= 1 that are stable.
        integrator: One of `INTEGRATORS`.

    Returns:
        `step(values, u)`, which maps the coefficients, shape `()` or, for `feed` and
        `kill`, `(*S,)`, and the state `(*S, 2)` to the state `dt` later.

    Raises:
        ValueError: If the box is closed, `dt` is not positive or a substep is too long;
            at trace time, if a shape is wrong.
    """
    checks.check_periodic(domain)
    substeps = _check_substeps(substeps, domain, dt, upper, integrator)
    make_substep = _euler if integrator == "euler" else _strang

    def step(values, u):
        checks.check_state(domain, 2, u)
        values = _checked(domain, values, u.dtype)
        substep = make_substep(domain, values, dt / substeps)
        planes = jnp.moveaxis(u, -1, 0)
        planes = lax.scan(lambda p, _: (substep(p), None), planes, length=substeps)[0]
        return jnp.moveaxis(planes, 0, -1)

    return step


def _strang(domain, values, h):
    """Maps `planes`, u and v, shape `(2, *S)`, to those h later, second order."""
    feed, kill = values["feed"], values["kill"]
    amounts = h * jnp.stack([values["diffusivity_u"], values["diffusivity_v"]])

    def substep(planes):
        planes = _react(feed, kill, h / 2, planes)
        planes = jax.vmap(
            lambda amount, plane: exact_diffusion.diffuse(domain, amount, plane)
        )(amounts, planes)
        return _react(feed, kill, h / 2, planes)

    return substep


def _euler(domain, values, h):
    """The same as published, first order."""
    diffusivities = jnp.stack([values["diffusivity_u"], values["diffusivity_v"]])
    diffusivities = diffusivities.reshape(2, *[1] * domain.ndim)

    def substep(planes):
        laplacian = sum(
            (shifts.shift(planes, 1 + axis, 1) + shifts.shift(planes, 1 + axis, -1))
            / dx**2
            for axis, dx in enumerate(domain.dx)
        )
        laplacian -= 2 * sum(1 / dx**2 for dx in domain.dx) * planes
        rate = _rate(values["feed"], values["kill"], planes)
        return planes + h * (diffusivities * laplacian + rate)

    return substep


def _check_substeps(substeps, domain, dt, upper, integrator):
    checks.check_dt(dt)
    rate = upper["feed"] + upper["kill"]
    if not 0 <= rate < np.inf:
        raise ValueError(
            f"the upper bounds of feed and kill add up to {rate}, expected a finite "
            "number; give both bounds"
        )
    longest = (4 if integrator == "strang" else 2) / (1 + rate)
    cause = f"feed and kill of up to {rate:.3g} in all"
    if integrator == "euler":
        largest = max(upper["diffusivity_u"], upper["diffusivity_v"])
        if not largest < np.inf:
            raise ValueError(
                f"the upper bounds of the diffusivities are up to {largest}, expected "
                "finite numbers; give both bounds"
            )
        # Diffusion and reaction share a step: the inverses of their limits add up.
        fastest = 2 * largest * sum(1 / dx**2 for dx in domain.dx)
        longest = 1 / (1 / longest + fastest)
        cause += f", and diffusivities of up to {largest:.3g},"
    if substeps is None:
        return checks.fewest_substeps(dt, 1 / min(_MAX_SUBSTEP, longest), cause)
    if substeps < 1 or dt / substeps > longest:
        raise ValueError(
            f"substeps={substeps} is unstable: a substep of dt={dt} may be at most "
            f"{longest:.3g} long; use substeps >= {int(np.ceil(dt / longest))}"
        )
    checks.check_substep_limit(substeps)
    return substeps


def _checked(domain, values, dtype):
    for name, role in COEFFICIENTS.items():
        allowed = ((), domain.resolution) if role.can_vary else ((),)
        checks.check_value(name, values[name], allowed)
    return {name: jnp.asarray(values[name], dtype) for name in COEFFICIENTS}


def _rate(feed, kill, planes):
    """What the reaction adds to `planes` in a unit of time."""
    u, v = planes
    made = u * v * v
    return jnp.stack([feed * (1 - u) - made, made - (feed + kill) * v])


def _react(feed, kill, dt, planes):
    """Heun's method for the reaction of `planes`, u and v, shape `(2, *S)`."""
    start = _rate(feed, kill, planes)
    return planes + (dt / 2) * (start + _rate(feed, kill, planes + dt * start))


def sample_u0(
    key: Array,
    domain: Domain,
    num_samples: int,
    scale: float,
    amplitude: float,
    num_blobs: int = 4,
) -> Array:
    """Samples states (1, 0) with round blobs of v at random places.

    A blob's edge is smooth: exp(-(|x - c|/scale)⁴). In its middle u is 1 - amplitude
    and v is drawn between amplitude/2 and amplitude. On overlaps see
    `patches.random_blobs`.

    Args:
        key: PRNG key.
        domain: The grid, periodic.
        num_samples: Number N of states.
        scale: Radius of the blobs, in units of the extent; 10 suits a box of 100.
        amplitude: Their height, in (0, 1]; 0.5 starts a pattern.
        num_blobs: Blobs of each state.

    Returns:
        Shape `(N, *S, 2)`, of JAX's default float.

    Raises:
        ValueError: If `scale`, `amplitude` or `num_blobs` is out of range.
    """
    if not 0 < amplitude <= 1:
        raise ValueError(f"amplitude={amplitude} must be in (0, 1]; 0.5 is a good one")
    tallest, weighted = patches.random_blobs(
        key, domain, num_samples, scale, num_blobs, (0.5, 1.0)
    )
    return jnp.stack([1 - amplitude * tallest, amplitude * weighted], axis=-1)


def disc_u0(domain: Domain, radius: float = 10.0, edge: float = 5.0) -> Array:
    """Returns the initial state of the published test, shape `(*S, 2)`.

    (1, 0) outside a disc in the middle of the box, (0.5, 0.5) in it. In the published
    one u and v jump at its edge; here it is `patches.sphere`'s, so that all grids get
    the same.
    """
    away = domain.coordinates() - np.array(domain.extent) / 2
    disc = patches.sphere(jnp.asarray(away), radius, edge)
    return jnp.concatenate([1 - 0.5 * disc, 0.5 * disc], axis=-1)

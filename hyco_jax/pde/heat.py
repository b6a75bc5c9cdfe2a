"""Heat equation on a periodic box, or a closed one with walls at temperature 0.

    uₜ = ∇·(κ∇u)  or, with form="laplacian",  uₜ = κ∇²u,    u (*S, 1)

The conductivity `κ` (length²/time) is a number or a field `κ(x)`. The published test of
arXiv 2509.14123 uses the second form; the two agree where κ is constant.

A number takes the exact solution (`exact_diffusion.py`): any dt, no error in time. A
field takes fluxes at the faces, with the mean of two cells' κ there:

- The error is O(dt² + dx²). In time it is the Runge-Kutta method SSPRK(n + 1, 2) of
  n + 1 Euler stages of length dt/n, Spiteri and Ruuth, SIAM J. Numer. Anal. 40 (2002).
  A wave that decays by exp(-z) in a step errs by about z³/(6n) in it.
- max |u| never grows for `dt/substeps <= 1/(2 κ Σᵢ 1/dxᵢ²)`, and neither does its
  range on a periodic box. The number of substeps n follows from the largest κ that can
  occur.
- The first form conserves ∫u on a periodic box. The second one, and walls, don't.

Walls are at the outer faces of the outermost cells, half a cell from their centres, so
the ghost value is minus that of the cell. PhiFlow's `extrapolation.ZERO` puts a 0 at
the ghost cell's centre, which moves the wall out by dx/2: an error O(dx), at 32 cells
0.03 against 0.0002. Its `ANTISYMMETRIC`, which is right, has no JAX implementation.

Good values: extent 6, 32² cells, dt 0.01, |u| about 1, κ in (0, 2.5).

Pure, for `jit` and `vmap`, float32 or float64; differentiable in reverse mode, with
respect to κ and u.
"""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key
from hyco_jax.data import generate
from hyco_jax.data.observations import Observations
from hyco_jax.grids import sampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.coefficients import Role
from hyco_jax.pde import heat_sensors
from hyco_jax.pde.kernels import checks, conduction, exact_diffusion, runge_kutta
from hyco_jax.problem import GridSettings, Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {"conductivity": Role(is_positive=True)}
FORMS = ("divergence", "laplacian")

# Of the published test, `(x, y)` of a centre relative to the middle of the box.
TRUE_AMPLITUDES = (3.0, 2.5)
TRUE_CENTERS = ((1.0, 1.0), (-2.0, -2.0))
OFFSET = 0.1
LIMIT = 2.5


@dataclasses.dataclass(frozen=True)
class Settings(GridSettings):
    """The grids, the equation, and the conductivity that data are simulated with."""

    resolution: tuple[int, ...] = (32, 32)
    extent: tuple[float, ...] = (6.0, 6.0)
    dt: float = 0.08
    boundary: str = key(
        "dirichlet",
        "dirichlet: walls at 0; periodic: none; nodes: the outermost cells are "
        "walls at 0, as published",
        rules.choice("dirichlet", "periodic", "nodes"),
    )
    form: str = key(
        "laplacian",
        "form of the equation: κ∇²u as published, or ∇·(κ∇u)",
        rules.choice(*FORMS),
    )
    substeps: int = key(
        0,
        "number of substeps of a step, where κ is a field; 0: as many as stability "
        "needs",
        checks.SUBSTEPS_RULE,
    )
    integrator: str = key(
        "ssp2",
        "integrator where κ is a field: of second order, or euler, as published",
        rules.choice("ssp2", "euler"),
    )
    conductivity: str = key(
        "two_bumps",
        "true conductivity: as published, or constant",
        rules.choice("two_bumps", "constant"),
    )
    conductivity_value: float = key(
        1.0,
        "true conductivity, if it is constant",
        rules.positive(),
        when={"conductivity": "constant"},
    )


@dataclasses.dataclass(frozen=True)
class DataSettings(generate.DataSettings):
    """How data are simulated and observed, or where they are."""

    scale: float = 1.0
    initial: str = key(
        "random",
        "states at t = 0; two_gaussians: the first of them is the published one",
        rules.choice("random", "two_gaussians"),
    )
    region: tuple[tuple[float, float], ...] = ((0.25, 0.75), (0.25, 0.75))
    sensors: str = key(
        "",
        "moving sensors of the published tests take the place of a grid; the part "
        "of the box in which they start",
        rules.choice("", *heat_sensors.PARTS),
    )

    @property
    def at_points(self) -> bool:
        """Whether sensors read it."""
        return bool(self.sensors)


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of a conductivity, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed.
    """
    settings, data = settings or Settings(), data or DataSettings()
    domain = settings.make_domain(settings.boundary == "periodic")
    if settings.boundary == "nodes" and not data.sensors:
        # A finer grid, of data or of the model, would have its walls elsewhere.
        schema.fail(
            "pde.boundary", "nodes", "'dirichlet' or 'periodic' without sensors"
        )
    if settings.boundary == "nodes" and settings.physics_resolution:
        schema.fail(
            "pde.physics_resolution",
            settings.physics_resolution,
            "() with walls at nodes, which a finer grid would move",
        )

    def draw(key, domain, num_samples):
        u0 = sample_u0(key, domain, num_samples, data.scale, data.amplitude)
        if data.initial == "random":
            return u0
        # The published test has one initial state; the others are for validation.
        return u0.at[0].set(two_gaussians_u0(domain))

    def true_values(domain):
        if settings.conductivity == "constant":
            return {"conductivity": settings.conductivity_value}
        return {"conductivity": two_bumps_conductivity(domain)}

    def make(model_domain, dt, upper):
        at_nodes = settings.boundary == "nodes"
        if at_nodes and model_domain != domain:
            raise ValueError(
                "walls at nodes would be elsewhere on another grid; expected that of "
                f"pde.boundary='nodes', {domain}, got {model_domain}"
            )
        return make_step(
            model_domain,
            dt,
            upper,
            settings.form,
            settings.substeps or None,
            at_nodes,
            settings.integrator,
        )

    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain),
        roles=COEFFICIENTS,
        make_step=make,
        order=2 if settings.integrator == "ssp2" else None,
        sample_u0=draw,
        true_values=true_values,
        physics_resolution=settings.physics_resolution,
        spec=make_spec("heat", settings, data),
    )


def quantities(domain: Domain) -> tuple[Quantity, ...]:
    """The quantities of a state."""
    del domain
    return (Quantity("temperature"),)


def make_step(
    domain: Domain,
    dt: float,
    upper: Mapping[str, float],
    form: str = "divergence",
    substeps: int | None = None,
    at_nodes: bool = False,
    integrator: str = "ssp2",
) -> PdeStep:
    """Returns a function that advances the heat equation by `dt`.

    Args:
        domain: The grid, periodic or closed.
        dt: Time step.
        upper: The largest conductivity that `step` will be given; it determines the
            number of substeps.
        form: "divergence" for ∇·(κ∇u), "laplacian" for κ∇²u.
        substeps: Substeps for a field κ, if not the fewest that are stable.
        at_nodes: Whether the outermost cells are the walls, for κ∇²u with a field κ.
        integrator: "ssp2", or "euler".

    Returns:
        `step(values, u)`, which maps `{"conductivity": κ}`, shape `()` or `(*S,)`, and
        the state, shape `(*S, 1)`, to the state `dt` later.

    Raises:
        ValueError: If the form is unknown or `substeps` is too small; at trace time, if
            a shape is wrong.
    """
    if form not in FORMS:
        raise ValueError(f"form={form!r} is not one of {FORMS}; choose one of them")
    if at_nodes and (form != "laplacian" or domain.periodic):
        raise ValueError(
            f"walls at nodes are there for form='laplacian' in a closed box, not for "
            f"form={form!r} in {domain}"
        )
    substeps = checks.check_substeps(substeps, domain, dt, upper["conductivity"])
    make_stage = {
        "divergence": conduction.divergence_stage,
        "laplacian": conduction.node_stage if at_nodes else conduction.laplacian_stage,
    }[form]

    def step(values, u):
        checks.check_state(domain, 1, u)
        checks.check_value(
            "conductivity", values["conductivity"], ((), domain.resolution)
        )
        kappa = jnp.asarray(values["conductivity"], u.dtype)
        if at_nodes:
            kappa = jnp.broadcast_to(kappa, domain.resolution)
        if kappa.ndim == 0:
            plane = exact_diffusion.diffuse(domain, dt * kappa, u[..., 0])
        else:
            stage = make_stage(domain, dt / substeps, kappa)
            if integrator == "euler":
                plane = runge_kutta.repeat(stage, u[..., 0], substeps)
            else:
                plane = runge_kutta.ssp2(stage, u[..., 0], substeps)
        return plane[..., None]

    return step


def observe(problem: Problem, options: DataSettings, key: Array) -> Observations:
    """Reads the moving sensors of a published test, see `heat_sensors.py`."""
    return heat_sensors.observe(
        problem,
        options.sensors,
        key,
        make_step,
        two_bumps_conductivity,
        two_gaussians_u0,
    )


def sample_u0(
    key: Array, domain: Domain, num_samples: int, scale: float, amplitude: float
) -> Array:
    """Samples smooth random temperatures that fit the box.

    In a periodic box see `sampling.sample_u0`, in a closed one `sampling.sample_sines`.

    Args:
        key: PRNG key.
        domain: The grid.
        num_samples: Number N of states.
        scale: Correlation length, in units of the extent.
        amplitude: Root mean square of each state.

    Returns:
        Shape `(N, *S, 1)`, of JAX's default float.

    Raises:
        ValueError: If the correlation length leaves no wave that fits the box.
    """
    if domain.periodic:
        return sampling.sample_u0(key, domain, num_samples, scale, amplitude, 1)
    return sampling.sample_sines(key, domain, num_samples, scale, amplitude)


def two_bumps_conductivity(domain: Domain) -> np.ndarray:
    """Returns the true conductivity of the published test, shape `(*S,)`.

    0.1 + 3 exp(-|x - (1, 1)|²) + 2.5 exp(-|x + (2, 2)|²), at most 2.5, with x from the
    middle of the box, which is 6 by 6.
    """
    x = domain.coordinates() - np.array(domain.extent) / 2
    bumps = [
        amplitude * np.exp(-np.sum((x - center) ** 2, axis=-1))
        for amplitude, center in zip(TRUE_AMPLITUDES, TRUE_CENTERS, strict=True)
    ]
    return np.minimum(OFFSET + sum(bumps), LIMIT)


def two_gaussians_u0(domain: Domain) -> np.ndarray:
    """Returns the initial state of the published test, shape `(*S, 1)`.

    exp(-|x - (1, 1)|²) - exp(-|x + (1, 1)|²), with x from the middle of the box.
    """
    x = domain.coordinates() - np.array(domain.extent) / 2
    hot, cold = (np.exp(-np.sum((x - c) ** 2, -1, keepdims=True)) for c in (1.0, -1.0))
    return hot - cold

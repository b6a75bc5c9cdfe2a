"""Steady diffusion with a reaction in a box with walls at 0, solved directly.

    -∇·(κ∇u) + ηu = f,    κ > 0, η >= 0,    u (*S, 1)

What `helmholtz.py` and `darcy.py` have in common. The walls are nodes: the outermost
cells, of which the box reaches half a cell beyond them, see `node_domain`. In between
it is the five-point scheme (in D dimensions of 2D + 1 points), with the mean of two
nodes' κ at the face between them: the error is O(dx²). The matrix is symmetric and
positive definite, with no positive entry off its diagonal: u >= 0 where f >= 0.

A steady equation is one whose single step leads from any state to its solution; it
takes the time dt, which means nothing.

The solution is differentiated implicitly: its derivatives solve the same system, from
the same Cholesky factor. Of n nodes inside the walls it costs n³/3 operations and n²
numbers: for some hundreds of nodes. `solve_iteratively` is for more, without any
derivative.

Pure, for `jit` and `vmap`, float32 or float64; differentiable in both modes with
respect to κ, η and f.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key
from hyco_jax.data import generate
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.coefficients import Role
from hyco_jax.pde.kernels import checks
from hyco_jax.problem import GridSettings, Problem, make_spec
from hyco_jax.types import Array, PdeStep

# Maps the values of coefficients, by name, to κ, η and f, each `()` or `(*S,)`.
Terms = Callable[[Mapping[str, Array]], tuple[Array, Array, Array]]
Operator = Callable[[Array], Array]

# Residual of `solve_iteratively`, relative to f.
_TOLERANCE = 1e-10


@dataclasses.dataclass(frozen=True)
class Settings(GridSettings):
    """The nodes, and the box between the walls: [-π, π]² as published."""

    resolution: tuple[int, ...] = key(
        (19, 19),
        "number of nodes along each axis, those on the walls included",
        rules.RESOLUTION,
    )
    extent: tuple[float, ...] = key(
        (2 * math.pi, 2 * math.pi),
        "distance of the walls along each axis, in the PDE's unit",
        rules.EXTENT,
    )
    dt: float = 1.0


@dataclasses.dataclass(frozen=True)
class DataSettings(generate.DataSettings):
    """Where sensors read the solution, and with which noise."""

    num_sims: int = 1
    num_steps: int = 1
    train_sim: tuple[int, ...] = (0,)
    val_sim: tuple[int, ...] = ()
    region: tuple[tuple[float, float], ...] = key(
        ((0.0, 1.0), (0.0, 1.0)),
        "box in which the sensors are, (lower, upper) along each axis as shares of "
        "the distance of the walls",
        rules.REGION,
    )
    noise_std: float = key(
        0.0,
        "standard deviation of the noise, relative to the largest training reading, "
        "as published",
        rules.not_negative(1e6),
    )
    num_sensors: int = key(
        25,
        "number of sensors that train; as many more are held out",
        rules.integer(1, 100_000),
    )

    @property
    def at_points(self) -> bool:
        """Sensors read it."""
        return True


def node_domain(resolution: tuple[int, ...], extent: tuple[float, ...]) -> Domain:
    """Makes the grid whose cell centres are nodes, the outermost ones on the walls.

    Args:
        resolution: Nodes along each axis, at least 3.
        extent: Distance of the walls along each axis.

    Raises:
        ValueError: If there is no node between the walls.
    """
    if min(resolution) < 3:
        schema.fail("pde.resolution", resolution, "3 or more nodes along each axis")
    lengths = [x * n / (n - 1) for x, n in zip(extent, resolution, strict=True)]
    return Domain(resolution, tuple(lengths), periodic=False)


def from_middle(domain: Domain) -> np.ndarray:
    """Positions of the nodes from the middle of the box, shape `(*S, D)`."""
    return domain.coordinates() - np.array(domain.extent) / 2


def make_steady_problem(
    name: str,
    settings: Settings,
    data: DataSettings,
    roles: Mapping[str, Role],
    make_step: Callable[[Domain, float, Mapping[str, float]], PdeStep],
    true_values: Callable[[Domain], Mapping[str, np.ndarray]],
) -> Problem:
    """Makes the system of a file of `hyco_jax.pde`.

    Args:
        name: Of the file.
        settings: Its grid.
        data: Its sensors.
        roles: Of its coefficients.
        make_step: As that of `Problem`.
        true_values: Likewise.

    Raises:
        ValueError: If a value is not allowed.
    """
    settings.make_domain(periodic=False)
    if settings.physics_resolution:
        schema.fail(
            "pde.physics_resolution",
            settings.physics_resolution,
            "() with walls at nodes, which another grid would move",
        )
    domain = node_domain(settings.resolution, settings.extent)

    def make(model_domain, dt, upper):
        if model_domain != domain:
            raise ValueError(
                f"walls at nodes would be elsewhere on another grid; expected {domain},"
                f" got {model_domain}"
            )
        return make_step(domain, dt, upper)

    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=(Quantity("u"),),
        roles=roles,
        make_step=make,
        true_values=true_values,
        is_steady=True,
        spec=make_spec(name, settings, data),
    )


def make_step(domain: Domain, terms: Terms) -> PdeStep:
    """Returns a function that leads from any state to the solution.

    Args:
        domain: From `node_domain`.
        terms: Of the equation.

    Returns:
        `step(values, u)`, which maps the coefficients and any state `(*S, 1)` to the
        solution, `(*S, 1)`.

    Raises:
        ValueError: If the box is periodic; at trace time, if a shape is wrong.
    """
    if domain.periodic:
        raise ValueError(f"{domain} has no walls; expected one of elliptic.node_domain")

    def step(values, u):
        checks.check_state(domain, 1, u)
        for name, value in values.items():
            checks.check_value(name, value, ((), domain.resolution))
        kappa, eta, source = (jnp.asarray(x, u.dtype) for x in terms(values))
        return solve(domain, kappa, eta, source)[..., None]

    return step


def solve(domain: Domain, kappa: Array, eta: Array, source: Array) -> Array:
    """Solves the equation directly.

    Args:
        domain: From `node_domain`.
        kappa: κ > 0 at the nodes, shape `()` or `(*S,)`.
        eta: η >= 0, likewise; what it is on the walls doesn't matter.
        source: f, likewise.

    Returns:
        u at the nodes, shape `(*S,)`; NaN where κ or η have other signs.
    """
    operator, f = make_operator(domain, kappa, eta), _inside(domain, source)
    matrix = jax.vmap(operator)(jnp.eye(f.size, dtype=f.dtype).reshape(-1, *f.shape))
    matrix = lax.stop_gradient(matrix).reshape(f.size, f.size)
    factor = _one_by_one(_factorise)(matrix)

    def solve_factored(_, f):
        return _one_by_one(_back_substitute)(factor, f.ravel()).reshape(f.shape)

    u = lax.custom_linear_solve(operator, f, solve_factored, symmetric=True)
    return jnp.pad(u, 1)


def _factorise(matrix):
    return jax.scipy.linalg.cho_factor(matrix)[0]


def _back_substitute(factor, f):
    return jax.scipy.linalg.cho_solve((factor, False), f)


def _one_by_one(function):
    """A function that `vmap` repeats, on a CPU, in the place of one call of LAPACK.

    Such a call shares a batch out among the threads that XLA runs programs with, and
    waits for them on one of these: as many calls at once as there are threads wait for
    ever (jaxlib 0.10.2, two factorisations of five matrices of 289² on two cores).
    """
    if jax.default_backend() != "cpu":
        return function
    return jax.custom_batching.sequential_vmap(function)


def solve_iteratively(domain: Domain, kappa: Array, eta: Array, source: Array) -> Array:
    """Solves it by conjugate gradients, for many nodes; see `solve`."""
    operator, f = make_operator(domain, kappa, eta), _inside(domain, source)
    u, _ = jax.scipy.sparse.linalg.cg(operator, f, tol=_TOLERANCE)
    return jnp.pad(u, 1)


def make_operator(domain: Domain, kappa: Array, eta: Array) -> Operator:
    """Makes the scheme's linear operator on the nodes between the walls.

    Args:
        domain: From `node_domain`.
        kappa: Shape `()` or `(*S,)`.
        eta: Likewise.

    Returns:
        It maps `(*S - 2)` to `(*S - 2)`.
    """
    faces, inside = [], (slice(1, -1),) * domain.ndim
    kappa = jnp.broadcast_to(kappa, domain.resolution)
    for axis, h in enumerate(domain.dx):
        lines = kappa[(*inside[:axis], slice(None), *inside[axis + 1 :])]
        lower, upper = (
            lax.slice_in_dim(lines, start, stop, axis=axis)
            for start, stop in ((0, -1), (1, None))
        )
        faces.append((lower + upper) / (2 * h**2))
    eta = _inside(domain, eta)

    def operator(u):
        result = eta * u
        for axis, face in enumerate(faces):
            walls = [(int(axis == other),) * 2 for other in range(domain.ndim)]
            flux = face * jnp.diff(jnp.pad(u, walls), axis=axis)
            result = result - jnp.diff(flux, axis=axis)
        return result

    return operator


def _inside(domain, x):
    """What there is at the nodes between the walls."""
    return jnp.broadcast_to(x, domain.resolution)[(slice(1, -1),) * domain.ndim]

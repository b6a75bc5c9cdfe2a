"""Helmholtz's equation with a positive reaction, in a box with walls at 0: steady.

    -∇·(κ∇u) + λ²u = f,    u (*S, 1)

The test of arXiv 2509.14123 (code of StaticHYCO): the diffusivity κ and the screening λ
are unknown, each 1 plus a Gaussian bump, and the source f is known, the one with which
u = sin x sin y solves the equation in [-π, π]² for the true coefficients. The scheme,
of second order, is that of `elliptic.py`.

Good values: extent 2π, 19² nodes, κ and λ in (0, 10).
"""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from hyco_jax.data.observations import Observations
from hyco_jax.grids.domain import Domain
from hyco_jax.models.coefficients import Role
from hyco_jax.pde import elliptic, elliptic_sensors
from hyco_jax.problem import Problem
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {
    "diffusivity": Role(is_positive=True),
    # The equation has its square.
    "screening": Role(is_positive=False),
}

# Of the published test, amplitude and centre of a bump, from the middle of the box.
OFFSET = 1.0
# Of the diffusivity and its amplitude: κ > 0, else the equation is not elliptic. λ may
# be anything.
BOUNDS = (0.0, 20.0)
AMPLITUDES = (-OFFSET, BOUNDS[1] - OFFSET)
TRUE_DIFFUSIVITY = (4.0, (-1.0, -1.0))
TRUE_SCREENING = (1.0, (2.0, 1.0))

Settings = elliptic.Settings


@dataclasses.dataclass(frozen=True)
class DataSettings(elliptic.DataSettings):
    """Where sensors read the solution: by default in (0, π)², as published."""

    region: tuple[tuple[float, float], ...] = ((0.5, 1.0), (0.5, 1.0))


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of both coefficients, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed, or the box is no plane.
    """
    return elliptic.make_steady_problem(
        "helmholtz",
        settings or Settings(),
        data or DataSettings(),
        COEFFICIENTS,
        make_step,
        true_values,
    )


def make_step(domain: Domain, dt: float, upper: Mapping[str, float]) -> PdeStep:
    """Returns a function that leads from any state to the solution.

    Args:
        domain: From `elliptic.node_domain`, a plane.
        dt: Without meaning.
        upper: Likewise; any coefficients are stable.

    Returns:
        `step(values, u)`, which maps `{"diffusivity": κ, "screening": λ}`, each `()` or
        `(*S,)`, and any state to the solution, shape `(*S, 1)`.

    Raises:
        ValueError: If the box is periodic; at trace time, if a shape is wrong.
    """
    del dt, upper
    source = forcing(jnp.asarray(elliptic.from_middle(domain)))

    def terms(values):
        return values["diffusivity"], jnp.square(values["screening"]), source

    return elliptic.make_step(domain, terms)


def observe(problem: Problem, options: DataSettings, key: Array) -> Observations:
    """Reads the exact solution at random places, see `elliptic_sensors.py`."""
    return elliptic_sensors.observe(problem, options, key, solution)


def solution(position: np.ndarray) -> np.ndarray:
    """The exact u = sin x sin y at positions `(..., 2)` from the middle, `(...)`."""
    return np.sin(position[..., 0]) * np.sin(position[..., 1])


def forcing(position: Array) -> Array:
    """f at positions `(..., 2)` from the middle, with the true coefficients, `(...)`.

    -∇·(κ∇u) + λ²u of `solution`.
    """
    (sx, sy), (cx, cy) = (
        jnp.moveaxis(wave(position), -1, 0) for wave in (jnp.sin, jnp.cos)
    )
    amplitude, center = TRUE_DIFFUSIVITY
    kappa = bump(position, amplitude, jnp.array(center))
    away = position - jnp.array(center, position.dtype)
    slope = -2 * away * (kappa - OFFSET)[..., None]
    amplitude, center = TRUE_SCREENING
    eta = bump(position, amplitude, jnp.array(center)) ** 2
    carried = slope[..., 0] * cx * sy + slope[..., 1] * sx * cy
    return (2 * kappa + eta) * sx * sy - carried


def bump(position: Array, amplitude: Array | float, center: Array) -> Array:
    """1 + A exp(-|x - c|²) at positions `(..., 2)`, shape `(...)`."""
    squares = jnp.sum((position - center) ** 2, axis=-1)
    return OFFSET + amplitude * jnp.exp(-squares)


def true_values(domain: Domain) -> dict[str, np.ndarray]:
    """The true coefficients of the published test, each `(*S,)`."""
    return true_at(elliptic.from_middle(domain))


def true_at(position: np.ndarray) -> dict[str, np.ndarray]:
    """The true coefficients at positions `(..., 2)` from the middle, each `(...)`."""
    bumps = {"diffusivity": TRUE_DIFFUSIVITY, "screening": TRUE_SCREENING}
    return {
        name: OFFSET + amplitude * np.exp(-np.sum((position - center) ** 2, axis=-1))
        for name, (amplitude, center) in bumps.items()
    }

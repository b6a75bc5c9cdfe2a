"""Darcy's equation of flow through a porous medium, in a box with walls at 0: steady.

    -∇·(κ∇u) = 1,    u (*S, 1)

The test of arXiv 2509.14123 (code of StaticHYCO) in [-π, π]²: the permeability κ is
unknown, b² + log(1 + exp(s)) with s a series of 3 by 3 sines, see
`expansions.sines_at`. The truth is on 101² nodes. The scheme, of second order, is that
of `elliptic.py`.

Good values: extent 2π, 19² nodes, κ in (0.001, 100).
"""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.data.observations import Observations
from hyco_jax.grids import interpolation
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.precision import float64_on_cpu
from hyco_jax.models import expansions
from hyco_jax.models.coefficients import Role
from hyco_jax.pde import elliptic, elliptic_sensors
from hyco_jax.problem import Problem
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {"permeability": Role(is_positive=True)}

# Of the published test; amplitudes by the number of the wave along x, then y.
TRUE_ROOT = 0.5
TRUE_AMPLITUDES = ((1.0, 2.0, 3.0), (4.0, -1.0, -2.0), (-3.0, -4.0, 5.0))
PERIOD = 8.0
# Far from anything that is sought, so that the equation stays elliptic.
BOUNDS = (1e-3, 100.0)
TRUE_NODES = 101

Settings = elliptic.Settings


@dataclasses.dataclass(frozen=True)
class DataSettings(elliptic.DataSettings):
    """Where sensors read the solution: 50 in all of the box, as published."""

    num_sensors: int = 50


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of a permeability, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed.
    """
    return elliptic.make_steady_problem(
        "darcy",
        settings or Settings(),
        data or DataSettings(),
        COEFFICIENTS,
        make_step,
        true_values,
    )


def make_step(domain: Domain, dt: float, upper: Mapping[str, float]) -> PdeStep:
    """Returns a function that leads from any state to the solution.

    Args:
        domain: From `elliptic.node_domain`.
        dt: Without meaning.
        upper: Likewise; any permeability is stable.

    Returns:
        `step(values, u)`, which maps `{"permeability": κ}`, shape `()` or `(*S,)`, and
        any state to the solution, shape `(*S, 1)`.

    Raises:
        ValueError: If the box is periodic; at trace time, if a shape is wrong.
    """
    del dt, upper
    return elliptic.make_step(domain, lambda values: (values["permeability"], 0.0, 1.0))


def observe(problem: Problem, options: DataSettings, key: Array) -> Observations:
    """Reads the truth at random places, see `elliptic_sensors.py`."""
    return elliptic_sensors.observe(problem, options, key, solution)


def solution(position: np.ndarray) -> np.ndarray:
    """The truth at positions `(P, 2)` from the middle, shape `(P,)`.

    Bilinear between its nodes, as published.
    """
    domain, u = _truth()
    still = np.zeros((len(position), 1))
    points = np.concatenate([still, position + np.array(domain.extent) / 2], axis=1)
    with float64_on_cpu():
        found = interpolation.at_points(u[None, ..., None], points, domain, 1.0)
        return np.asarray(found[:, 0])


def true_values(domain: Domain) -> dict[str, np.ndarray]:
    """The true permeability of the published test, `(*S,)`."""
    return true_at(elliptic.from_middle(domain))


def true_at(position: np.ndarray) -> dict[str, np.ndarray]:
    """The true permeability at positions `(..., 2)` from the middle, `(...)`."""
    with float64_on_cpu():
        raw = {"root": jnp.array(TRUE_ROOT), "amplitudes": jnp.array(TRUE_AMPLITUDES)}
        found = expansions.sines_at(jnp.asarray(position), raw, PERIOD)
        return {"permeability": np.asarray(found)}


@functools.cache
def _truth() -> tuple[Domain, np.ndarray]:
    """The grid of the truth, and the solution there, `(*S,)` in float64."""
    settings = Settings((TRUE_NODES,) * 2)
    domain = elliptic.node_domain(settings.resolution, settings.extent)
    kappa = true_values(domain)["permeability"]
    with float64_on_cpu():
        solve = jax.jit(functools.partial(elliptic.solve_iteratively, domain))
        return domain, np.asarray(solve(kappa, 0.0, 1.0))

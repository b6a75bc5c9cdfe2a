"""A whole step of transport and diffusion, second order in time, and its substeps."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.grids.domain import Domain
from hyco_jax.pde.kernels import checks, eulerian, runge_kutta
from hyco_jax.pde.kernels.schemes import Planes
from hyco_jax.problem import GridSettings

Rate = Callable[[Planes], Planes]

EULERIAN = tuple(eulerian.SCHEMES)


@dataclasses.dataclass(frozen=True)
class TransportSettings(GridSettings):
    """The grids, and how transport is computed on them."""

    scheme: str = key(
        "semi_lagrangian",
        "of the transport: semi_lagrangian is first order and stable for every dt, "
        "central second order for smooth states, limited for shocks and edges too",
        rules.choice("semi_lagrangian", *EULERIAN),
    )
    max_speed: float = key(
        0.0,
        "largest speed that may occur, which sets the substeps; 0: that of the "
        "initial states",
        rules.not_negative(),
        when={"scheme": EULERIAN},
    )


class Substeps(NamedTuple):
    """How a step is divided.

    Attributes:
        number: Equal parts of the step.
        num_stages: Of the diffusion in each part, by `runge_kutta.diffuse`; 0 where it
            is no stiffer than the transport and takes the same stages.
    """

    number: int
    num_stages: int


def plan(
    domain: Domain,
    dt: float,
    scheme: eulerian.Advection,
    max_speed: float,
    max_diffusivity: float,
    at_least: int = 1,
) -> Substeps:
    """Finds the fewest substeps that are stable.

    Args:
        domain: The grid.
        dt: Time step.
        scheme: Of the transport.
        max_speed: Largest component of a velocity that can occur.
        max_diffusivity: Largest diffusivity that can occur.
        at_least: Substeps there are to be in any case, for accuracy.

    Raises:
        ValueError: If there would be too many, or a number is not allowed.
    """
    rate = max_speed * sum(1 / h for h in domain.dx) / scheme.max_courant
    cause = f"speeds of up to {max_speed:.3g} on cells of {min(domain.dx):.3g}"
    number = max(at_least, checks.fewest_substeps(dt, rate, cause))
    checks.check_substep_limit(number)
    # How many of Euler's longest steps of the diffusion one of these is.
    ratio = checks.stable_substeps(domain, dt / number, max_diffusivity)
    return Substeps(
        number, 0 if ratio == 1 else runge_kutta.num_diffusion_stages(ratio)
    )


def advance(
    substeps: Substeps, dt: float, transport: Rate, diffusion: Rate, planes: Planes
) -> Planes:
    """Makes a step of length dt, second order.

    Transport takes SSPRK(3, 3). Stiff diffusion is split off, half a step of transport
    before it and half a step after it (Strang), and takes RKL2.

    Args:
        substeps: From `plan`.
        dt: Time step.
        transport: Time derivative by transport, and by forces.
        diffusion: Time derivative by diffusion, linear.
        planes: The state.
    """
    h = dt / substeps.number

    def together(planes):
        both = zip(transport(planes), diffusion(planes), strict=True)
        return tuple(a + b for a, b in both)

    def step(planes):
        if not substeps.num_stages:
            return runge_kutta.ssp3(together, h, planes)
        planes = runge_kutta.ssp3(transport, h / 2, planes)
        planes = runge_kutta.diffuse(diffusion, h, planes, substeps.num_stages)
        return runge_kutta.ssp3(transport, h / 2, planes)

    return runge_kutta.repeat(step, planes, substeps.number)

"""A whole step of transport and diffusion, second order in time, and its substeps."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.grids.domain import Domain
from hyco_jax.pde.kernels import checks, eulerian, runge_kutta
from hyco_jax.pde.kernels.schemes import Planes
from hyco_jax.problem import GridSettings, Speeds
from hyco_jax.types import PdeStep

Rate = Callable[[Planes], Planes]

EULERIAN = tuple(eulerian.SCHEMES)


@dataclasses.dataclass(frozen=True)
class TransportSettings(GridSettings):
    """The grids, and how transport is computed on them."""

    scheme: str = key(
        "semi_lagrangian",
        "scheme of the transport: semi_lagrangian is of first order and stable for "
        "every dt, central of second order for smooth states, limited of second "
        "order for shocks and edges too",
        rules.choice("semi_lagrangian", *EULERIAN),
    )
    max_speed: float = key(
        0.0,
        "largest speed that may occur, which sets the substeps of the truth and of "
        "schemes of second order; 0: that of the initial states, or of the data "
        "where these are faster",
        rules.not_negative(),
    )

    def make_speeds(self, default: float, channels: slice) -> Speeds:
        """Chooses the largest speed that substeps are planned for.

        Args:
            default: Of the initial states, where none is set.
            channels: Of the state that hold the velocity.
        """
        cells = [x / n for x, n in zip(self.extent, self.resolution, strict=True)]
        axes = tuple(range(-1 - len(cells), 0))

        def of(states):
            return abs(states[..., channels]).max(axis=axes)

        # Where nothing moves: a tenth of a cell a step takes no substeps.
        least = 0.1 * min(cells) / self.dt
        return Speeds(
            of,
            float(self.max_speed or max(default, least)),
            self.max_speed > 0,
            self.scheme in EULERIAN,
        )

    def make_solvers(
        self, make_step: Callable[..., PdeStep], speeds: Speeds, **options: Any
    ) -> dict[str, Any]:
        """What of a `Problem` depends on the scheme, as its arguments.

        Args:
            make_step: Of the PDE, with the options `scheme` and `max_speed`.
            speeds: From `make_speeds`.
            options: Others of `make_step`, for the models alone.
        """
        planned = functools.partial(make_step, max_speed=speeds.largest)
        return {
            "make_step": functools.partial(planned, scheme=self.scheme, **options),
            # Stable at shocks, and where flows are smooth the most accurate one too.
            "make_true_step": functools.partial(planned, scheme="limited"),
            "order": 2 if self.scheme in EULERIAN else 1,
            "speeds": speeds,
        }


class Substeps(NamedTuple):
    """How a step is divided.

    Attributes:
        number: Equal parts of the step.
        num_stages: Of each of the two half steps of diffusion in a part, by
            `runge_kutta.diffuse`; 0 where diffusion takes the stages of the transport.
    """

    number: int
    num_stages: int


def plan(
    domain: Domain,
    dt: float,
    scheme: str,
    max_speed: float,
    max_diffusivity: float = 0.0,
    at_least: int = 1,
    may_split: bool = True,
) -> Substeps:
    """Finds the fewest substeps that are stable.

    Args:
        domain: The grid.
        dt: Time step.
        scheme: Of the transport, one of `EULERIAN`.
        max_speed: Largest component of a velocity that can occur.
        max_diffusivity: Largest diffusivity that can occur.
        at_least: Substeps there are to be in any case, for accuracy.
        may_split: Whether stiff diffusion may be split off, else it takes more
            substeps; where a pressure acts at walls, splitting is of first order.

    Raises:
        ValueError: If the scheme is unknown, there would be too many, or a number is
            not allowed.
    """
    if scheme not in EULERIAN:
        raise ValueError(
            f"scheme={scheme!r} must be semi_lagrangian or one of {', '.join(EULERIAN)}"
        )
    checks.check_dt(dt)
    if not 0 < max_speed < math.inf:
        raise ValueError(f"max_speed={max_speed} must be positive and finite")
    rate = (
        max_speed * sum(1 / h for h in domain.dx) / eulerian.SCHEMES[scheme].max_courant
    )
    cause = f"speeds of up to {max_speed:.3g} on cells of {min(domain.dx):.3g}"
    number = max(at_least, checks.fewest_substeps(dt, rate, cause))
    if not may_split:
        number = max(number, checks.stable_substeps(domain, dt, max_diffusivity))
    checks.check_substep_limit(number)
    # How many of Euler's longest steps of the diffusion one of these is.
    ratio = checks.stable_substeps(domain, dt / number, max_diffusivity)
    if ratio == 1:
        return Substeps(number, 0)
    return Substeps(number, runge_kutta.num_diffusion_stages(ratio / 2))


def advance(
    substeps: Substeps,
    dt: float,
    transport: Rate,
    planes: Planes,
    diffusion: Rate | None = None,
    constrain: Rate = lambda planes: planes,
) -> Planes:
    """Makes a step of length dt, second order.

    Transport takes SSPRK(3, 3). Stiff diffusion is split off, half a step of it before
    and half after the transport (Strang), and takes RKL2.

    Args:
        substeps: From `plan`.
        dt: Time step.
        transport: Time derivative by transport, and by forces.
        planes: The state.
        diffusion: Time derivative by diffusion, linear, if there is any.
        constrain: See `runge_kutta.ssp3`.
    """
    h = dt / substeps.number

    def together(planes):
        if diffusion is None:
            return transport(planes)
        both = zip(transport(planes), diffusion(planes), strict=True)
        return tuple(a + b for a, b in both)

    def diffuse(planes):
        return runge_kutta.diffuse(diffusion, h / 2, planes, substeps.num_stages)

    def step(planes):
        if not substeps.num_stages:
            return runge_kutta.ssp3(together, h, planes, constrain)
        planes = runge_kutta.ssp3(transport, h, diffuse(planes), constrain)
        return diffuse(planes)

    return runge_kutta.repeat(step, planes, substeps.number)

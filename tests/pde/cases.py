"""What the tests of `test_contract.py` need to know of a system on a grid."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.models.coefficients import Coefficient
from hyco_jax.types import Array, PdeStep

# Odd and even, since pairs of waves and of cells differ.
RESOLUTIONS = {1: (9,), 2: (6, 7), 3: (4, 5, 3)}

Values = Mapping[str, Any]


class Rest(NamedTuple):
    """A state that stays as it is."""

    values: Values
    u: np.ndarray
    atol: float


class Balance(NamedTuple):
    """A state, and how much its sum over the cells changes in a step, `(C,)`."""

    values: Values
    u: np.ndarray
    change: Any
    atol: float


class Kept(NamedTuple):
    """What a scheme in flux form keeps: channels, and their sums' change in a step."""

    channels: slice
    change: Any


class Gauge(NamedTuple):
    """What may be added to a coefficient without any effect."""

    name: str
    direction: np.ndarray
    atol: float


class Phiflow(NamedTuple):
    """PhiFlow's own step; `slopes` says with respect to what it is differentiated."""

    step: Callable[[Values, Array], Array]
    values: Values
    slopes: tuple[str, ...]
    atol: float


@dataclasses.dataclass(frozen=True)
class Case:
    """A system on a grid. All arrays are float64.

    Attributes:
        make_step: Maps domain, dt and options to a step.
        domain: The grid.
        dt: Time step.
        values: Coefficients.
        u: A state around which the scheme is smooth, its kinks away.
        rough: A random state, which moves less than a cell in a step.
        far: What makes it move further when multiplied by it.
        learnable: Sets of coefficients of which gradients are checked around `u`.
        num_steps: Steps of a rollout.
        h: Step of the central differences.
        rtol: Of the central differences with respect to the coefficients.
        u_rtol: Of those with respect to the state.
        rest: A fixed point, if there is one.
        balance: What is known of the sum over the cells.
        kept: What is known of the sums after a step from `rough` under `values`.
        neutral: Other values, under which the sum over the cells of the step from
            `rough` is the same as under `values`.
        gauge: A change of a coefficient that changes nothing.
        phiflow: The step as PhiFlow makes it.
        name: In the table.
        symmetry: A mirror or the like: maps values and state to those of the image.
    """

    make_step: Callable[..., PdeStep]
    domain: Domain
    dt: float
    values: Values
    u: np.ndarray
    rough: np.ndarray
    learnable: tuple[Mapping[str, Coefficient], ...]
    far: float = 4.0
    num_steps: int = 3
    h: float = 1e-5
    rtol: float = 1e-6
    u_rtol: float = 1e-6
    rest: Rest | None = None
    balance: Balance | None = None
    kept: Kept | None = None
    neutral: Values | None = None
    gauge: Gauge | None = None
    phiflow: Phiflow | None = None
    name: str = ""
    symmetry: Callable[[Values, np.ndarray], tuple[Values, np.ndarray]] | None = None

    def step(self) -> PdeStep:
        return self.make_step(self.domain, self.dt)

    def image(self, values: Values, u: np.ndarray) -> tuple[Values, np.ndarray]:
        """The mirror image, or in a periodic box the translated one."""
        if self.symmetry:
            return self.symmetry(values, u)
        move = functools.partial(translated, self.domain)
        return {name: move(value) for name, value in values.items()}, move(u)


def second_order(case: Case, scheme: str, max_speed: float, **changes: Any) -> Case:
    """The case of a scheme of second order: its steps are short, and not PhiFlow's."""
    options = {"scheme": scheme, "max_speed": max_speed}
    return dataclasses.replace(
        case,
        make_step=functools.partial(case.make_step, **options),
        far=1.0,
        # A limiter has kinks: few stages, and a small move, so that none lies between.
        num_steps=4,
        h=1e-6,
        phiflow=None,
        **changes,
    )


def translated(domain: Domain, x: Any) -> Any:
    """Moves a field of a periodic box by some cells; a number stays."""
    axes = tuple(range(domain.ndim))
    return np.roll(x, (2, 3, 1)[: len(axes)], axes) if np.ndim(x) else x


def reflected(x: Any, component: int | None, is_staggered: bool = False) -> Any:
    """The mirror image along the first axis; a number stays.

    Args:
        x: Shape `(*S,)` or `(*S, C)`.
        component: The channel of the velocity along that axis, if there is one.
        is_staggered: Whether that is at the lower faces.
    """
    if not np.ndim(x):
        return x
    image = np.asarray(x)[::-1].copy()
    if component is not None:
        image[..., component] *= -1
        if is_staggered:
            # The lower face of a cell becomes the upper one, which the next stores.
            image[..., component] = np.roll(image[..., component], 1, axis=0)
    return image

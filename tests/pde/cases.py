"""What the tests of `test_contract.py` need to know of a system on a grid."""

import dataclasses
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
        axes = tuple(range(self.domain.ndim))

        def move(x):
            return np.roll(x, (2, 3, 1)[: len(axes)], axes) if np.ndim(x) else x

        return {name: move(value) for name, value in values.items()}, move(u)

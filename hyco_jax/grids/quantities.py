"""What the channels of a state mean, and which of its entries models predict."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hyco_jax.grids.domain import Domain


class Quantity(NamedTuple):
    """A physical quantity, one or several neighbouring channels of the state.

    Attributes:
        name: Of the quantity, such as "velocity".
        num_components: Its channels.
        is_static: Whether it is known and constant in time: an input of every model,
            never predicted and in no loss.
        is_driven: Whether it is known and changes in time, such as a measured boundary
            temperature: given at every step, never predicted and in no loss. A state
            has what is predicted first, then what is static, then what is driven.
        is_staggered: Whether component i holds values at the lower faces of the cells
            along axis i, else values at the cell centres. In a closed box the faces
            on the lower wall are fixed zeros; those on the upper one are not stored.
    """

    name: str
    num_components: int = 1
    is_static: bool = False
    is_staggered: bool = False
    is_driven: bool = False

    @property
    def is_predicted(self) -> bool:
        """Whether models predict it."""
        return not (self.is_static or self.is_driven)


Quantities = Sequence[Quantity]


def num_channels(quantities: Quantities) -> int:
    """Number C of channels."""
    return sum(q.num_components for q in quantities)


def num_known(quantities: Quantities) -> int:
    """Number of static and driven channels, the last ones of the state."""
    return sum(q.num_components for q in quantities if not q.is_predicted)


def num_driven(quantities: Quantities) -> int:
    """Number G of driven channels, the last ones of the state."""
    return sum(q.num_components for q in quantities if q.is_driven)


def channels(quantities: Quantities) -> dict[str, slice]:
    """The channels of each quantity, by name."""
    slices, start = {}, 0
    for q in quantities:
        slices[q.name] = slice(start, start + q.num_components)
        start += q.num_components
    return slices


def channel_names(quantities: Quantities) -> tuple[str, ...]:
    """Names of the C channels: a quantity's own, with _x, _y, _z for components."""
    return tuple(
        q.name if q.num_components == 1 else f"{q.name}_{axis}"
        for q in quantities
        for axis in _axes(q.num_components)
    )


def _axes(count):
    return "xyz"[:count] if count <= 3 else range(count)


def predicted_entries(quantities: Quantities, domain: Domain) -> np.ndarray:
    """Marks what models predict: all but known channels and faces on a wall.

    Args:
        quantities: Of the state, in the order of `Quantity`.
        domain: The grid.

    Returns:
        Shape `(*S, C)`, bool; each axis of S has length 1 if no entry depends on it.

    Raises:
        ValueError: If the quantities are in another order, one is both static and
            driven, or a staggered one has not one component per axis.
    """
    _check(quantities, domain)
    walls = not domain.periodic and any(q.is_staggered for q in quantities)
    resolution = domain.resolution if walls else (1,) * domain.ndim
    mask = np.ones((*resolution, num_channels(quantities)), bool)
    for q, where in zip(quantities, channels(quantities).values(), strict=True):
        mask[..., where] = q.is_predicted
        if q.is_staggered and not domain.periodic:
            for axis in range(domain.ndim):
                np.moveaxis(mask[..., where.start + axis], axis, 0)[0] = False
    return mask


def _check(quantities, domain):
    order = [q.is_static + 2 * q.is_driven for q in quantities]
    if order != sorted(order) or 3 in order:
        raise ValueError(
            f"quantities={[q.name for q in quantities]} are out of order; put those "
            "that are predicted first, then the static ones, then the driven ones"
        )
    for q in quantities:
        if q.is_staggered and q.num_components != domain.ndim:
            raise ValueError(
                f"the staggered {q.name} has {q.num_components} components, expected "
                f"one for each of the {domain.ndim} axes"
            )

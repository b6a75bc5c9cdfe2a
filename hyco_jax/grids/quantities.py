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
            never predicted and in no loss. Static quantities come last in a state.
        is_staggered: Whether component i holds values at the lower faces of the cells
            along axis i, else values at the cell centres. In a closed box the faces
            on the lower wall are fixed zeros; those on the upper one are not stored.
    """

    name: str
    num_components: int = 1
    is_static: bool = False
    is_staggered: bool = False


Quantities = Sequence[Quantity]


def num_channels(quantities: Quantities) -> int:
    """Number C of channels."""
    return sum(q.num_components for q in quantities)


def num_static(quantities: Quantities) -> int:
    """Number of static channels, the last ones of the state."""
    return sum(q.num_components for q in quantities if q.is_static)


def channels(quantities: Quantities) -> dict[str, slice]:
    """The channels of each quantity, by name."""
    slices, start = {}, 0
    for q in quantities:
        slices[q.name] = slice(start, start + q.num_components)
        start += q.num_components
    return slices


def predicted_entries(quantities: Quantities, domain: Domain) -> np.ndarray:
    """Marks what models predict: all but static channels and faces on a wall.

    Args:
        quantities: Of the state, the static ones last.
        domain: The grid.

    Returns:
        Shape `(*S, C)`, bool; each axis of S has length 1 if no entry depends on it.

    Raises:
        ValueError: If a static quantity is not last, or a staggered one has not one
            component per axis.
    """
    _check(quantities, domain)
    walls = not domain.periodic and any(q.is_staggered for q in quantities)
    resolution = domain.resolution if walls else (1,) * domain.ndim
    mask = np.ones((*resolution, num_channels(quantities)), bool)
    for q, where in zip(quantities, channels(quantities).values(), strict=True):
        mask[..., where] = not q.is_static
        if q.is_staggered and not domain.periodic:
            for axis in range(domain.ndim):
                np.moveaxis(mask[..., where.start + axis], axis, 0)[0] = False
    return mask


def _check(quantities, domain):
    is_static = [q.is_static for q in quantities]
    if is_static != sorted(is_static):
        raise ValueError(
            f"quantities={[q.name for q in quantities]} have a static one before "
            "others; put the static ones last"
        )
    for q in quantities:
        if q.is_staggered and q.num_components != domain.ndim:
            raise ValueError(
                f"the staggered {q.name} has {q.num_components} components, expected "
                f"one for each of the {domain.ndim} axes"
            )

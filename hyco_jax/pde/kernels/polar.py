"""Polar coordinates, for swirls and rings."""

import numpy as np

from hyco_jax.grids.domain import Domain


def about_centre(domain: Domain) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns radius in shortest sides, angle and unit tangent, in x and y.

    Args:
        domain: The grid, 2-D or 3-D.

    Returns:
        Shapes `(*S,)`, `(*S,)` and `(*S, D)`, about the centre of the box, in 3-D about
        its axis along z.

    Raises:
        ValueError: If the domain is 1-D.
    """
    if domain.ndim == 1:
        raise ValueError(
            "a swirl needs a domain of 2 or 3 axes, but this one has 1; give a "
            "velocity of your own"
        )
    x = (domain.coordinates() - np.array(domain.extent) / 2) / min(domain.extent)
    angle = np.arctan2(x[..., 1], x[..., 0])
    tangent = np.zeros_like(x)
    tangent[..., 0], tangent[..., 1] = -np.sin(angle), np.cos(angle)
    return np.hypot(x[..., 0], x[..., 1]), angle, tangent


def taper(r: np.ndarray) -> np.ndarray:
    """Returns (1 - (2r)²)², and 0 where r, in shortest sides of the box, is above 1/2.

    Its slope is 0 at r = 1/2, where a circle about the centre touches the sides.
    """
    return np.clip(1 - 4 * r**2, 0, None) ** 2

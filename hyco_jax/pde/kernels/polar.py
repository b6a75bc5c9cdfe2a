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
    """Returns 1, and from r = 0.4 shortest sides of the box on less, to 0 at 1/2.

    There a circle about the centre touches the sides. Between, with t from 0 to 1, it
    is 1 - (6t⁵ - 15t⁴ + 10t³), twice continuously differentiable.
    """
    t = np.clip((r - 0.4) / 0.1, 0, 1)
    return 1 - t**3 * (10 - 15 * t + 6 * t**2)

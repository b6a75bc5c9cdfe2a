"""What a step needs: a dt that is small enough, the right box, the right shapes."""

import math

import jax.numpy as jnp

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array


def stable_substeps(domain: Domain, dt: float, max_diffusivity: float) -> int:
    """Returns the fewest explicit diffusion substeps that are stable.

    Args:
        domain: The grid.
        dt: Time step.
        max_diffusivity: Largest diffusivity that can occur, length²/time.

    Returns:
        The least n >= 1 with `dt/n <= 1/(2 ν Σᵢ 1/dxᵢ²)`.

    Raises:
        ValueError: If `dt` is not positive or `max_diffusivity` is negative.
    """
    if not (0 < dt < math.inf and 0 <= max_diffusivity < math.inf):
        raise ValueError(
            f"dt={dt} must be positive and max_diffusivity={max_diffusivity} not "
            "negative, both finite"
        )
    number = 2 * dt * max_diffusivity * sum(1 / h**2 for h in domain.dx)
    # The slack keeps a dt that sits on the limit from costing a substep by rounding.
    return max(1, math.ceil(number * (1 - 1e-9)))


def check_substeps(
    substeps: int | None, domain: Domain, dt: float, max_diffusivity: float
) -> int:
    """Returns the given number of substeps, or for None the fewest that are stable.

    Raises:
        ValueError: If the given number is too small.
    """
    needed = stable_substeps(domain, dt, max_diffusivity)
    if substeps is None:
        return needed
    if substeps < needed:
        raise ValueError(
            f"substeps={substeps} is unstable: dt={dt} with a diffusivity of up to "
            f"{max_diffusivity} needs substeps >= {needed}; raise it, leave it None, "
            "or lower dt or the upper bound of the diffusivity"
        )
    return substeps


def check_periodic(domain: Domain) -> None:
    """Raises a ValueError if a box is closed, for schemes of periodic boxes."""
    if not domain.periodic:
        raise ValueError(
            "the domain has walls, but this scheme is for a periodic box; make the "
            "Domain with periodic=True"
        )


def check_state(domain: Domain, num_channels: int, u: Array) -> None:
    """Raises a ValueError unless a state has the shape `(*S, num_channels)`."""
    expected = (*domain.resolution, num_channels)
    if u.shape != expected:
        raise ValueError(
            f"u has shape {u.shape}, expected {expected}; batch with jax.vmap"
        )


def check_value(
    name: str, value: Array | float, allowed: tuple[tuple[int, ...], ...]
) -> None:
    """Raises a ValueError unless a coefficient's value has one of the shapes."""
    if jnp.shape(value) not in allowed:
        shapes = " or ".join(str(shape) for shape in allowed)
        raise ValueError(
            f"{name} has shape {jnp.shape(value)}, expected {shapes}; batch with "
            "jax.vmap"
        )

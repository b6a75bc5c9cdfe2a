"""What a step needs: a dt that is small enough, the right box, the right shapes."""

import math

import jax.numpy as jnp

from hyco_jax.config import rules
from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array

# More would run for minutes a step: a unit is wrong, or the bound of a coefficient.
MAX_SUBSTEPS = 10_000

# Of a setting; 0 stands for as many as are needed.
SUBSTEPS_RULE = rules.integer(0, MAX_SUBSTEPS)


def stable_substeps(domain: Domain, dt: float, max_diffusivity: float) -> int:
    """Returns the fewest explicit diffusion substeps that are stable.

    Args:
        domain: The grid.
        dt: Time step.
        max_diffusivity: Largest diffusivity that can occur, length²/time.

    Returns:
        The least n >= 1 with `dt/n <= 1/(2 ν Σᵢ 1/dxᵢ²)`.

    Raises:
        ValueError: If `dt` is not positive, `max_diffusivity` is negative, or there
            would be more than `MAX_SUBSTEPS`.
    """
    if not (0 < dt < math.inf and 0 <= max_diffusivity < math.inf):
        raise ValueError(
            f"dt={dt} must be positive and max_diffusivity={max_diffusivity} not "
            "negative, both finite"
        )
    # Products and not powers, which raise where they overflow.
    rate = 2 * max_diffusivity * sum((1 / h) * (1 / h) for h in domain.dx)
    cells = " x ".join(f"{h:.3g}" for h in domain.dx)
    cause = f"a diffusivity of up to {max_diffusivity} on cells of {cells}"
    return fewest_substeps(dt, rate, cause)


def check_dt(dt: float) -> None:
    """Raises a ValueError unless a time step is positive and finite."""
    if not 0 < dt < math.inf:
        raise ValueError(f"dt={dt} must be positive and finite")


def fewest_substeps(dt: float, rate: float, cause: str) -> int:
    """Returns the least n >= 1 with `dt/n <= 1/rate`.

    Args:
        dt: Time step.
        rate: One by the longest substep, not negative.
        cause: What limits a substep, in words.

    Raises:
        ValueError: If there would be more than `MAX_SUBSTEPS`.
    """
    # The slack keeps a dt that sits on the limit from costing a substep by rounding.
    number = dt * rate * (1 - 1e-9)
    if not number <= MAX_SUBSTEPS:
        raise ValueError(
            f"dt={dt} with {cause} needs {number:.3g} substeps, expected at most "
            f"{MAX_SUBSTEPS}; lower dt or that upper bound"
        )
    return max(1, math.ceil(number))


def check_substeps(
    substeps: int | None, domain: Domain, dt: float, max_diffusivity: float
) -> int:
    """Returns the given number of substeps, or for None the fewest that are stable.

    Raises:
        ValueError: If the given number is too small, or one is above `MAX_SUBSTEPS`.
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
    check_substep_limit(substeps)
    return substeps


def check_substep_limit(substeps: int) -> None:
    """Raises a ValueError if there are more than `MAX_SUBSTEPS`."""
    if substeps > MAX_SUBSTEPS:
        raise ValueError(
            f"substeps={substeps}, expected at most {MAX_SUBSTEPS}; lower it, or leave "
            "it None for as many as are needed"
        )


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

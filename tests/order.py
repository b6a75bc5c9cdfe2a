"""The order at which an error falls, for tests of convergence."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Convergence(NamedTuple):
    """The observed order, and the errors it was fitted to, coarsest first."""

    order: float
    errors: list[float]


def observe(error: Callable[[int], float], num_levels: int = 3) -> Convergence:
    """Fits the order of an error.

    Args:
        error: Maps a level to the error there; each level halves a step or a cell.
        num_levels: How many levels, from 0 on.
    """
    errors = [float(error(level)) for level in range(num_levels)]
    return of(errors)


def of(errors: list[float]) -> Convergence:
    """Fits the order to errors of steps or cells that are halved each time."""
    slope = np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0]
    return Convergence(-slope, errors)

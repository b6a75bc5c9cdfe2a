"""A player of the cycle on a grid that is coarser than the data's."""

from collections.abc import Callable

import jax

from hyco_jax.hybrid import Player
from hyco_jax.types import Array, Trajectories


def on_coarser_grid(
    player: Player,
    *,
    restrict: Callable[[Array], Array],
    restrict_observed: Callable[[Trajectories], Trajectories],
    prolong: Callable[[Array], Array],
) -> Player:
    """Lets a player live on a grid coarser than the data's.

    Data are restricted to its grid, and its predictions prolonged when they are whole:
    nothing is resampled inside a rollout.

    Args:
        player: A player on the coarse grid.
        restrict: Maps states to its grid.
        restrict_observed: Maps observed trajectories to its grid.
        prolong: Maps its predictions to the data's grid.

    Returns:
        Its functions for the cycle, on the data's grid.
    """

    def generate(params, real, key):
        return jax.tree.map(
            prolong, player.generate(params, restrict_observed(real), key)
        )

    def augment(real, generated, alpha):
        generated = jax.tree.map(restrict, generated)
        return player.augment(restrict_observed(real), generated, alpha)

    def score(params, real):
        return player.score(params, restrict_observed(real))

    return Player(generate, augment, player.train, score)

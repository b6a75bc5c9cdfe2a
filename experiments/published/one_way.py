"""Two-stage and distilled fits: one model teaches the other, and never listens.

Both are composed of the two players of a hybrid: what is missing of its cycle, beside
the way back, is that the listener has no data of its own.
"""

import jax.numpy as jnp

from hyco_jax import hybrid
from hyco_jax.hybrid import Cycle, Player


def make_cycle(listener: str, players: dict[str, Player], alpha: float = 1.0) -> Cycle:
    """Makes a cycle in which a model learns from its partner's predictions alone.

    The partner predicts at fresh ghost points (or from fresh initial states) by the
    parameters that it has now; they stay what they are. The real data have no weight,
    but the listener is still scored on them.

    Args:
        listener: "physical" for the second of two stages, "synthetic" for a
            distillation.
        players: Both, by model.
        alpha: Weight of the predictions in the listener's loss.
    """
    (teacher,) = players.keys() - {listener}

    def augment(real, generated, alpha):
        *known, told = players[listener].augment(real, generated, alpha)
        # On the grid there may be two parts whose targets are real data.
        silent = [p.replace(weights=jnp.zeros_like(p.weights)) for p in known]
        return *silent, told

    pupil = players[listener]._replace(augment=augment)
    return hybrid.make_solo_cycle(
        listener, pupil, teacher=players[teacher], alpha=alpha
    )

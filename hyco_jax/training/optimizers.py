"""The optimisers of both trainers, and their settings."""

import dataclasses

import numpy as np
import optax

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.training import lbfgs

_NEVER_GIVE_UP = np.iinfo(np.int32).max


@dataclasses.dataclass(frozen=True)
class DescentSettings:
    """How the minibatch trainer descends."""

    optimizer: str = key(
        "adam", "the update rule", rules.choice("adam", "adamw", "sgd")
    )
    scheduler: str = key(
        "cosine",
        "the learning rate over the run: constant, or falling to 0",
        rules.choice("constant", "cosine"),
    )
    learning_rate: float = key(3e-3, "the initial learning rate", rules.positive())
    weight_decay: float = key(
        0.0,
        "decoupled for adamw, added to the gradient for the others",
        rules.not_negative(),
    )
    clip_norm: float = key(
        1.0, "largest global norm of a gradient; 0: no limit", rules.not_negative()
    )


def make_descent(
    settings: DescentSettings, num_updates: int
) -> optax.GradientTransformation:
    """Makes an optax optimiser with its learning-rate schedule.

    Args:
        settings: Which one.
        num_updates: Updates of the whole run, over which a cosine falls to 0.

    Returns:
        The optimiser. A gradient that is not finite changes neither the parameters nor
        the optimiser's moments and schedule.
    """
    rate = {
        "constant": lambda: optax.constant_schedule(settings.learning_rate),
        "cosine": lambda: optax.cosine_decay_schedule(
            settings.learning_rate, num_updates
        ),
    }[settings.scheduler]()
    decay = settings.weight_decay
    descent = {
        "adam": lambda: optax.adam(rate),
        "adamw": lambda: optax.adamw(rate, weight_decay=decay),
        "sgd": lambda: optax.sgd(rate),
    }[settings.optimizer]()
    clip = settings.clip_norm
    chain = [optax.clip_by_global_norm(clip)] if clip else []
    if decay and settings.optimizer != "adamw":
        chain.append(optax.add_decayed_weights(decay))
    return optax.apply_if_finite(optax.chain(*chain, descent), _NEVER_GIVE_UP)


def make_full_batch(
    method: str, learning_rate: float
) -> optax.GradientTransformationExtraArgs:
    """Makes the optimiser of a full-batch method; only adam has a learning rate."""
    return {
        "lbfgs": lbfgs.make_optimizer,
        "adam": lambda: optax.with_extra_args_support(optax.adam(learning_rate)),
    }[method]()

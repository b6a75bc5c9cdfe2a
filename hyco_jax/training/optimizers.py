"""The optimisers of both trainers, and their settings."""

import dataclasses

import numpy as np
import optax

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.training import lbfgs

SCHEDULES = ("constant", "cosine", "onecycle")
# Of Adam's moments: 1 would never forget the first gradient.
DECAY = rules.not_negative(0.999999)

_ADAMS = {"optimizer": ("adam", "adamw")}
_NEVER_GIVE_UP = np.iinfo(np.int32).max


@dataclasses.dataclass(frozen=True)
class DescentSettings:
    """How the minibatch trainer descends."""

    optimizer: str = key(
        "adam", "optimiser of the weights", rules.choice("adam", "adamw", "sgd")
    )
    scheduler: str = key(
        "cosine",
        "learning rate over the run: constant, falling to 0 (cosine), or rising "
        "before it falls (onecycle)",
        rules.choice(*SCHEDULES),
    )
    learning_rate: float = key(
        3e-3, "largest learning rate of the run", rules.positive()
    )
    b1: float = key(
        0.9, "decay of the optimiser's mean of gradients", DECAY, when=_ADAMS
    )
    b2: float = key(0.999, "decay of its mean of squared gradients", DECAY, when=_ADAMS)
    weight_decay: float = key(
        0.0,
        "strength of weight decay: decoupled for adamw, added to the gradient for "
        "the others",
        rules.not_negative(),
    )
    clip_norm: float = key(
        1.0,
        "largest global norm of a gradient, to which longer ones are cut; 0: no limit",
        rules.not_negative(),
    )


def make_descent(
    settings: DescentSettings, num_updates: int
) -> optax.GradientTransformation:
    """Makes an optax optimiser with its learning-rate schedule.

    Args:
        settings: Which one.
        num_updates: Updates of the whole run, see `make_schedule`.

    Returns:
        The optimiser. A gradient that is not finite changes neither the parameters nor
        the optimiser's moments and schedule.
    """
    rate = make_schedule(settings.scheduler, settings.learning_rate, num_updates)
    decay, betas = settings.weight_decay, (settings.b1, settings.b2)
    descent = {
        "adam": lambda: optax.adam(rate, *betas),
        "adamw": lambda: optax.adamw(rate, *betas, weight_decay=decay),
        "sgd": lambda: optax.sgd(rate),
    }[settings.optimizer]()
    clip = settings.clip_norm
    chain = [optax.clip_by_global_norm(clip)] if clip else []
    if decay and settings.optimizer != "adamw":
        chain.append(optax.add_decayed_weights(decay))
    return optax.apply_if_finite(optax.chain(*chain, descent), _NEVER_GIVE_UP)


def make_schedule(name: str, learning_rate: float, num_updates: int) -> optax.Schedule:
    """Makes the learning rate as a function of the updates made.

    Args:
        name: "constant"; "cosine", which falls to 0; or "onecycle", which rises from a
            25th along a cosine for 30 % of the run, then falls to a 250,000th (Smith
            and Topin 2019; PyTorch's `OneCycleLR`, whose betas we leave alone).
        learning_rate: The largest one.
        num_updates: Updates of the whole run.
    """
    return {
        "constant": lambda: optax.constant_schedule(learning_rate),
        "cosine": lambda: optax.cosine_decay_schedule(learning_rate, num_updates),
        "onecycle": lambda: optax.cosine_onecycle_schedule(num_updates, learning_rate),
    }[name]()


def make_full_batch(
    method: str,
    learning_rate: float | optax.Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
) -> optax.GradientTransformationExtraArgs:
    """Makes the optimiser of a full-batch method; all but the first are adam's."""
    return {
        "lbfgs": lbfgs.make_optimizer,
        "adam": lambda: optax.with_extra_args_support(
            optax.adam(learning_rate, b1, b2)
        ),
    }[method]()

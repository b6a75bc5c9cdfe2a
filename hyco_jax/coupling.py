"""Rules of the coupling: how strongly a model listens to its partner in a cycle.

A rule is a function of the cycle and of both sides, and gives alpha. What sides have
scored is their loss on real data, on what is held out of the training where something
is, see `hybrid.trust_power`.
"""

from collections.abc import Callable

import jax.numpy as jnp
import optax

from hyco_jax.types import Array, Side

# `(cycle, partner, own)` -> alpha, ().
Rule = Callable[[Array, Side, Side], Array]
# `(partner, own)` -> what multiplies an alpha, from 0 to 1, ().
Factor = Callable[[Side, Side], Array]


def make_rule(alpha: float | optax.Schedule, *factors: Factor) -> Rule:
    """Makes the rule that multiplies an alpha by factors.

    Args:
        alpha: A number, or a function of the cycle.
        *factors: Such as `make_trust(1.0)`; none for a constant alpha.
    """

    def rule(cycle, partner, own):
        result = alpha(cycle) if callable(alpha) else alpha
        for factor in factors:
            result = result * factor(partner, own)
        return result

    return rule


def make_trust(power: float) -> Factor:
    """Makes the trust in a partner that explains the real data worse than the model.

    Such a partner would mislead it.

    Args:
        power: How fast trust falls; 0 for no dependence.

    Returns:
        A function that gives `min(1, own.score / partner.score) ** power`; 0 if the
        partner diverged.
    """

    def trust(partner, own):
        own_score = _or_infinite(own.score)
        ratio = jnp.where(partner.score <= own_score, 1.0, own_score / partner.score)
        return jnp.where(jnp.isfinite(partner.score), ratio**power, 0.0)

    return trust


def make_need(power: float) -> Factor:
    """Makes the need of a partner that explains the real data better than the model.

    A model that does better itself, and one that has not been trained yet and may need
    nobody, does not listen.

    Args:
        power: How fast need falls; 0 for no dependence.

    Returns:
        A function that gives `clip(own.score / partner.score - 1, 0, 1) ** power`; 0 if
        the partner diverged.
    """

    def need(partner, own):
        own_score = _or_infinite(own.score)
        excess = jnp.where(own_score > partner.score, own_score / partner.score - 1, 0)
        found = jnp.where(own.train.step == 0, 0.0, jnp.clip(excess, 0.0, 1.0))
        return jnp.where(jnp.isfinite(partner.score), found**power, 0.0)

    return need


def _or_infinite(score):
    return jnp.where(jnp.isfinite(score), score, jnp.inf)

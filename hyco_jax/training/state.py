"""The state of a trainer, fresh from a model's parameters."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from hyco_jax.types import Array, Params, TrainState


def init(
    variables: Params, learnable: Sequence[str], tx: optax.GradientTransformation
) -> TrainState:
    """Makes the state of a trainer from a model's parameters.

    Args:
        variables: Named parameters, as `Model.init` returns them.
        learnable: The names that the optimiser fits; the others are constants.
        tx: The optimiser.

    Returns:
        A state that owns its buffers, of which no leaf is weakly typed.
    """
    # A weak type would compile the cycle twice, a shared buffer can't be donated.
    variables = jax.tree.map(_own, variables)
    params = {name: variables[name] for name in learnable}
    constants = {k: v for k, v in variables.items() if k not in learnable}
    opt_state = jax.tree.map(_own, tx.init(params))
    return TrainState(jnp.zeros((), jnp.int32), params, opt_state, constants)


def _own(leaf) -> Array:
    """Copies a leaf, strongly typed."""
    return jnp.array(leaf, jnp.asarray(leaf).dtype)

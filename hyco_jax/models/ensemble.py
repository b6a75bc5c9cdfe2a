"""Several networks of one kind as one model, whose spread says how sure it is.

Members differ in their initial weights and batches alone (B. Lakshminarayanan et al.,
2017); the parameters of all lead with an axis of members.
"""

from collections.abc import Collection
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from hyco_jax.types import Array, Model, Params, PredictFn, Query, TrainFn, TrainState


class Ensemble(NamedTuple):
    """The same network several times.

    Attributes:
        model: Its answer is the mean of its members'.
        answers: Answers of all members, which lead with their axis.
        member: A single one.
    """

    model: Model
    answers: PredictFn
    member: Model

    def spread(self, params: Params, query: Query) -> Array:
        """Standard deviation of the members' answers, as that of a sample."""
        return spread(self.answers(params, query))


def ensemble(member: Model, count: int, shared: Collection[str] = ()) -> Ensemble:
    """Makes an ensemble.

    Args:
        member: The model.
        count: Number of members.
        shared: Names of parameters that all members have in common.
    """

    def init(key):
        def own(key):
            params = member.init(key)
            return {name: params[name] for name in params if name not in shared}

        keys = jax.random.split(key, count)
        common = member.init(keys[0])
        common = {name: common[name] for name in common if name in shared}
        return {**jax.vmap(own)(keys), **common}

    def answers(params, query):
        own = {name: value for name, value in params.items() if name not in shared}
        common = {name: value for name, value in params.items() if name in shared}
        return jax.vmap(lambda own: member.predict({**common, **own}, query))(own)

    def predict(params, query):
        return answers(params, query).mean(axis=0)

    return Ensemble(Model(init, predict), answers, member)


def for_members(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """Lets an optimiser begin with a state for each member; it updates a single one."""
    return optax.GradientTransformation(jax.vmap(tx.init), tx.update)


def train_members(train: TrainFn, count: int) -> TrainFn:
    """Makes the trainer of an ensemble of that of a single member.

    All see the same data, each in an order of its own.

    Args:
        train: Of a member.
        count: Number of members.

    Returns:
        The trainer; its metrics are the members' means.
    """
    axes = TrainState(step=None, params=0, opt_state=0, constants=None)

    def train_all(state, data, key):
        keys = jax.random.split(key, count)
        state, metrics = jax.vmap(train, in_axes=(axes, None, 0), out_axes=(axes, 0))(
            state, data, keys
        )
        return state, jax.tree.map(_mean, metrics)

    return train_all


def spread(answers: Array) -> Array:
    """Standard deviation over members `(M, ...)`, as that of a sample."""
    return jnp.std(answers, axis=0, ddof=1)


def _mean(values: Array) -> Array:
    """Over members; the largest of what is counted."""
    if jnp.issubdtype(values.dtype, jnp.integer):
        return values.max(axis=0)
    return values.mean(axis=0)

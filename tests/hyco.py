"""HYCO of any two models on samples, the shortest composition of the parts."""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn

from hyco_jax import hybrid
from hyco_jax.players import samples
from hyco_jax.training import full_batch, minibatch, optimizers, state
from hyco_jax.types import HybridState


class MLP(nn.Module):
    """A tanh network from position and time to one channel."""

    width: int = 32

    @nn.compact
    def __call__(self, position, time, known):
        x = jnp.concatenate([position, time[None], known])
        for _ in range(2):
            x = jnp.tanh(nn.Dense(self.width)(x))
        return nn.Dense(1)(x)


def train(synthetic, physical, real, ask, num_cycles, alphas=(1.0, 1e-3), rate=1e-2):
    """Trains a pair; both trainers, one jitted program of all cycles.

    Args:
        synthetic: A model, trained by minibatches of all samples there are.
        physical: A model, trained by L-BFGS.
        real: Samples.
        ask: Maps a key and the real samples to what the models ask each other.
        num_cycles: Hybrid cycles.
        alphas: Of the synthetic and of the physical loss.
        rate: Learning rate of Adam.

    Returns:
        The parameters of both, and the metrics of every cycle.
    """
    descent = optimizers.DescentSettings(learning_rate=rate, scheduler="constant")
    txs = [optimizers.make_descent(descent, 1), optimizers.make_full_batch("lbfgs", 0)]
    count = jax.eval_shape(ask, jax.random.key(0), real).sim.size
    descend = functools.partial(
        minibatch.train,
        predict=synthetic.predict,
        tx=txs[0],
        num_epochs=20,
        batch_sizes=(real.count, count),
    )

    def fit(train_state, parts, key):
        del key
        options = {"method": "lbfgs", "num_iterations": 20, "abs_tol": 1e-12}
        return full_batch.train(
            train_state, parts, predict=physical.predict, tx=txs[1], **options
        )

    models, trainers = (synthetic, physical), (descend, fit)
    players = [
        samples.make_player(model.predict, trainer, ask)
        for model, trainer in zip(models, trainers, strict=True)
    ]
    cycle = hybrid.make_hybrid_cycle(
        *players, alpha_synthetic=alphas[0], alpha_physical=alphas[1]
    )

    @jax.jit
    def run(key, real):
        sides = []
        for model, player, tx in zip(models, players, txs, strict=True):
            params = model.init(key)
            names = [name for name in params if name != "record"]
            train_state = state.init(params, names, tx)
            sides.append(hybrid.init_side(player, train_state, real))
        start = HybridState(jnp.zeros((), jnp.int32), key, *sides)
        return hybrid.repeat(cycle, num_cycles)(start, real)

    final, metrics = run(jax.random.key(0), real)
    return final.synthetic.best_variables, final.physical.best, metrics

"""Two models that learn together, with a cycle that can spoil what they generate."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp

from hyco_jax import hybrid
from hyco_jax.data import record as records
from hyco_jax.players import windowed as players
from hyco_jax.training import minibatch as synthetic
from hyco_jax.types import HybridState

SYNTHETIC = players.SyntheticSettings(
    horizon=1,
    generated_horizon=2,
    num_epochs=2,
    batch_size=7,
    num_real=3,
    num_generated=2,
    num_predict_steps=3,
)
PHYSICAL = players.PhysicalSettings(
    method="lbfgs",
    horizon=2,
    window_stride=1,
    window_chunk=0,
    num_iterations=3,
    abs_tol=0.0,
    num_generated=2,
    num_predict_steps=4,
)


def make_state(system, start, seed=0):
    """The state before the first cycle."""
    # Two leaves of one buffer can't be donated.
    return jax.tree.map(jnp.copy, system.init(start, jax.random.key(seed)))


def make_system(
    real, steps, tx, sample_u0, synthetic_settings=SYNTHETIC, physical_settings=PHYSICAL
):
    """Both players and a compiled cycle that can spoil what is generated."""
    record = records.make_record(real)
    synthetic_player = players.make_synthetic_player(
        record,
        synthetic_settings,
        step=steps["synthetic"],
        tx=tx["synthetic"],
        sample_u0=sample_u0,
        partner=physical_settings,
    )
    physical_player = players.make_physical_player(
        record,
        physical_settings,
        step=steps["physical"],
        tx=tx["physical"],
        sample_u0=sample_u0,
        partner=synthetic_settings,
    )

    @functools.partial(jax.jit, donate_argnums=0)
    def cycle(state, real, alpha, factor, trust_power):
        def spoiled(player):
            def generate(params, real, key):
                generated = player.generate(params, real, key)
                return jax.tree.map(lambda u: factor * u, generated)

            return player._replace(generate=generate)

        return hybrid.make_hybrid_cycle(
            spoiled(synthetic_player),
            spoiled(physical_player),
            alpha_synthetic=alpha,
            alpha_physical=alpha,
            trust_power=trust_power,
        )(state, real)

    both = {"synthetic": synthetic_player, "physical": physical_player}

    @jax.jit
    def init(start, key):
        sides = {
            name: hybrid.init_side(
                player, synthetic.init(start[name], list(start[name]), tx[name]), real
            )
            for name, player in both.items()
        }
        return HybridState(jnp.zeros((), jnp.int32), key, **sides)

    return SimpleNamespace(
        real=real, tx=tx, init=init, cycle=cycle, record=record, players=both
    )


def run(
    system,
    start,
    num_cycles=1,
    alpha=1.0,
    factor=1.0,
    seed=0,
    real=None,
    trust_power=0.0,
):
    state = make_state(system, start, seed)
    real = system.real if real is None else real
    for _ in range(num_cycles):
        state, metrics = system.cycle(state, real, alpha, factor, trust_power)
    return state, metrics

"""Two models that learn together, with a cycle that can spoil what they generate."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp

from hyco_jax import coupling, hybrid
from hyco_jax.data import record as records
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.grids.resampling import Resampling
from hyco_jax.players import physical as physical_players
from hyco_jax.players import synthetic as synthetic_players
from hyco_jax.players.physical import PhysicalSettings
from hyco_jax.players.synthetic import SyntheticSettings
from hyco_jax.players.windows import Exchange
from hyco_jax.training.state import init as init_train_state
from hyco_jax.types import HybridState
from tests import toy

SYNTHETIC = SyntheticSettings(
    generated_horizon=2, num_epochs=2, batch_size=7, num_real=3
)
PHYSICAL = PhysicalSettings(
    horizon=2, generated_horizon=2, num_iterations=3, abs_tol=0.0
)
FOR_SYNTHETIC, FOR_PHYSICAL = Exchange(2, 3), Exchange(2, 4)
DOMAIN = Domain((8,), (8.0,))
SAME_GRID = Resampling(DOMAIN, DOMAIN, (Quantity("u"),))


def make_players(
    real,
    predicts,
    txs,
    sample_u0=toy.sample_u0,
    horizon=1,
    synthetic=SYNTHETIC,
    physical=PHYSICAL,
    exchanges=(FOR_SYNTHETIC, FOR_PHYSICAL),
    record=None,
    visits=0.0,
    by_simulation=False,
):
    """Both players of `record.Real`, by name."""
    record = record or records.make_record(real.training)
    scored = record.of(real.scored)
    for_synthetic, for_physical = exchanges
    return {
        "synthetic": synthetic_players.make_player(
            record,
            scored,
            synthetic,
            horizon,
            predict=predicts["synthetic"],
            tx=txs["synthetic"],
            sample_u0=sample_u0,
            gives=for_physical,
            receives=for_synthetic,
            visits=visits,
            by_simulation=by_simulation,
        ),
        "physical": physical_players.make_player(
            record,
            scored,
            physical,
            fitted=predicts["physical"],
            predict=predicts["physical"],
            resampling=SAME_GRID,
            tx=txs["physical"],
            sample_u0=sample_u0,
            gives=for_synthetic,
            receives=for_physical,
            visits=visits,
            by_simulation=by_simulation,
        ),
    }


def make_system(observed, predicts, txs, hold_out=False, **options):
    """Both players and a compiled cycle that can spoil what is generated."""
    real = records.make_real(observed, hold_out)
    players = make_players(real, predicts, txs, **options)

    def make_cycle(alpha, factor, trust_power):
        def spoiled(player):
            def generate(params, real, key):
                generated = player.generate(params, real, key)
                return jax.tree.map(lambda u: factor * u, generated)

            return player._replace(generate=generate)

        rule = coupling.make_rule(alpha, coupling.make_trust(trust_power))
        return hybrid.make_hybrid_cycle(
            spoiled(players["synthetic"]),
            spoiled(players["physical"]),
            alpha_synthetic=rule,
            alpha_physical=rule,
        )

    @functools.partial(jax.jit, donate_argnums=0)
    def cycle(state, real, alpha, factor, trust_power):
        return make_cycle(alpha, factor, trust_power)(state, real)

    @jax.jit
    def init(start, key):
        sides = {
            name: hybrid.init_side(
                player,
                init_train_state(start[name], list(start[name]), txs[name]),
                real,
            )
            for name, player in players.items()
        }
        return HybridState(jnp.zeros((), jnp.int32), key, **sides)

    return SimpleNamespace(
        real=real,
        txs=txs,
        init=init,
        cycle=cycle,
        make_cycle=make_cycle,
        record=records.make_record(real.training),
        players=players,
    )


def make_state(system, start, seed=0):
    """The state before the first cycle."""
    # Two leaves of one buffer can't be donated.
    return jax.tree.map(jnp.copy, system.init(start, jax.random.key(seed)))


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


def bits(tree):
    """A tree whose PRNG keys are arrays, to be compared bit by bit."""
    return jax.tree.map(
        lambda x: (
            jax.random.key_data(x)
            if jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
            else x
        ),
        tree,
    )

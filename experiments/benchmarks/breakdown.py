"""Where the time of a cycle goes: a profiler trace, and its parts one by one."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from experiments.benchmarks import measure, set_up
from experiments.benchmarks.measure import Call, Sample
from hyco_jax.running import checkpoints
from hyco_jax.scoring import rows
from hyco_jax.types import HybridState


def profile(
    run_set_up: set_up.SetUp, directory: str, repeats: int
) -> dict[str, Sample]:
    """Writes a trace of a steady-state hybrid cycle, and times its parts.

    Args:
        run_set_up: From `set_up.make`.
        directory: Where the trace goes, for XProf, TensorBoard or Perfetto.
        repeats: Rounds.

    Returns:
        Seconds of `cycle, evaluation and saving` in one go, of the parts, each compiled
        alone and run on the same state, and of their sum.
    """
    plan = run_set_up.plan
    stage, real = plan.stages[-1], plan.real
    cycle = stage.calls[-1].run
    start, _ = jax.block_until_ready(cycle(plan.init_state(), real))
    # The cycle donates what it is given.
    copy = jax.tree.map(jnp.copy, start)
    with jax.profiler.trace(directory):
        jax.block_until_ready(cycle(copy, real))

    with tempfile.TemporaryDirectory() as folder:

        def save(state):
            checkpoints.save(Path(folder), 1, state)

        def evaluate(state):
            return rows.score_cycle(run_set_up.judge, stage.name, state)

        def whole():
            state, _ = cycle(jax.tree.map(jnp.copy, start), real)
            evaluate(state)
            save(state)
            return state

        parts = _make_parts(run_set_up, start) | {
            "evaluation": lambda: evaluate(start),
            "saving": lambda: save(start),
        }
        calls = {"cycle, evaluation and saving": whole} | parts
        samples = measure.alternate({k: Call(v) for k, v in calls.items()}, repeats)
    rounds = zip(*(samples[name].values for name in parts), strict=True)
    return samples | {"sum of the parts": Sample(tuple(map(sum, rounds)))}


def _make_parts(run_set_up, start: HybridState) -> dict[str, Callable[[], Any]]:
    """What `hyco_jax.hybrid.make_hybrid_cycle` composes, piece by piece."""
    options, plan = run_set_up.settings.hybrid, run_set_up.plan
    real = plan.real
    synthetic, physical = (plan.players[k] for k in ("synthetic", "physical"))
    _, *keys = jax.random.split(start.key, 5)

    @jax.jit
    def generate(state):
        return (
            physical.generate(state.physical.train.variables, real, keys[0]),
            synthetic.generate(state.synthetic.train.variables, real, keys[2]),
        )

    @jax.jit
    def train_synthetic(state, generated):
        data = synthetic.augment(real, generated, options.alpha_synthetic)
        return synthetic.train(state.synthetic.train, data, keys[1])

    @jax.jit
    def train_physical(state, generated):
        data = physical.augment(real, generated, options.alpha_physical)
        return physical.train(state.physical.train, data, keys[3])

    @jax.jit
    def score(state):
        return (
            synthetic.score(state.synthetic.train.variables, real),
            physical.score(state.physical.train.variables, real),
        )

    for_synthetic, _ = generate(start)
    trained, _ = train_synthetic(start, for_synthetic)
    side = start.synthetic.replace(train=trained)
    _, for_physical = generate(start.replace(synthetic=side))
    return {
        "generation": lambda: generate(start),
        "synthetic updates": lambda: train_synthetic(start, for_synthetic),
        "physical iterations": lambda: train_physical(start, for_physical),
        "scores on the real data": lambda: score(start),
    }

"""Several seeds of one fit, in one program for each kind of cycle.

What differs from seed to seed are arrays: the initial network, the data with their
noise and places, and the random numbers of the run. What is static, as the unit that
losses are measured by, is that of the first seed.
"""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax import calls
from hyco_jax.hybrid import Cycle
from hyco_jax.stages import Prepared
from hyco_jax.types import HybridState, Metrics


class Runs(NamedTuple):
    """A stage of all seeds; every leaf has an axis of seeds in front.

    Attributes:
        state: After the last cycle.
        metrics: Of each call, with an axis of its cycles behind that of the seeds.
        seconds: What all seeds together took, compilation included.
    """

    state: HybridState
    metrics: list[Metrics]
    seconds: float


def run(
    prepared: Sequence[Prepared],
    watch: Callable[[str, HybridState], None] | None = None,
) -> dict[str, Runs]:
    """Runs the stages of a fit for all seeds at once.

    Args:
        prepared: Of each seed: problems, settings and shapes are the same, but for the
            number of readings.
        watch: Called with a stage's name and its state after each call, which the next
            one takes the buffers of; it doesn't count as time.

    Returns:
        The stages by name.

    Raises:
        ValueError: If they differ in more than what can be padded.
    """
    first = prepared[0].plan
    real = stack([each.plan.real for each in prepared])
    # The warm-up of one stage is the whole of another.
    called = dict.fromkeys(call for stage in first.stages for call in stage.calls)
    programs = {call: make_program(call.run.__wrapped__) for call in called}
    result = {}
    for stage in first.stages:
        begin = time.perf_counter()
        state = init_state(prepared)
        before = time.perf_counter() - begin
        runs = train(
            [programs[call] for call in stage.calls],
            state,
            real,
            watch and functools.partial(watch, stage.name),
        )
        result[stage.name] = runs._replace(seconds=before + runs.seconds)
    return result


def init_state(prepared: Sequence[Prepared]) -> HybridState:
    """The state of all seeds before the first cycle of a stage."""
    return stack([each.plan.init_state() for each in prepared])


def make_program(cycle: Cycle) -> Cycle:
    """Makes one program of a cycle of all seeds; it is compiled when it is called."""
    return jax.jit(
        jax.vmap(cycle), donate_argnums=0, compiler_options=calls.compiler_options()
    )


def train(
    programs: Sequence[Cycle],
    state: HybridState,
    real: Any,
    watch: Callable[[HybridState], None] | None = None,
) -> Runs:
    """Calls programs from `make_program` in order.

    Args:
        programs: One may occur more than once.
        state: Of all seeds; donated.
        real: The real data of all seeds.
        watch: Called with the state after each call, see `run`.
    """
    metrics, seconds = [], 0.0
    for program in programs:
        begin = time.perf_counter()
        state, found = program(state, real)
        metrics.append(jax.device_get(found))
        seconds += time.perf_counter() - begin
        if watch is not None:
            watch(state)
    return Runs(state, metrics, seconds)


def stack(trees: Sequence[Any]) -> Any:
    """Stacks trees of one structure, shorter leaves padded with zeros at their ends.

    Of samples, what is padded has the weight 0.

    Raises:
        ValueError: If structures or numbers of axes differ.
    """
    structures = [jax.tree.structure(tree) for tree in trees]
    if any(structure != structures[0] for structure in structures):
        raise ValueError(
            "the seeds differ in more than arrays, expected the same problem, settings "
            f"and kinds of data: {structures[0]} and others"
        )
    return jax.tree.map(_stack, *trees)


def take(tree: Any, index: int) -> Any:
    """One seed of a stacked tree."""
    return jax.tree.map(lambda x: x[index], tree)


def _stack(*leaves):
    shapes = [leaf.shape for leaf in leaves]
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError(
            f"the seeds' arrays have shapes {shapes}, expected the same number of axes"
        )
    if len(set(shapes)) == 1:
        return jnp.stack(leaves)
    longest = np.max(shapes, axis=0)
    return jnp.stack(
        [jnp.pad(leaf, [(0, n) for n in longest - leaf.shape]) for leaf in leaves]
    )

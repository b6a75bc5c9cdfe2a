"""The same fit on another grid, from where it ended on its own.

Where a run ends the gradient of its own fit is not quite 0, by its tolerance and by
what the network wants of it. The gradient of the other fit ends at the same, so that
nothing but the grid moves the minimum.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from hyco_jax import calls, point_stages
from hyco_jax.data.augment import Part
from hyco_jax.data.placement import Placed
from hyco_jax.hybrid import Player
from hyco_jax.players import points
from hyco_jax.stages import Models, Plan
from hyco_jax.training import lbfgs, losses
from hyco_jax.types import Array, Params
from hyco_jax.uncertainty import quasi_newton, solve
from hyco_jax.uncertainty.quasi_newton import Inverse

Loss = Callable[[Params, Sequence[Part]], Array]

_ITERATIONS = 40
# An evaluation of thousands of parameters on the finer grid takes seconds.
_MOST_EVALUATIONS, _MOST_OF_FIELDS = 40, 16
# What float32 resolves of the loss; where less is left to gain, a line search would
# spend all of its evaluations. Of n readings it is a change of chi² by n times that.
_RESOLUTION = 2e-7


class Found(NamedTuple):
    """The end of a fit.

    Attributes:
        params: What was fitted.
        num_evaluations: Of the loss and its gradient on the other grid.
        has_converged: Whether more of them would have changed next to nothing.
    """

    params: Params
    num_evaluations: int
    has_converged: bool


def make_loss(placed: Placed | None, models: Models, plan: Plan, chunk: int) -> Loss:
    """Makes the loss of a fit, a function of all parameters and of the data's parts.

    Args:
        placed: What is trained on, where it is at points.
        models: Both models.
        plan: What was trained with them.
        chunk: Samples in memory at once; 0 for all.
    """
    part_losses = functools.partial(losses.part_losses, chunk=chunk or None)
    if models.own_states is not None:
        unit = point_stages.jump_unit(placed)
        part_losses = points.make_jump_losses(models.own_states, unit)
    penalty = models.physical.penalty

    def loss(params, parts):
        total = part_losses(plan.fitted, params, parts).sum()
        return total if penalty is None else total + penalty(params)

    return loss


def make_refit(
    player: Player, own_loss: Loss, other_loss: Loss
) -> Callable[[Params, Params, Params, Any, Inverse | None], Found | None]:
    """Makes the fit on the other grid, on real data and prior alone.

    Grids that differ by O(h²) have curvatures that do: from the own fit's inverse
    curvature a quasi-Newton method needs few evaluations. Without it there is L-BFGS.

    Args:
        player: Of the physical model.
        own_loss: From `make_loss`.
        other_loss: Likewise, on the other grid.

    Returns:
        A function of the parameters that were fitted, those to start from, the
        constants, the real data and the inverse curvature; it returns None where the
        fit becomes infinite.
    """
    compiled = functools.partial(
        jax.jit, compiler_options=calls.compiler_options(runs_once=True)
    )

    def with_slope(loss):
        def evaluate(params, constants, real):
            parts = player.augment(real, None, 0.0)
            return jax.value_and_grad(lambda p: loss({**constants, **p}, parts))(params)

        return compiled(evaluate)

    own_slope, other_slope = with_slope(own_loss), with_slope(other_loss)
    tx = lbfgs.make_optimizer()

    @compiled
    def search(own, slope, value, start, constants, real):
        parts = player.augment(real, None, 0.0)

        def shifted(params):
            moved = optax.tree.sub(params, own)
            whole = other_loss({**constants, **params}, parts)
            return whole - optax.tree.vdot(slope, moved)

        return lbfgs.minimize(
            shifted,
            start,
            tx.init(start),
            tx,
            num_iterations=_ITERATIONS,
            abs_tol=_RESOLUTION * value,
            carry_memory=False,
        )

    def refit(own, start, constants, real, inverse):
        value, slope = own_slope(own, constants, real)
        if inverse is None:
            found = jax.device_get(search(own, slope, value, start, constants, real))
            if found.status == lbfgs.NON_FINITE:
                return None
            has_converged = found.status != lbfgs.ITERATION_LIMIT
            return Found(found.params, int(found.num_evaluations), has_converged)
        x, unravel = ravel_pytree(start)

        def params(x):
            return unravel(np.asarray(x, np.float32))

        def gradient(x):
            _, other = other_slope(params(x), constants, real)
            found = optax.tree.sub(other, slope)
            return np.asarray(ravel_pytree(found)[0], np.float64)

        begin, tolerance = np.asarray(x, np.float64), _RESOLUTION * float(value)
        is_large = x.size > solve.MOST_DENSE
        most = _MOST_OF_FIELDS if is_large else _MOST_EVALUATIONS
        found = quasi_newton.minimise(gradient, begin, inverse, tolerance, most)
        if found.count == 1 and not found.has_converged:
            return None
        return Found(params(found.x), found.count, found.has_converged)

    return refit

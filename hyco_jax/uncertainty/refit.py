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

Loss = Callable[[Params, Sequence[Part]], Array]
# Maps a gradient `(p,)` of a loss to its inverse curvature times it.
Inverse = Callable[[np.ndarray], np.ndarray]

_ITERATIONS = 40
# What float32 resolves of the loss; where less is left to gain, a line search would
# spend all of its evaluations. Of n readings it is a change of chi² by n times that.
_RESOLUTION = 2e-7
_CHORDS = 12
# Of the first step's gain: what is left moves nothing by more than a tenth of it.
_NEGLIGIBLE = 0.01


class Found(NamedTuple):
    """The end of a fit.

    Attributes:
        params: What was fitted.
        num_evaluations: Of the loss and its gradient on the other grid.
    """

    params: Params
    num_evaluations: int


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

    With the inverse curvature of the own fit the minimum is found by chords: steps of
    Newton with a curvature that stays as it is (C. T. Kelley, Iterative Methods for
    Linear and Nonlinear Equations, 1995, section 5.4). Grids that differ by O(h²)
    have curvatures that do, and each step leaves that much of the distance. Without
    it, or where chords don't converge, L-BFGS goes on.

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
        spent = 0
        if inverse is not None:

            def gradient(params):
                found = optax.tree.sub(other_slope(params, constants, real)[1], slope)
                return np.asarray(ravel_pytree(found)[0], np.float64)

            tolerance = _RESOLUTION * float(value)
            start, spent, has_converged = chords(gradient, start, inverse, tolerance)
            if has_converged:
                return Found(start, spent)
        found = jax.device_get(search(own, slope, value, start, constants, real))
        if found.status == lbfgs.NON_FINITE:
            return None
        return Found(found.params, spent + int(found.num_evaluations))

    return refit


def chords(
    gradient: Callable[[Params], np.ndarray],
    start: Params,
    inverse: Inverse,
    tolerance: float,
) -> tuple[Params, int, bool]:
    """Looks for a zero of a gradient.

    Args:
        gradient: Of a loss, `(p,)` of the parameters.
        start: Where to begin.
        inverse: Of its curvature, about.
        tolerance: A gain of the loss that doesn't count.

    Returns:
        The parameters of the smallest gradient, by the inverse; evaluations; and
        whether the next step would gain next to nothing.
    """
    x, unravel = ravel_pytree(start)
    x = best = np.asarray(x, np.float64)
    gains = []

    def params(x):
        return unravel(np.asarray(x, np.float32))

    for count in range(1, _CHORDS + 1):
        slope = gradient(params(x))
        step = inverse(slope)
        gain = float(slope @ step) / 2
        if not gain < 0.9 * gains[-1] if gains else not np.isfinite(gain):
            return params(best), count, False
        gains.append(gain)
        best, x = x, x - step
        is_less = count > 1 and gain <= _NEGLIGIBLE * gains[0]
        if gain <= tolerance or is_less:
            return params(x), count, True
    return params(best), _CHORDS, False

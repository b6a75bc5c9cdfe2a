"""The full-batch trainer: L-BFGS, or Adam, on all samples at once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from hyco_jax.data.augment import Part
from hyco_jax.training import lbfgs, losses
from hyco_jax.training.forward import Differentiate
from hyco_jax.types import Array, Metrics, Params, PredictFn, TrainState

PartLossesFn = Callable[[PredictFn, Params, Sequence[Part]], Array]


def train(
    state: TrainState,
    data: Sequence[Part],
    *,
    predict: PredictFn,
    tx: optax.GradientTransformationExtraArgs,
    method: str,
    num_iterations: int,
    abs_tol: float,
    keep_best: bool = True,
    carry_memory: bool = False,
    chunk: int | None = None,
    penalty: Callable[[Params], Array] | None = None,
    loss: losses.LossFn = losses.weighted_squares,
    part_losses: PartLossesFn | None = None,
    differentiate: Differentiate = jax.value_and_grad,
) -> tuple[TrainState, Metrics]:
    """Fits the parameters to all samples at once.

    Minimises the mean of the loss over samples, plus a penalty. With weights that
    `augment.augment` has normalised, the loss is in units of the data's variance.

    Args:
        state: Continued; what its optimiser's state holds of the objective's value and
            gradient is evaluated anew, since the data may have changed.
        data: Parts of the data, each a set of samples.
        predict: Of the model.
        tx: The optimiser of the state.
        method: "lbfgs" or "adam".
        num_iterations: Iterations at most, static. Reaching them is no error.
        abs_tol: L-BFGS stops when an iteration lowers the loss by less.
        keep_best: Whether adam's result is the best it visited, else its last.
        carry_memory: Whether L-BFGS keeps the curvature memory of earlier calls.
        chunk: Samples that are held in memory at once; all by default.
        penalty: Maps the model's parameters to a term of the loss.
        loss: Of each sample.
        part_losses: The share of each part in the loss, by default those of
            `losses.part_losses`.
        differentiate: Makes the loss's value and gradient: backward, or along each of a
            few parameters, see `training.forward`.

    Returns:
        The state with the parameters found, and metrics: `losses (L + 1,)`,
        `grad_norms (L + 1,)`, `final_loss`, `best_loss`, `part_losses` (at the
        result, one per part), `count` (iterations of this call), `evaluations`,
        `status` (index into `lbfgs.STATUS`).
    """

    def terms(params):
        variables = {**state.constants, **params}
        if part_losses is not None:
            return part_losses(predict, variables, data)
        return losses.part_losses(predict, variables, data, loss, chunk)

    def with_terms(params):
        shares = terms(params)
        if penalty is None:
            return shares.sum(), shares
        return shares.sum() + penalty({**state.constants, **params}), shares

    def objective(params):
        return with_terms(params)[0]

    if method == "lbfgs":
        result = lbfgs.minimize(
            objective,
            state.params,
            state.opt_state,
            tx,
            num_iterations=num_iterations,
            abs_tol=abs_tol,
            carry_memory=carry_memory,
            differentiate=differentiate,
        )
        shares = terms(result.params)
    else:
        result, last = _descend(
            *(with_terms, differentiate, state.params, state.opt_state),
            *(tx, num_iterations, keep_best),
        )
        # Of the last parameters they were computed with the loss.
        shares = jax.lax.cond(
            last.is_result, lambda: last.shares, lambda: terms(result.params)
        )
    metrics = {
        "losses": result.losses,
        "grad_norms": result.grad_norms,
        "final_loss": result.losses[-1],
        "best_loss": jnp.nanmin(result.losses),
        "part_losses": shares,
        "count": result.num_iterations,
        "evaluations": result.num_evaluations,
        "status": result.status,
    }
    new_state = state.replace(
        step=state.step + result.num_iterations,
        params=result.params,
        opt_state=result.opt_state,
    )
    return new_state, metrics


class _Last(NamedTuple):
    """The last parameters that were visited: if they are the result, their losses."""

    is_result: Array
    shares: Array


def _descend(
    with_terms, differentiate, params, opt_state, tx, num_iterations, keep_best
) -> tuple[lbfgs.Result, _Last]:
    """Makes first-order updates; keeps the best parameters visited and their state.

    Moments that belong to other parameters would pull the next call elsewhere.
    """

    def objective(params):
        return with_terms(params)[0]

    def update(carry, _):
        params, opt_state, best, healthy = carry
        value, grad = differentiate(objective)(params)
        best = optax.tree.where(value < best[0], (value, params, opt_state), best)
        updates, new_opt_state = tx.update(grad, opt_state, params)
        healthy &= jnp.isfinite(value) & jnp.isfinite(optax.tree.norm(grad))
        params, opt_state = optax.tree.where(
            healthy,
            (optax.apply_updates(params, updates), new_opt_state),
            (params, opt_state),
        )
        return (params, opt_state, best, healthy), (value, optax.tree.norm(grad))

    infinity = jnp.asarray(jnp.inf, jax.tree.leaves(params)[0].dtype)
    start = (params, opt_state, (infinity, params, opt_state), jnp.asarray(True))
    carry, (values, norms) = jax.lax.scan(update, start, length=num_iterations)
    last, opt_state, best, healthy = carry
    value, shares = with_terms(last)
    is_better = value < best[0] if keep_best else jnp.isfinite(value)
    best = optax.tree.where(is_better, (value, last, opt_state), best)
    healthy &= jnp.isfinite(value)
    _, best_params, best_opt_state = best
    status = jnp.where(healthy, lbfgs.ITERATION_LIMIT, lbfgs.NON_FINITE)
    result = lbfgs.Result(
        best_params,
        optax.tree.where(healthy, best_opt_state, tx.init(best_params)),
        status.astype(jnp.int32),
        jnp.asarray(num_iterations, jnp.int32),
        jnp.asarray(num_iterations + 1, jnp.int32),
        jnp.append(values, value),
        jnp.append(norms, norms[-1]),
    )
    return result, _Last(is_better, shares)

"""The physical trainer: L-BFGS on the coefficients of a solver, over all windows."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax

from hyco_jax.data import windows
from hyco_jax.training import lbfgs, losses
from hyco_jax.types import Array, Metrics, Params, StepFn, TrainState, Windows

METHODS = ("lbfgs", "adam")


def make_optimizer(
    method: str, learning_rate: float
) -> optax.GradientTransformationExtraArgs:
    """Makes the optimiser of a method; only adam has a learning rate."""
    return {
        "lbfgs": lbfgs.make_optimizer,
        "adam": lambda: optax.with_extra_args_support(optax.adam(learning_rate)),
    }[method]()


def train(
    state: TrainState,
    data: Sequence[Windows],
    *,
    step: StepFn,
    tx: optax.GradientTransformationExtraArgs,
    method: str,
    num_iterations: int,
    abs_tol: float,
    carry_memory: bool = False,
    window_chunk: int | None = None,
    penalty: Callable[[Params], Array] | None = None,
    observe: Callable[[Array], Array] = losses.identity,
) -> tuple[TrainState, Metrics]:
    """Fits the parameters to all windows at once.

    Minimises the mean over windows of `sum(w r²)`, plus a penalty. With weights that
    `data.augment` has normalised, the loss is in units of the data's variance.

    Args:
        state: Continued; what its optimiser's state holds of the objective's value and
            gradient is evaluated anew, since the data may have changed.
        data: Parts of the data, each a set of windows.
        step: One step of the model.
        tx: The optimiser of the state.
        method: One of `METHODS`.
        num_iterations: Iterations at most, static. Reaching them is no error.
        abs_tol: L-BFGS stops when an iteration lowers the loss by less.
        carry_memory: Whether L-BFGS keeps the curvature memory of earlier calls.
        window_chunk: Windows that are held in memory at once; all by default.
        penalty: Maps the model's parameters to a term of the loss.
        observe: Observation operator.

    Returns:
        The state with the best parameters visited, and metrics: `losses (L + 1,)`,
        `grad_norms (L + 1,)`, `final_loss`, `best_loss`, `part_losses` (at the
        result, one per part), `count` (iterations of this call), `evaluations`,
        `status` (index into `lbfgs.STATUS`).
    """
    loss_parts = make_loss(data, step=step, window_chunk=window_chunk, observe=observe)

    def loss(params):
        variables = {**state.constants, **params}
        value = loss_parts(variables).sum()
        return value if penalty is None else value + penalty(variables)

    if method == "lbfgs":
        result = lbfgs.minimize(
            loss,
            state.params,
            state.opt_state,
            tx,
            num_iterations=num_iterations,
            abs_tol=abs_tol,
            carry_memory=carry_memory,
        )
    else:
        result = _descend(loss, state.params, state.opt_state, tx, num_iterations)
    metrics = {
        "losses": result.losses,
        "grad_norms": result.grad_norms,
        "final_loss": result.losses[-1],
        "best_loss": jnp.nanmin(result.losses),
        "part_losses": loss_parts({**state.constants, **result.params}),
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


def make_loss(
    data: Sequence[Windows],
    *,
    step: StepFn,
    window_chunk: int | None = None,
    observe: Callable[[Array], Array] = losses.identity,
) -> Callable[[Params], Array]:
    """Makes the loss over all windows, one term for each part of the data.

    Args:
        data: P parts, each a set of windows.
        step: One step of the model.
        window_chunk: If there are more windows, a part's loss is a scan over chunks of
            so many, each recomputed in the backward pass, so that memory is a chunk's.
        observe: Observation operator.

    Returns:
        A function of the model's parameters: the share of each part in the mean over
        all windows of `sum(w r²)`, shape `(P,)`.
    """
    sizes = [len(part.sim) for part in data]
    if window_chunk is None or sum(sizes) <= window_chunk:
        batches = [
            windows.gather(part, jnp.arange(size))
            for part, size in zip(data, sizes, strict=True)
        ]
        return lambda params: losses.part_losses(step, params, batches, observe)

    def part_sum(params, part, size):
        num_chunks = math.ceil(size / window_chunk)
        index = jnp.arange(num_chunks * window_chunk).reshape(num_chunks, -1)

        @jax.checkpoint
        def chunk_sum(params, index):
            batch = windows.gather(part, jnp.minimum(index, size - 1))
            fresh = (index < size).reshape(-1, *[1] * (batch.weights.ndim - 1))
            batch = batch.replace(weights=jnp.where(fresh, batch.weights, 0))
            return losses.window_losses(step, params, batch, observe).sum()

        def add(total, index):
            return total + chunk_sum(params, index), None

        zero = jnp.zeros((), part.targets.dtype)
        return jax.lax.scan(add, zero, index)[0]

    return lambda params: (
        jnp.stack(
            [part_sum(params, part, n) for part, n in zip(data, sizes, strict=True)]
        )
        / sum(sizes)
    )


def _descend(loss, params, opt_state, tx, num_iterations) -> lbfgs.Result:
    """Makes first-order updates; keeps the best parameters visited."""

    def update(carry, _):
        params, opt_state, best_params, best, healthy = carry
        value, grad = jax.value_and_grad(loss)(params)
        better = value < best
        best_params = optax.tree.where(better, params, best_params)
        best = jnp.where(better, value, best)
        updates, new_opt_state = tx.update(grad, opt_state, params)
        finite = jnp.isfinite(value) & jnp.isfinite(optax.tree.norm(grad)) & healthy
        params, opt_state = optax.tree.where(
            finite,
            (optax.apply_updates(params, updates), new_opt_state),
            (params, opt_state),
        )
        carry = (params, opt_state, best_params, best, finite)
        return carry, (value, optax.tree.norm(grad))

    infinity = jnp.asarray(jnp.inf, jax.tree.leaves(params)[0].dtype)
    start = (params, opt_state, params, infinity, jnp.asarray(True))
    carry, (values, norms) = jax.lax.scan(update, start, length=num_iterations)
    last, opt_state, best_params, best, healthy = carry
    value = loss(last)
    best_params = optax.tree.where(value < best, last, best_params)
    healthy &= jnp.isfinite(value)
    status = jnp.where(healthy, lbfgs.ITERATION_LIMIT, lbfgs.NON_FINITE)
    return lbfgs.Result(
        best_params,
        optax.tree.where(healthy, opt_state, tx.init(best_params)),
        status.astype(jnp.int32),
        jnp.asarray(num_iterations, jnp.int32),
        jnp.asarray(num_iterations + 1, jnp.int32),
        jnp.append(values, value),
        jnp.append(norms, norms[-1]),
    )

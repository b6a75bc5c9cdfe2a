"""A guarded L-BFGS loop around `optax.lbfgs`, for objectives that change between calls.

optax's state keeps the value, the gradient and the last update of the objective it
last saw. In a hybrid cycle the generated data, and with them the objective, are new in
every call, so these are re-evaluated here; the curvature memory is carried on or
restarted (`carry_memory`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from hyco_jax.types import Array

CONVERGED, ITERATION_LIMIT, LINE_SEARCH_FAILED, NON_FINITE = range(4)
STATUS = ("converged", "iteration limit", "line search failed", "non-finite")

_MAX_LINESEARCH_STEPS = 20


class Result(NamedTuple):
    """What `minimize` found.

    Attributes:
        params: The best parameters visited.
        opt_state: State for the next call.
        status: Index into `STATUS`, () int32.
        num_iterations: Accepted iterations, () int32.
        num_evaluations: Evaluations of value and gradient, () int32.
        losses: Loss at the start and after each iteration, shape `(limit + 1,)`; the
            last value repeats after a stop.
        grad_norms: Gradient norms at the same points.
    """

    params: optax.Params
    opt_state: optax.OptState
    status: Array
    num_iterations: Array
    num_evaluations: Array
    losses: Array
    grad_norms: Array


class _Carry(NamedTuple):
    params: optax.Params
    opt_state: optax.OptState
    value: Array
    grad: optax.Params
    status: Array
    num_iterations: Array
    num_evaluations: Array
    losses: Array
    grad_norms: Array


def make_optimizer(memory_size: int = 10) -> optax.GradientTransformationExtraArgs:
    """Makes optax's L-BFGS with its zoom line search (strong Wolfe conditions)."""
    linesearch = optax.scale_by_zoom_linesearch(
        _MAX_LINESEARCH_STEPS, initial_guess_strategy="one"
    )
    return optax.lbfgs(memory_size=memory_size, linesearch=linesearch)


def minimize(
    loss: Callable[[optax.Params], Array],
    params: optax.Params,
    opt_state: optax.OptState,
    tx: optax.GradientTransformationExtraArgs,
    *,
    num_iterations: int,
    abs_tol: float,
    carry_memory: bool,
) -> Result:
    """Minimises a smooth function from `params`.

    Stops when an iteration lowers the loss by less than `abs_tol` (converged), when
    the line search finds no lower value or spends all its evaluations (as it does near
    a minimum in float32), or when a value is not finite. A step that does not lower the
    loss is not taken, and restarts the memory.

    Args:
        loss: The objective of this call, () of the parameters.
        params: Where to start.
        opt_state: State of `tx` from an earlier call or from its init.
        tx: From `make_optimizer`.
        num_iterations: Iterations at most, static.
        abs_tol: Smallest decrease that counts.
        carry_memory: Whether the curvature memory of earlier calls is used.

    Returns:
        The result.
    """
    # Fields of 128² cells have gradient entries of 1e-8: without this factor the first
    # trial step (at most the gradient itself) would take 27 doublings to matter.
    scale = sum(leaf.size for leaf in jax.tree.leaves(params))

    def objective(params):
        return scale * loss(params)

    value_and_grad = jax.value_and_grad(objective)
    fresh = _strong(tx.init(params))
    value, grad = value_and_grad(params)
    if carry_memory:
        start = _refresh(opt_state, fresh, params, grad, value_and_grad)
    else:
        start = fresh
    norm = optax.tree.norm(grad)
    size = num_iterations + 1
    carry = _Carry(
        params,
        start,
        value,
        grad,
        _status(
            (~jnp.isfinite(value) | ~_finite(grad), NON_FINITE), (norm == 0, CONVERGED)
        ),
        jnp.zeros((), jnp.int32),
        jnp.asarray(2 if carry_memory else 1, jnp.int32),
        jnp.full((size,), value),
        jnp.full((size,), norm),
    )

    def proceed(carry):
        return (carry.status == ITERATION_LIMIT) & (
            carry.num_iterations < num_iterations
        )

    def iterate(carry):
        return _iterate(carry, tx, objective, fresh, scale * abs_tol)

    carry = jax.lax.while_loop(proceed, iterate, carry)
    return Result(
        carry.params,
        carry.opt_state,
        carry.status,
        carry.num_iterations,
        carry.num_evaluations,
        carry.losses / scale,
        carry.grad_norms / scale,
    )


def _iterate(carry: _Carry, tx, objective, fresh, abs_tol) -> _Carry:
    updates, opt_state = tx.update(
        carry.grad,
        carry.opt_state,
        carry.params,
        value=carry.value,
        grad=carry.grad,
        value_fn=objective,
    )
    search = opt_state[-1]
    params = optax.apply_updates(carry.params, updates)
    finite = jnp.isfinite(search.value) & _finite((params, search.grad))
    decrease = carry.value - search.value
    accepted = finite & (decrease > 0)
    exhausted = search.info.num_linesearch_steps >= _MAX_LINESEARCH_STEPS
    # After trials of nan or inf alone, the search returns its start.
    blocked = ~accepted & ~jnp.isfinite(search.info.decrease_error)
    status = _status(
        (~finite | blocked, NON_FINITE),
        (~accepted, LINE_SEARCH_FAILED),
        (decrease < abs_tol, CONVERGED),
        (exhausted, LINE_SEARCH_FAILED),
    )
    # A failed search leaves a pair that may violate s·y > 0: never keep it.
    keep_memory = (status == ITERATION_LIMIT) | (status == CONVERGED)

    params, value, grad = optax.tree.where(
        accepted,
        (params, search.value, search.grad),
        (carry.params, carry.value, carry.grad),
    )
    done = carry.num_iterations + accepted
    later = jnp.arange(carry.losses.size) >= done
    return _Carry(
        params,
        optax.tree.where(keep_memory, opt_state, fresh),
        value,
        grad,
        status,
        done,
        # optax counts in int64 under x64.
        carry.num_evaluations + search.info.num_linesearch_steps.astype(jnp.int32),
        jnp.where(later, value, carry.losses),
        jnp.where(later, optax.tree.norm(grad), carry.grad_norms),
    )


def _refresh(opt_state, fresh, params, grad, value_and_grad):
    """Re-evaluates the last curvature pair on the new objective, or restarts."""
    memory, *rest = opt_state
    _, previous_grad = value_and_grad(memory.params)
    s = optax.tree.sub(params, memory.params)
    y = optax.tree.sub(grad, previous_grad)
    curvature = optax.tree.vdot(s, y)
    floor = 1e-6 * optax.tree.norm(s) * optax.tree.norm(y)
    usable = (memory.count > 0) & (curvature > floor) & _finite(previous_grad)
    carried = (memory._replace(updates=previous_grad), *rest)
    return optax.tree.where(usable, carried, fresh)


def _status(*cases: tuple[Array, int]) -> Array:
    """The first status whose condition holds; else the search goes on."""
    conditions, statuses = zip(*cases, strict=True)
    return jnp.select(conditions, statuses, ITERATION_LIMIT).astype(jnp.int32)


def _finite(tree) -> Array:
    return jnp.all(
        jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)])
    )


def _strong(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), tree)

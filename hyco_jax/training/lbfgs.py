"""A guarded L-BFGS loop around `optax.lbfgs`, for objectives that change between calls.

optax's state keeps the gradient and the last update of the objective it last saw. In a
hybrid cycle the generated data, and with them the objective, are new in every call, so
these are re-evaluated here; the curvature memory is carried on or restarted
(`carry_memory`).

The objective is a rollout of a PDE, to trace and to evaluate what costs. So the search
is one loop with one evaluation in its body. With the loop inside `optax.lbfgs`, the
start, the search for an interval and the zoom into it would hold a copy each; and under
`jax.vmap`, which computes both branches of a conditional, each trial would be evaluated
twice, and every member of a batch would wait for the slowest line search.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax._src import linesearch  # steps of a line search have no public name

from hyco_jax.training.forward import Differentiate
from hyco_jax.types import Array

CONVERGED, ITERATION_LIMIT, LINE_SEARCH_FAILED, NON_FINITE = range(4)
STATUS = ("converged", "iteration limit", "line search failed", "non-finite")

_MAX_LINESEARCH_STEPS = 20
_init_search, _step_search, _ = linesearch.zoom_linesearch(_MAX_LINESEARCH_STEPS)


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
    """Of the loop: the last accepted iterate, and the line search that starts there."""

    params: optax.Params
    opt_state: optax.OptState
    value: Array
    grad: optax.Params
    search: linesearch.ZoomLinesearchState
    status: Array
    num_iterations: Array
    num_evaluations: Array
    losses: Array
    grad_norms: Array


def make_optimizer(memory_size: int = 10) -> optax.GradientTransformationExtraArgs:
    """Makes optax's L-BFGS, which maps gradients to directions of descent."""
    return optax.lbfgs(memory_size=memory_size, linesearch=None)


def minimize(
    loss: Callable[[optax.Params], Array],
    params: optax.Params,
    opt_state: optax.OptState,
    tx: optax.GradientTransformationExtraArgs,
    *,
    num_iterations: int,
    abs_tol: float,
    carry_memory: bool,
    differentiate: Differentiate = jax.value_and_grad,
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
        differentiate: Makes the loss's value and gradient.

    Returns:
        The result.
    """
    # Fields of 128² cells have gradient entries of 1e-8: without this factor the first
    # trial step (at most the gradient itself) would take 27 doublings to matter.
    scale = sum(leaf.size for leaf in jax.tree.leaves(params))

    def objective(params):
        return scale * loss(params)

    value_and_grad = differentiate(objective)
    fresh = _strong(tx.init(params))
    if carry_memory:
        # The gradient where the last iteration began, on the new objective.
        previous_grad = value_and_grad(opt_state[0].params)[1]
    num_before = int(carry_memory)
    carry = _before(params, fresh, num_iterations, num_before)

    def is_first(carry):
        return carry.num_evaluations == num_before

    def proceeds(carry):
        goes_on = carry.status == ITERATION_LIMIT
        return is_first(carry) | goes_on & (carry.num_iterations < num_iterations)

    def start(carry, value, grad):
        if carry_memory:
            memory = _refresh(opt_state, fresh, params, grad, previous_grad)
            carry = carry._replace(opt_state=memory)
        return _start(carry, value, grad)

    def evaluate(carry):
        value, grad = value_and_grad(_trial(carry.search))
        first = is_first(carry)
        carry = carry._replace(
            search=_step(carry.search, value, grad),
            num_evaluations=carry.num_evaluations + 1,
        )
        ended = carry.search.done | carry.search.failed
        carry = jax.lax.switch(
            jnp.where(first, 0, jnp.where(ended, 1, 2)),
            (
                lambda carry: start(carry, value, grad),
                lambda carry: _end_iteration(carry, fresh, scale * abs_tol),
                lambda carry: carry,
            ),
            carry,
        )
        return jax.lax.cond(
            (first | ended) & proceeds(carry),
            lambda carry: _begin_iteration(carry, tx),
            lambda carry: carry,
            carry,
        )

    carry = jax.lax.while_loop(proceeds, evaluate, carry)
    return Result(
        carry.params,
        carry.opt_state,
        carry.status,
        carry.num_iterations,
        carry.num_evaluations,
        carry.losses / scale,
        carry.grad_norms / scale,
    )


def _before(params, opt_state, num_iterations, num_evaluations) -> _Carry:
    """The start is not evaluated yet; a step along zeros asks for it."""
    zeros = jax.tree.map(jnp.zeros_like, params)
    zero = jnp.zeros((), jax.tree.leaves(params)[0].dtype)
    curve = jnp.zeros((num_iterations + 1,), zero.dtype)
    return _Carry(
        params,
        opt_state,
        zero,
        zeros,
        _strong(_init_search(zeros, params, value=zero, grad=zeros)),
        jnp.asarray(ITERATION_LIMIT, jnp.int32),
        jnp.zeros((), jnp.int32),
        jnp.asarray(num_evaluations, jnp.int32),
        curve,
        curve,
    )


def _start(carry: _Carry, value, grad) -> _Carry:
    norm = optax.tree.norm(grad)
    status = _status(
        (~jnp.isfinite(value) | ~_finite(grad), NON_FINITE), (norm == 0, CONVERGED)
    )
    return carry._replace(
        value=value,
        grad=grad,
        status=status,
        losses=jnp.full_like(carry.losses, value),
        grad_norms=jnp.full_like(carry.grad_norms, norm),
    )


def _begin_iteration(carry: _Carry, tx) -> _Carry:
    """Chooses a direction."""
    updates, opt_state = tx.update(carry.grad, carry.opt_state, carry.params)
    search = _init_search(updates, carry.params, value=carry.value, grad=carry.grad)
    search = _strong(optax.tree.cast_like(search, carry.search))
    return carry._replace(opt_state=opt_state, search=search)


def _trial(search: linesearch.ZoomLinesearchState) -> optax.Params:
    """The parameters at which a line search wants to know value and gradient."""
    # Whatever the step that asks for them is told, its state names the step size; only
    # a search that fails goes back to another, and this value ends it in success.
    asked = _step(search, -jnp.inf, jax.tree.map(jnp.zeros_like, search.grad))
    return optax.tree.add_scale(search.params, asked.stepsize, search.updates)


def _step(search, value, grad) -> linesearch.ZoomLinesearchState:
    value = jnp.asarray(value, search.value.dtype)
    return _step_search(search, value_and_grad_fn=lambda _: (value, grad), fn_kwargs={})


def _end_iteration(carry: _Carry, fresh, abs_tol) -> _Carry:
    """Takes the step that a line search found, or none."""
    search = carry.search
    params = optax.tree.add_scale(search.params, search.stepsize, search.updates)
    params = optax.tree.cast_like(params, carry.params)
    finite = jnp.isfinite(search.value) & _finite((params, search.grad))
    decrease = carry.value - search.value
    accepted = finite & (decrease > 0)
    exhausted = search.count >= _MAX_LINESEARCH_STEPS
    # After trials of nan or inf alone, the search returns its start.
    blocked = ~accepted & ~jnp.isfinite(search.decrease_error)
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
    return carry._replace(
        params=params,
        opt_state=optax.tree.where(keep_memory, carry.opt_state, fresh),
        value=value,
        grad=grad,
        status=status,
        num_iterations=done,
        losses=jnp.where(later, value, carry.losses),
        grad_norms=jnp.where(later, optax.tree.norm(grad), carry.grad_norms),
    )


def _refresh(opt_state, fresh, params, grad, previous_grad):
    """Puts the last curvature pair on the new objective, or restarts."""
    memory, *rest = opt_state
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

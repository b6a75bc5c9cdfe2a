"""Forward derivatives of solvers whose transposes are written out.

Kernels have `jax.custom_vjp` for speed, which JAX refuses to differentiate forward. The
functions behind are differentiable all the same: here their written-out transposes are
taken off. The transpose of the transpose would do too, but takes twice as long.

A gradient with respect to a few numbers is cheaper forward: a rollout is made once with
a direction for each number beside it, and none of its states is kept.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jax.flatten_util import ravel_pytree

from hyco_jax.types import Array, Params

# Maps a function to one of its value and gradient, as `jax.value_and_grad` does.
Differentiate = Callable[
    [Callable[[Params], Array]], Callable[[Params], tuple[Array, Params]]
]

# Of more numbers the directions cost more than reverse mode does.
MOST_NUMBERS = 20

# What holds such kernels is inlined, or rebuilt around what it holds.
_INLINED = {"jit": "jaxpr", "pjit": "jaxpr", "checkpoint": "jaxpr", "remat2": "jaxpr"}
_REBUILT = ("scan", "while", "cond")


def value_and_grad(
    function: Callable[[Params], Array],
) -> Callable[[Params], tuple[Array, Params]]:
    """As `jax.value_and_grad`, by a derivative along each number of the argument.

    Args:
        function: Maps a pytree of few numbers to a number.
    """

    def both(params):
        flat, unravel = ravel_pytree(params)
        traced = jax.make_jaxpr(lambda x: function(unravel(x)))(flat)

        def along(direction):
            return jax.jvp(lambda x: _evaluate(traced, [x])[0], (flat,), (direction,))

        # The value has no axis of directions, so that it is computed once.
        axes = jnp.eye(flat.size, dtype=flat.dtype)
        value, slopes = jax.vmap(along, out_axes=(None, 0))(axes)
        return value, unravel(slopes)

    return both


def linearise(
    function: Callable[[Array], Array], x: Array
) -> tuple[Array, Callable[[Array], Array], Callable[[Array], Array]]:
    """Values of a function at x, its derivative along a direction, and the transpose.

    Args:
        function: Of one array, to another.
        x: Where.
    """
    values, pull = jax.vjp(function, x)
    traced = jax.make_jaxpr(function)(x)

    def plain(x):
        return _evaluate(traced, [x])[0]

    def backward(change):
        return pull(change)[0]

    try:
        forward = jax.linearize(plain, x)[1]
    except (ValueError, TypeError, NotImplementedError):
        # Of steps that can't be rebuilt, such as a scan of checkpointed kernels.
        _, push = jax.vjp(backward, jnp.zeros_like(values))
        return values, lambda along: push(along)[0], backward
    return values, forward, backward


def _evaluate(closed: ClosedJaxpr, arguments):
    """Evaluates a traced function without any custom transpose."""
    jaxpr = closed.jaxpr
    known = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    known |= dict(zip(jaxpr.invars, arguments, strict=True))
    for step in jaxpr.eqns:
        values = [v.val if isinstance(v, Literal) else known[v] for v in step.invars]
        known |= dict(zip(step.outvars, _apply(step, values), strict=True))
    return [v.val if isinstance(v, Literal) else known[v] for v in jaxpr.outvars]


def _apply(step, values):
    name, params = step.primitive.name, step.params
    inner = _kernel(name, params)
    if inner is not None:
        return _evaluate(inner, values)
    if name in _REBUILT:
        params = {key: _rebuilt(value) for key, value in params.items()}
    bound = step.primitive.get_bind_params(params)
    # Functions stood apart before JAX 0.10.
    functions, params = bound if isinstance(bound, tuple) else ((), bound)
    results = step.primitive.bind(*functions, *values, **params)
    return results if step.primitive.multiple_results else [results]


def _kernel(name, params) -> ClosedJaxpr | None:
    """What a step evaluates, if it is inlined."""
    if name.startswith("custom_vjp_call"):
        return params["call_jaxpr"] if "call_jaxpr" in params else params["fun_jaxpr"]
    if name not in _INLINED:
        return None
    inner = params[_INLINED[name]]
    return ClosedJaxpr(inner, ()) if isinstance(inner, Jaxpr) else inner


def _rebuilt(value):
    if isinstance(value, tuple):
        return tuple(map(_rebuilt, value))
    if not isinstance(value, ClosedJaxpr):
        return value
    shapes = [
        jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type)
        for a in value.in_avals
    ]
    return jax.make_jaxpr(lambda *arguments: _evaluate(value, arguments))(*shapes)

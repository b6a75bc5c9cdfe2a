"""Models without time: the solution of a steady equation, read where it is asked."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from hyco_jax.grids import interpolation
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities
from hyco_jax.types import Array, Model, Params


def steady(
    init: Callable[[Array], Params],
    solve: Callable[[Params, Array], Array],
    domain: Domain,
    quantities: Quantities | None = None,
) -> Model:
    """Makes a model of the solution of a steady equation.

    Args:
        init: Maps a PRNG key to the parameters.
        solve: Maps the parameters and the number of a simulation, () int32, to its
            state `(*S, C)`. Its gradient should be implicit, as that of
            `jnp.linalg.solve`, `jax.lax.custom_linear_solve` and PhiFlow's linear
            solver is: unrolled iterations would all be kept. On a CPU give a dense
            factorisation to `jax.custom_batching.sequential_vmap`: two batches of them
            in one program may wait for each other for ever (jaxlib 0.10.2).
        domain: The grid.
        quantities: Of the state; a single one by default.

    Returns:
        The model: the same answer at every time; at points it interpolates.
    """

    def predict(params, query):
        states = jax.vmap(lambda sim: solve(params, sim))(query.sim)
        if query.points is None:
            shape = (len(states), query.horizon, *states.shape[1:])
            return jnp.broadcast_to(states[:, None], shape)

        def read(u, points):
            at_rest = jnp.stack([u, u])
            return interpolation.at_points(at_rest, points, domain, 1.0, quantities)

        return jax.vmap(read)(states, query.points)

    return Model(init, predict)

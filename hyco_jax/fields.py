"""PhiFlow grids from arrays and back.

Next to `hyco_jax.pde` this is the only module that imports PhiFlow; the others take
`flow` from here, so that the import happens once and leaves JAX's settings alone.
Importing it initialises JAX's backends: choose the platform before.
"""

import jax

from hyco_jax.domain import Domain
from hyco_jax.types import Array

# `phi.jax` turns 64 bit on for the whole process
# (phiml/backend/jax/_jax_backend.py), which would make every new array float64.
_X64 = jax.config.jax_enable_x64
from phi.jax import flow  # noqa: E402

jax.config.update("jax_enable_x64", _X64)

_AXES = ("x", "y", "z")


def to_field(u: Array, domain: Domain) -> flow.Field:
    """Wraps an array as a periodic grid, without copying it.

    Args:
        u: Values at the cell centres, shape `(*S, C)`.
        domain: The grid.

    Returns:
        A `CenteredGrid` with spatial dimensions `x`, `y`, `z` and the channel dimension
        `vector`, whose entries are named after the axes where C is their number.

    Raises:
        ValueError: If the spatial shape is not the domain's resolution.
    """
    if u.ndim != domain.ndim + 1 or u.shape[:-1] != domain.resolution:
        expected = ", ".join(str(n) for n in domain.resolution)
        raise ValueError(
            f"u has shape {u.shape}, expected ({expected}, C); batch with jax.vmap"
        )
    names = _AXES[: domain.ndim]
    components = ",".join(names) if u.shape[-1] == domain.ndim else u.shape[-1]
    values = flow.math.wrap(
        u, flow.spatial(",".join(names)), flow.channel(vector=components)
    )
    box = flow.Box(**dict(zip(names, domain.extent, strict=True)))
    return flow.CenteredGrid(values, flow.extrapolation.PERIODIC, bounds=box)


def to_array(field: flow.Field) -> Array:
    """Returns the values of a centred grid as an array, shape `(*S, C)`."""
    values = field.values
    # `native` casts to PhiML's current precision, 32 bit unless told otherwise.
    with flow.math.precision(values.dtype.precision):
        return values.native([*values.shape.spatial.names, "vector"])

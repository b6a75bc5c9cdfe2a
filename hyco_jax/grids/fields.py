"""PhiFlow grids from arrays and back.

Next to `hyco_jax.pde` this is the only module that imports PhiFlow; the others take
`flow` from here, so that the import happens once and leaves JAX's settings alone.
Importing it initialises JAX's backends: choose the platform before.
"""

import jax
import jax.numpy as jnp
from jax import lax

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array

# `phi.jax` turns 64 bit on for the whole process
# (phiml/backend/jax/_jax_backend.py), which would make every new array float64.
_X64 = jax.config.jax_enable_x64
from phi.jax import flow  # noqa: E402

jax.config.update("jax_enable_x64", _X64)

_AXES = ("x", "y", "z")


def to_field(u: Array, domain: Domain, extrapolation=None) -> flow.Field:
    """Wraps an array as a centred grid, without copying it.

    Args:
        u: Values at the cell centres, shape `(*S, C)`.
        domain: The grid.
        extrapolation: PhiFlow's, in a closed box: `flow.extrapolation.ZERO` for u = 0
            on the walls, `ZERO_GRADIENT` (the default) for no flux through them. In a
            periodic box it is periodic.

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
    return flow.CenteredGrid(
        values, _extrapolation(domain, extrapolation), bounds=_box(domain)
    )


def to_staggered(u: Array, domain: Domain) -> flow.Field:
    """Wraps an array as a staggered grid, a velocity that is zero outside a closed box.

    Args:
        u: Component a of cell i at the lower face of that cell along axis a, shape
            `(*S, D)`. In a closed box index 0 along axis a is the wall, whose values
            are ignored: PhiFlow stores the faces inside the box only.
        domain: The grid, with 2 cells along each axis at least if it is closed.

    Returns:
        A `StaggeredGrid` with spatial dimensions `x`, `y`, `z` and one component for
        each, periodic or with extrapolation zero.

    Raises:
        ValueError: If the shape is not `(*S, D)`, or a closed box has no inner face.
    """
    if u.shape != (*domain.resolution, domain.ndim):
        raise ValueError(
            f"u has shape {u.shape}, expected {(*domain.resolution, domain.ndim)}; "
            "batch with jax.vmap"
        )
    first = 0 if domain.periodic else 1
    if min(domain.resolution) <= first:
        raise ValueError(
            f"resolution={domain.resolution} leaves no face inside a closed box; give "
            "it 2 cells along each axis at least"
        )
    names = _AXES[: domain.ndim]
    components = {
        name: flow.math.wrap(
            lax.slice_in_dim(u[..., axis], first, None, axis=axis),
            flow.spatial(",".join(names)),
        )
        for axis, name in enumerate(names)
    }
    # Stacking casts to PhiML's current precision, as `native` does.
    with flow.math.precision(jnp.finfo(u.dtype).bits):
        return flow.StaggeredGrid(
            flow.math.stack(components, flow.dual("vector")),
            _extrapolation(domain, flow.extrapolation.ZERO),
            bounds=_box(domain),
            **dict(zip(names, domain.resolution, strict=True)),
        )


def to_array(field: flow.Field) -> Array:
    """Returns the values of a centred or staggered grid as an array.

    Returns:
        Shape `(*S, C)`, or `(*S, D)` as in `to_staggered`: with zeros at the faces on
        the lower walls of a closed box.

    Raises:
        ValueError: If a staggered grid stores faces on its walls.
    """
    values = field.values
    # `native` casts to PhiML's current precision, 32 bit unless told otherwise.
    with flow.math.precision(values.dtype.precision):
        if not field.is_staggered:
            return values.native([*values.shape.spatial.names, "vector"])
        names = field.resolution.names
        planes = [
            values[{"~vector": name}].native(list(names), force_expand=True)
            for name in names
        ]
    return jnp.stack(
        [
            _from_the_wall(plane, axis, size)
            for axis, (plane, size) in enumerate(
                zip(planes, field.resolution.sizes, strict=True)
            )
        ],
        axis=-1,
    )


def _from_the_wall(plane, axis, size):
    missing = size - plane.shape[axis]
    if missing not in (0, 1):
        raise ValueError(
            f"the grid stores {plane.shape[axis]} faces for {size} cells along axis "
            f"{axis}, expected {size} in a periodic box or {size - 1} in a closed one; "
            "use extrapolation PERIODIC or ZERO"
        )
    width = [(0, 0)] * plane.ndim
    width[axis] = (missing, 0)
    return jnp.pad(plane, width)


def _extrapolation(domain, closed):
    if domain.periodic:
        return flow.extrapolation.PERIODIC
    return flow.extrapolation.ZERO_GRADIENT if closed is None else closed


def _box(domain):
    names = _AXES[: domain.ndim]
    return flow.Box(**dict(zip(names, domain.extent, strict=True)))

"""Makes a Linen module a synthetic model."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from hyco_jax.grids import quantities as meanings
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities
from hyco_jax.models import stepper
from hyco_jax.types import Array, Model, Params


def as_model(
    module: nn.Module,
    domain: Domain,
    dt: float,
    quantities: Quantities,
    *,
    normalisation: Mapping[str, np.ndarray] | None = None,
    remat: bool = False,
) -> Model:
    """Makes a Linen module a synthetic model, which advances the state one step.

    With a normalisation, `v = (u - mean) / std` is what the module sees and predicts,
    and a residual step is `u + std f(v)`. It is part of the parameters, so that a
    trained model needs no data. What is not predicted (static channels, faces on a
    wall) is kept to the bit.

    Flax is confined to this folder and `models/neural_field.py`: a move to NNX would
    be here.

    Args:
        module: Maps `u (*S, C)`, with G driven channels `(*S, C + G)`, their values at
            the end of the step behind the state, to what is predicted of the next
            state; without mutable state.
        domain: The grid.
        dt: Time step.
        quantities: Of the state.
        normalisation: Statistics of the data, `{"mean": (C,), "std": (C,)}`, that
            `init` puts into the parameters.
        remat: See `stepper.stepper`.

    Returns:
        The model; its parameters are `{"network": parameters of the module}`, and
        beside them "normalisation", constants for the trainer, if there is one.

    Raises:
        ValueError: If `normalisation` is not as above; at trace time, if a shape is
            wrong.
    """
    num_channels = meanings.num_channels(quantities)
    num_driven = meanings.num_driven(quantities)
    known = meanings.num_known(quantities)
    count = num_channels - known
    u_shape = (*domain.resolution, num_channels)
    mask = meanings.predicted_entries(quantities, domain)[..., :count]
    mask = None if mask.all() else mask
    constants = {}
    if normalisation is not None:
        constants["normalisation"] = _checked(normalisation, u_shape)

    @jax.jit
    def init(key: Array) -> Params:
        shape = (*domain.resolution, num_channels + num_driven)
        u = jax.ShapeDtypeStruct(shape, jnp.float32)
        network = module.lazy_init(key, u)["params"]
        return {"network": network, **jax.tree.map(jnp.asarray, constants)}

    def apply(params: Params, u: Array) -> Array:
        out = module.apply({"params": params["network"]}, u)
        expected = (*domain.resolution, count)
        if out.shape != expected:
            raise ValueError(
                f"{type(module).__name__} maps {u.shape} to {out.shape}, expected "
                f"{expected}: the {count} channels that are predicted"
            )
        return out

    def step(params: Params, u: Array, *after: Array) -> Array:
        if u.shape != u_shape:
            raise ValueError(
                f"u has shape {u.shape}, expected {u_shape}; batch with jax.vmap"
            )
        seen, statistics = u, params.get("normalisation")
        if statistics is not None:
            mean, std = statistics["mean"], statistics["std"]
            seen = (u - mean) / std
            after = [(a - mean[-num_driven:]) / std[-num_driven:] for a in after]
        out = apply(params, jnp.concatenate([seen, *after], axis=-1))
        if statistics is not None:
            out = mean[:count] + std[:count] * out
        out = out.astype(u.dtype)
        if mask is not None:
            out = jnp.where(mask, out, u[..., :count])
        return jnp.concatenate([out, u[..., count:]], axis=-1) if known else out

    return stepper.stepper(init, step, domain, dt, quantities, remat)


def _checked(normalisation, u_shape):
    """Returns the statistics as float32 arrays, or raises a ValueError."""
    if set(normalisation) != {"mean", "std"}:
        raise ValueError(
            f"normalisation has {sorted(normalisation)}, expected ['mean', 'std']"
        )
    arrays = {name: np.asarray(a, np.float32) for name, a in normalisation.items()}
    for name, array in arrays.items():
        if array.shape != u_shape[-1:] or not np.isfinite(array).all():
            raise ValueError(
                f"normalisation[{name!r}]={array} has shape {array.shape}, expected "
                f"finite numbers of shape {u_shape[-1:]}"
            )
    if not (arrays["std"] > 0).all():
        raise ValueError(
            f"normalisation['std']={arrays['std']} must be positive; use 1 for a "
            "channel that is constant"
        )
    return arrays

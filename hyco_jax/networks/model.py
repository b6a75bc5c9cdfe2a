"""Makes a Linen module a synthetic model."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from hyco_jax.types import Array, Model, Params


def as_model(
    module: nn.Module,
    u_shape: Sequence[int],
    *,
    predicted: np.ndarray | None = None,
    normalisation: Mapping[str, np.ndarray] | None = None,
) -> Model:
    """Makes a Linen module a synthetic model.

    With a normalisation, `v = (u - mean) / std` is what the module sees and predicts,
    and a residual step is `u + std f(v)`.

    Flax is confined to this folder and `convolution.py`: a move to NNX would be here.

    Args:
        module: Maps `u (*S, C)` to its next state; without mutable state. If it has
            an attribute `static`, the output lacks that many channels, the last ones,
            and a step keeps them.
        u_shape: Shape of `u`.
        predicted: Bools that broadcast to `u_shape`; where False, a step keeps `u` to
            the bit, such as at the walls of a staggered grid.
        normalisation: Statistics of the data, `{"mean": (C,), "std": (C,)}`.

    Returns:
        The model; its parameters are `{"network": parameters of the module}`, and
        beside them "normalisation", constants for the trainer, if there is one.

    Raises:
        ValueError: If `predicted` or `normalisation` is not as above, or a standard
            deviation is not positive.
    """
    u_shape = tuple(u_shape)
    static = getattr(module, "static", 0)
    expected = (*u_shape[:-1], u_shape[-1] - static)
    mask = _predicted(predicted, u_shape, static)
    statistics = None if normalisation is None else _checked(normalisation, u_shape)

    @jax.jit
    def init(key: Array) -> Params:
        u = jax.ShapeDtypeStruct(u_shape, jnp.float32)
        params = {"network": module.lazy_init(key, u)["params"]}
        if statistics is not None:
            params["normalisation"] = jax.tree.map(jnp.asarray, statistics)
        return params

    def apply(params: Params, u: Array) -> Array:
        out = module.apply({"params": params["network"]}, u)
        if out.shape != expected:
            raise ValueError(
                f"{type(module).__name__} maps {u.shape} to {out.shape}, expected "
                f"{expected}: the shape of u without its {static} static channels"
            )
        return out

    def step(params: Params, u: Array) -> Array:
        if u.shape != u_shape:
            raise ValueError(
                f"u has shape {u.shape}, expected {u_shape}; batch with jax.vmap"
            )
        if statistics is None:
            out = apply(params, u)
        else:
            mean, std = (params["normalisation"][name] for name in ("mean", "std"))
            count = expected[-1]
            out = apply(params, (u - mean) / std)
            out = mean[:count] + std[:count] * out
        out = out.astype(u.dtype)
        if static:
            out = jnp.concatenate([out, u[..., -static:]], axis=-1)
        return out if mask is None else jnp.where(mask, out, u)

    return Model(init, step)


def _predicted(predicted, u_shape, static):
    """Returns the mask, or None if it keeps nothing but static channels."""
    if predicted is None:
        return None
    mask = np.asarray(predicted)
    try:
        fits = np.broadcast_shapes(mask.shape, u_shape) == u_shape
    except ValueError:
        fits = False
    if mask.dtype != bool or not fits:
        raise ValueError(
            f"predicted has shape {mask.shape} of {mask.dtype}, expected bools that "
            f"broadcast to {u_shape}"
        )
    whole = np.broadcast_to(mask, u_shape)[..., : u_shape[-1] - static]
    if not whole.any():
        raise ValueError("predicted is False everywhere; expected an entry to predict")
    return None if whole.all() else mask


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

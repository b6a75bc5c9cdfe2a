"""What all networks share: inputs, static channels and the residual output."""

import jax.numpy as jnp
from flax import linen as nn

from hyco_jax.networks import convolution
from hyco_jax.types import Array

ACTIVATIONS = {"gelu": nn.gelu, "relu": nn.relu, "silu": nn.silu, "tanh": jnp.tanh}


class Network(nn.Module):
    """Maps `u (*S, C)` to `u + scale f(u)`, the last `static` channels left out.

    f is zero at the start, so that the network starts as the identity. A subclass
    defines `features`; there is no mutable state such as batch norm.

    Attributes:
        ndim: Number of spatial axes.
        activation: One of `ACTIVATIONS`.
        padding: "CIRCULAR" for periodic domains, or "SAME" for closed ones.
        coordinates: Whether to append coordinates to the input, so that the network
            can represent coefficients that vary in space: sin and cos of 2πx/L of
            each axis, or 2x/L - 1 where the padding is "SAME".
        static: Number of channels that are only inputs, such as a coefficient: the
            last ones of `u`, which the output lacks.
        residual: Whether to predict u + scale f(u), or f(u), which then starts generic.
        scale: Factor of f, such as the size of a typical change over one step.
        learn_scale: Whether the factor is a parameter that starts at `scale`.
        precision: Of convolutions and dense layers, "default", "high" or "highest".
    """

    ndim: int
    activation: str = "relu"
    padding: str = "CIRCULAR"
    coordinates: bool = False
    static: int = 0
    residual: bool = True
    scale: float = 1.0
    learn_scale: bool = False
    precision: str = "default"

    @nn.compact
    def __call__(self, u: Array) -> Array:
        self.check(u.shape[-1 - self.ndim :])
        channels = u.shape[-1] - self.static
        x = u
        if self.coordinates:
            x = with_coordinates(u, self.ndim, self.padding)
        x = self.features(x)
        if not self.residual:
            return self.output(x, channels, nn.initializers.lecun_normal())
        f = self.output(x, channels, nn.initializers.zeros)
        scale = self.scale
        if self.learn_scale:
            init = nn.initializers.constant(self.scale)
            scale = self.param("scale", init, ()).astype(f.dtype)
        return u[..., :channels] + scale * f

    def output(self, x: Array, channels: int, kernel_init) -> Array:
        """Maps features to `(*S, channels)` by a linear layer of this initialiser."""
        return self.conv(x, channels, 1, kernel_init=kernel_init)

    def check(self, u_shape: tuple[int, ...]) -> None:
        """Raises a ValueError if the options don't fit each other or `u_shape`."""
        if self.static >= u_shape[-1]:
            raise ValueError(
                f"static={self.static} of {u_shape[-1]} channels leaves none to "
                f"predict; expected at most {u_shape[-1] - 1}"
            )
        if not self.residual and (self.learn_scale or self.scale != 1.0):
            raise ValueError(
                f"scale={self.scale}, learn_scale={self.learn_scale} are factors of "
                "the residual; set residual=True, or scale=1.0 and learn_scale=False"
            )

    def conv(self, x: Array, features: int, size: int = 3, **kwargs) -> Array:
        kwargs = {"padding": self.padding, "precision": self.precision, **kwargs}
        return convolution.Conv(features, (size,) * self.ndim, **kwargs)(x)

    def dense(self, x: Array, features: int, **kwargs) -> Array:
        precision = convolution.jax_precision(self.precision)
        return nn.Dense(features, precision=precision, **kwargs)(x)

    def activate(self, x: Array) -> Array:
        return ACTIVATIONS[self.activation](x)


def with_coordinates(u: Array, ndim: int, padding: str) -> Array:
    """Appends coordinates of the cell centres.

    Args:
        u: Shape `(..., *S, C)`.
        ndim: Number of spatial axes.
        padding: "CIRCULAR" for sin and cos of 2πx/L of each axis, "SAME" for 2x/L - 1.

    Returns:
        Shape `(..., *S, C + 2 ndim)` or `(..., *S, C + ndim)`.
    """
    grid = u.shape[-1 - ndim : -1]
    length = 2 * jnp.pi if padding == "CIRCULAR" else 2.0
    axes = [length * (jnp.arange(n, dtype=u.dtype) + 0.5) / n for n in grid]
    x = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)
    if padding == "CIRCULAR":
        x = jnp.stack([jnp.sin(x), jnp.cos(x)], axis=-1).reshape(*grid, -1)
    else:
        x = x - 1
    x = jnp.broadcast_to(x, (*u.shape[:-1], x.shape[-1]))
    return jnp.concatenate([u, x], axis=-1)

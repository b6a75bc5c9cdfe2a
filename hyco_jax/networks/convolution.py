"""Convolutions that stay fast inside loops on CPU.

XLA's CPU backend runs `lax.conv` and its gradients through a naive path inside a
`scan` or `while` body, 25 times slower than outside
(https://github.com/jax-ml/jax/issues/12868). On CPU a convolution is therefore one
matrix product: the neighbours along all but the last spatial axis are concatenated on
the channel axis, the product holds one block of columns per offset along the last
axis, and the blocks are shifted and added. GPU and TPU keep XLA's convolution; the
choice is made when the program is lowered.
"""

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax import lax

from hyco_jax.types import Array

PADDINGS = ("CIRCULAR", "SAME")
PRECISIONS = ("default", "high", "highest")


class Conv(nn.Module):
    """A convolution of stride 1 that keeps the resolution, like `flax.linen.Conv`.

    Input `(*S, Cin)` or `(..., *S, Cin)`; the length of `kernel_size` tells the number
    of spatial axes. Parameters have Flax's names and shapes: `kernel`
    `(*kernel_size, Cin, Cout)` and `bias` `(Cout,)`.

    Attributes:
        features: Output channels `Cout`.
        kernel_size: Odd size along each spatial axis, 1 to 3 entries.
        padding: "CIRCULAR", or "SAME" for zeros outside.
        use_bias: Whether to add a bias.
        kernel_init: Initialiser of the kernel.
        precision: Of the products, one of `PRECISIONS`.

    Raises:
        ValueError: If the kernel size, the padding, the precision or the rank of the
            input is not one of these.
    """

    features: int
    kernel_size: tuple[int, ...]
    padding: str = "CIRCULAR"
    use_bias: bool = True
    kernel_init: Callable[..., Array] = nn.initializers.lecun_normal()
    precision: str = "default"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        x, kernel = promote_dtype(x, kernel)
        y = convolve(x, kernel, self.padding, self.precision)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = y + bias.astype(y.dtype)
        return y


def convolve(
    x: Array, kernel: Array, padding: str = "CIRCULAR", precision: str = "default"
) -> Array:
    """Convolves channels-last arrays at stride 1, keeping the resolution.

    Differentiable in reverse mode, once: `jax.grad`, not `jax.jvp`.

    Args:
        x: Shape `(..., *S, Cin)`.
        kernel: Shape `(*k, Cin, Cout)`, one odd size per spatial axis.
        padding: "CIRCULAR", or "SAME" for zeros outside.
        precision: Of the products and those of the gradients, one of `PRECISIONS`;
            "default" is JAX's, which GPU and TPU take as less than float32.

    Returns:
        Shape `(..., *S, Cout)`.

    Raises:
        ValueError: If an argument is not as above.
    """
    sizes = kernel.shape[:-2]
    if padding not in PADDINGS:
        raise ValueError(f"padding={padding!r} is not one of {list(PADDINGS)}")
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} is not one of {list(PRECISIONS)}")
    if not 1 <= len(sizes) <= 3 or not all(k % 2 for k in sizes):
        raise ValueError(f"kernel_size={sizes} must be 1 to 3 odd numbers")
    if x.ndim <= len(sizes):
        raise ValueError(
            f"x has shape {x.shape}, expected {len(sizes)} spatial axes and one of "
            f"channels for kernel_size={sizes}"
        )
    return _convolve(x, kernel, padding, jax_precision(precision))


def jax_precision(precision: str) -> lax.Precision | None:
    """Returns JAX's name of a precision; None obeys `jax.default_matmul_precision`."""
    return None if precision == "default" else lax.Precision(precision)


# Transposing the shifts one by one, as JAX would, costs half as much again and keeps
# the concatenated neighbours alive; this saves x alone.
@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x, kernel, padding, precision):
    options = {"padding": padding, "precision": precision}
    return lax.platform_dependent(
        x,
        kernel,
        cpu=functools.partial(_matmul_convolve, **options),
        default=functools.partial(_lax_convolve, **options),
    )


def _convolve_fwd(x, kernel, padding, precision):
    return _convolve(x, kernel, padding, precision), (x, kernel)


def _convolve_bwd(padding, precision, residuals, g):
    options = {"padding": padding, "precision": precision}
    return lax.platform_dependent(
        *residuals,
        g,
        cpu=functools.partial(_matmul_gradients, **options),
        default=functools.partial(_lax_gradients, **options),
    )


_convolve.defvjp(_convolve_fwd, _convolve_bwd)


def _matmul_convolve(x, kernel, padding, precision=None):
    if kernel.ndim == 3:
        # One axis is gathered like the rows of a grid of width 1.
        y = _matmul_convolve(x[..., None, :], kernel[:, None], padding, precision)
        return y[..., 0, :]
    size, features = kernel.shape[-3], kernel.shape[-1]
    matrix = jnp.moveaxis(kernel, -3, -2).reshape(-1, size * features)
    neighbours = _neighbours(x, kernel.shape[:-3], padding)
    products = jnp.matmul(neighbours, matrix, precision=precision)
    return sum(
        _shift(block, -2, i - size // 2, padding)
        for i, block in enumerate(jnp.split(products, size, axis=-1))
    )


def _matmul_gradients(x, kernel, g, padding, precision=None):
    """Cotangents of `x` and `kernel`."""
    if kernel.ndim == 3:
        dx, dkernel = _matmul_gradients(
            x[..., None, :], kernel[:, None], g[..., None, :], padding, precision
        )
        return dx[..., 0, :], dkernel[:, 0]
    flipped = jnp.flip(kernel, range(kernel.ndim - 2)).swapaxes(-1, -2)
    dx = _matmul_convolve(g, flipped, padding, precision)
    *rows, size, channels, features = kernel.shape
    left = _neighbours(x, rows, padding)
    right = jnp.concatenate(
        [_shift(g, -2, size // 2 - i, padding) for i in range(size)], axis=-1
    )
    axes = tuple(range(x.ndim - 1))
    product = jnp.tensordot(left, right, axes=[axes, axes], precision=precision)
    dkernel = product.reshape(*rows, channels, size, features)
    return dx, jnp.moveaxis(dkernel, -2, -3)


def _neighbours(x, sizes, padding):
    """Concatenates shifts along the leading spatial axes; one axis follows them."""
    columns = []
    for offsets in itertools.product(*(range(-(k // 2), k // 2 + 1) for k in sizes)):
        column = x
        for axis, offset in enumerate(offsets, start=x.ndim - 2 - len(sizes)):
            column = _shift(column, axis, offset, padding)
        columns.append(column)
    return jnp.concatenate(columns, axis=-1)


def _shift(x, axis, offset, padding):
    """Returns `y[i] = x[i + offset]` along an axis, periodic or zero outside."""
    if offset == 0:
        return x
    if padding == "CIRCULAR":
        return jnp.roll(x, -offset, axis)
    widths = [(0, 0, 0)] * x.ndim
    widths[axis] = (-offset, offset, 0)
    return lax.pad(x, jnp.zeros((), x.dtype), widths)


def _lax_convolve(x, kernel, padding, precision=None):
    sizes = kernel.shape[:-2]
    batch, grid = x.shape[: x.ndim - len(sizes) - 1], x.shape[-len(sizes) - 1 :]
    x = x.reshape(-1, *grid)
    widths = [(k // 2, k // 2) for k in sizes]
    if padding == "CIRCULAR":
        x = jnp.pad(x, [(0, 0), *widths, (0, 0)], mode="wrap")
        widths = [(0, 0)] * len(sizes)
    axes = "XYZ"[: len(sizes)]
    y = lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1,) * len(sizes),
        padding=widths,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        precision=precision,
    )
    return y.reshape(*batch, *y.shape[1:])


def _lax_gradients(x, kernel, g, padding, precision=None):
    convolve = functools.partial(_lax_convolve, padding=padding, precision=precision)
    return jax.vjp(convolve, x, kernel)[1](g)

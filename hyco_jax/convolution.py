"""draft"""
import os
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
import math, functools

V = os.environ.get("V", "A")

def shifts(x, axis, k, padding):
    n = x.shape[axis]
    p = (k - 1) // 2
    if os.environ.get("ROLL") and padding == "CIRCULAR":
        return [jnp.roll(x, p - o, axis) if o != p else x for o in range(k)]
    w = [(0, 0)] * x.ndim
    w[axis] = (p, p)
    xp = jnp.pad(x, w, mode="wrap" if padding == "CIRCULAR" else "constant")
    return [lax.slice_in_dim(xp, o, o + n, axis=axis) for o in range(k)]

def im2col(x, kernel, padding):
    nd = kernel.ndim - 2
    cols = [x]
    for a in range(nd):
        cols = [s for c in cols for s in shifts(c, x.ndim - 1 - nd + a, kernel.shape[a], padding)]
    return jnp.concatenate(cols, -1) @ kernel.reshape(-1, kernel.shape[-1])

def convA(x, kernel, padding):
    nd = kernel.ndim - 2
    if math.prod(kernel.shape[:-2]) == 1:
        return x @ kernel.reshape(kernel.shape[-2:])
    if nd == 1:
        return im2col(x, kernel, padding)
    # rows cat, one matmul per column offset, shifted and added
    cat = jnp.concatenate(shifts(x, x.ndim - 1 - nd, kernel.shape[0], padding), -1)
    y = 0
    k = kernel.shape[1]
    p = k // 2
    outs = [cat @ kernel[:, j].reshape(-1, kernel.shape[-1]) for j in range(k)]
    return sum(shifts(o, x.ndim - 2, k, padding)[j] for j, o in enumerate(outs))

def convB(x, kernel, padding):
    """one matmul 3C -> 3C', then shift and add."""
    nd = kernel.ndim - 2
    if math.prod(kernel.shape[:-2]) == 1:
        return x @ kernel.reshape(kernel.shape[-2:])
    if nd == 1:
        return im2col(x, kernel, padding)
    cat = jnp.concatenate(shifts(x, x.ndim - 1 - nd, kernel.shape[0], padding), -1)
    k, n = kernel.shape[1], kernel.shape[-1]
    w = jnp.swapaxes(kernel, 1, 2).reshape(-1, k * n)
    out = cat @ w
    return sum(shifts(out[..., j * n:(j + 1) * n], x.ndim - 2, k, padding)[j] for j in range(k))

def convL(x, kernel, padding):
    nd = kernel.ndim - 2
    p = [(k // 2, k // 2) for k in kernel.shape[:nd]]
    lead = x.ndim - nd - 1
    if padding == "CIRCULAR":
        x = jnp.pad(x, [(0, 0)] * lead + p + [(0, 0)], mode="wrap")
        p = "VALID"
    sp = "XYZ"[:nd]
    xx = x if lead else x[None]
    y = lax.conv_general_dilated(xx, kernel, (1,) * nd, p, dimension_numbers=("N"+sp+"C", sp+"IO", "N"+sp+"C"))
    return y if lead else y[0]

def im2colg(x, kernel, padding): 
    if math.prod(kernel.shape[:-2]) == 1:
        return x @ kernel.reshape(kernel.shape[-2:])
    return im2col(x, kernel, padding)

@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convC(x, kernel, padding):
    return convB(x, kernel, padding)
def c_fwd(x, kernel, padding):
    return convB(x, kernel, padding), (x, kernel)
def flip(kernel):
    nd = kernel.ndim - 2
    return jnp.swapaxes(jnp.flip(kernel, range(nd)), -1, -2)
def c_bwd(padding, res, g):
    x, kernel = res
    nd = kernel.ndim - 2
    dx = BWD(g, flip(kernel), padding)
    ci, co = kernel.shape[-2:]
    if math.prod(kernel.shape[:-2]) == 1:
        dw = (x.reshape(-1, ci).T @ g.reshape(-1, co)).reshape(kernel.shape)
    elif nd == 1:
        cat = jnp.concatenate(shifts(x, x.ndim - 1 - nd, kernel.shape[0], padding), -1)
        dw = (cat.reshape(-1, cat.shape[-1]).T @ g.reshape(-1, co)).reshape(kernel.shape)
    else:
        cat = jnp.concatenate(shifts(x, x.ndim - 1 - nd, kernel.shape[0], padding), -1)
        k = kernel.shape[1]
        gc = jnp.concatenate(shifts(g, g.ndim - 2, k, padding)[::-1], -1)
        dw = cat.reshape(-1, cat.shape[-1]).T @ gc.reshape(-1, gc.shape[-1])
        dw = dw.reshape(kernel.shape[0], ci, k, co).swapaxes(1, 2)
    return dx, dw
convC.defvjp(c_fwd, c_bwd)
BWD = convB

@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convD(x, kernel, padding):
    return convA(x, kernel, padding)
def d_fwd(x, kernel, padding):
    return convA(x, kernel, padding), (x, kernel)
def d_bwd(padding, res, g):
    x, kernel = res
    nd = kernel.ndim - 2
    dx = convA(g, flip(kernel), padding)
    if nd < 2 or math.prod(kernel.shape[:-2]) == 1:
        return dx, c_bwd(padding, res, g)[1]
    ci, co = kernel.shape[-2:]
    cat = jnp.concatenate(shifts(x, x.ndim - 1 - nd, kernel.shape[0], padding), -1)
    k = kernel.shape[1]
    gs = shifts(g, g.ndim - 2, k, padding)[::-1]
    dw = jnp.stack([(cat.reshape(-1, cat.shape[-1]).T @ q.reshape(-1, co)).reshape(kernel.shape[0], ci, co) for q in gs], 1)
    return dx, dw
convD.defvjp(d_fwd, d_bwd)

IMPL = dict(A=convA, B=convB, L=convL, I=im2colg, C=convC, D=convD)

class Conv(nn.Module):
    features: int
    kernel_size: tuple = (3,)
    padding: str = "CIRCULAR"
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", self.kernel_init, (*self.kernel_size, x.shape[-1], self.features))
        y = IMPL[V](x, kernel, self.padding)
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,))
        return y

@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def spread(x, axis, k, padding):
    return jnp.concatenate(shifts(x, axis, k, padding), -1)
@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def collect(y, axis, k, padding):
    n = y.shape[-1] // k
    return sum(shifts(y[..., o * n:(o + 1) * n], axis, k, padding)[k - 1 - o] for o in range(k))
spread.defvjp(lambda x, *a: (spread(x, *a), None), lambda a, k, p, _, g: (collect(g, a, k, p),))
collect.defvjp(lambda x, *a: (collect(x, *a), None), lambda a, k, p, _, g: (spread(g, a, k, p),))

def convE(x, kernel, padding):
    nd = kernel.ndim - 2
    *ks, ci, co = kernel.shape
    if math.prod(ks) == 1:
        return x @ kernel.reshape(ci, co)
    ax = [a - 1 - nd for a in range(nd)]
    if nd == 1:
        return spread(x, ax[0], ks[0], padding) @ kernel.reshape(-1, co)
    for a in range(nd - 2, -1, -1):
        x = spread(x, ax[a], ks[a], padding)
    k = ks[-1]
    w = jnp.moveaxis(kernel, nd - 1, -2)[..., ::-1, :].reshape(-1, k * co)
    return collect(x @ w, -2, k, padding)
IMPL["E"] = convE


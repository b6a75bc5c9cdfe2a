"""The matrix-product convolution is Flax's convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from hyco_jax.networks import convolution
from tests.networks import cases

GRIDS = {1: (7,), 2: (6, 5), 3: (4, 5, 6)}


def _value_and_gradients(module, variables, x):
    def loss(variables, x):
        y = module.apply(variables, x)
        return jnp.sum(jnp.sin(y)), y

    return jax.value_and_grad(loss, (0, 1), has_aux=True)(variables, x)


def _assert_agree_with_flax(x, features, kernel_sizes, **options):
    """Compares values and gradients; all sizes in one program."""

    def make(conv):
        return [conv(features, size, **options) for size in kernel_sizes]

    @jax.jit
    def evaluate(variables):
        return [
            [
                _value_and_gradients(*args, x)
                for args in zip(convs, variables, strict=True)
            ]
            for convs in (make(convolution.Conv), make(nn.Conv))
        ]

    def variables(conv):
        # Sizes of Flax's initial values, so that sums are of order one.
        shapes = jax.eval_shape(conv.init, jax.random.key(1), x)
        return jax.tree.map(
            lambda p: cases.states(*p.shape) / np.sqrt(np.prod(p.shape[:-1])) + 0.1,
            shapes,
        )

    for ours, flax in zip(
        *evaluate([variables(c) for c in make(nn.Conv)]), strict=True
    ):
        _assert_close(ours, flax)


def _assert_close(actual, expected):
    # Rounding of sums of up to 5^3 * 3 float32 products of order one.
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        actual,
        expected,
    )


@pytest.mark.parametrize("padding", convolution.PADDINGS)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_values_and_gradients_are_those_of_flax(ndim, padding):
    x = cases.states(2, *GRIDS[ndim], 3)
    sizes = [(size,) * ndim for size in (1, 3, 5)]
    _assert_agree_with_flax(x, 4, sizes, padding=padding)


def test_each_axis_of_an_anisotropic_kernel_is_that_of_flax():
    x = cases.states(2, *GRIDS[3], 3)
    _assert_agree_with_flax(x, 2, [(5, 1, 3)], padding="CIRCULAR", use_bias=False)


@pytest.mark.parametrize("padding", convolution.PADDINGS)
def test_the_branch_of_other_platforms_agrees_with_that_of_cpu(padding):
    x, kernel, g = (
        cases.states(*shape) for shape in ((6, 5, 3), (3, 5, 3, 4), (6, 5, 4))
    )

    @jax.jit
    def evaluate(x, kernel, g):
        return [
            (convolve(x, kernel, padding), gradients(x, kernel, g, padding))
            for convolve, gradients in (
                (convolution._matmul_convolve, convolution._matmul_gradients),
                (convolution._lax_convolve, convolution._lax_gradients),
            )
        ]

    _assert_close(*evaluate(x, kernel, g))


def test_only_platforms_other_than_cpu_are_lowered_to_a_convolution():
    x, kernel = jnp.ones((8, 8, 2)), jnp.ones((3, 3, 2, 2))
    gradient = jax.grad(lambda x, k: convolution.convolve(x, k).sum(), (0, 1))
    traced = jax.jit(gradient).trace(x, kernel)
    assert (
        "stablehlo.convolution"
        not in traced.lower(lowering_platforms=("cpu",)).as_text()
    )
    assert (
        "stablehlo.convolution" in traced.lower(lowering_platforms=("cuda",)).as_text()
    )


@pytest.mark.parametrize("precision", convolution.PRECISIONS)
def test_products_and_those_of_gradients_take_the_precision_asked_for(precision):
    x, kernel = jnp.ones((8, 8, 2)), jnp.ones((3, 3, 2, 2))

    def loss(x, kernel):
        return (convolution.convolve(x, kernel, precision=precision) ** 2).sum()

    traced = jax.jit(jax.grad(loss, (0, 1))).trace(x, kernel)
    for platform, operation in (("cpu", "dot_general"), ("cuda", "convolution")):
        text = traced.lower(lowering_platforms=(platform,)).as_text().splitlines()
        products = [line for line in text if f"stablehlo.{operation}" in line]
        assert len(products) == 3
        for line in products:
            exact = precision.upper() in line
            assert exact or (precision == "default" and "HIGH" not in line)


@pytest.mark.parametrize("ndim", [1, 2])
def test_mapping_over_unbatched_states_equals_the_batched_call(ndim):
    x = cases.states(3, *GRIDS[ndim], 2)
    module = convolution.Conv(4, (3,) * ndim)
    variables = cases.generic(module, x.shape[1:])

    def slope(apply):
        return jax.grad(lambda v: jnp.sum(jnp.sin(apply(v))))

    mapped = slope(lambda v: jax.vmap(lambda u: module.apply(v, u))(x))
    batched = slope(lambda v: module.apply(v, x))
    _assert_close(*jax.jit(lambda v: (mapped(v), batched(v)))(variables))


def test_a_kernel_wider_than_the_grid_wraps_around_or_sees_zeros():
    x = jnp.array([1.0, 2.0])[:, None]
    kernel = jnp.array([1.0, 10.0, 100.0, 1000.0, 10000.0])[:, None, None]
    # Around x_0 lie (x_0, x_1, x_0, x_1, x_0) and (0, 0, x_0, x_1, 0).
    circular = convolution.convolve(x, kernel, "CIRCULAR")
    np.testing.assert_array_equal(circular[:, 0], [12121.0, 21212.0])
    np.testing.assert_array_equal(
        convolution.convolve(x, kernel, "SAME")[:, 0], [2100.0, 210.0]
    )


def test_the_input_keeps_its_precision():
    module = convolution.Conv(2, (3,))
    x = jnp.ones((4, 1), jnp.float32)
    y = module.apply(module.init(jax.random.key(0), x), x)
    assert y.dtype == jnp.float32


def test_an_unknown_precision_is_named():
    with pytest.raises(ValueError, match=r"precision='float32' is not one of"):
        convolution.convolve(jnp.ones((8, 1)), jnp.ones((3, 1, 1)), precision="float32")


@pytest.mark.parametrize(
    ("shape", "size", "padding", "message"),
    [
        ((8, 1), (3,), "VALID", r"padding='VALID' is not one of"),
        ((8, 1), (4,), "SAME", r"kernel_size=\(4,\) must be 1 to 3 odd numbers"),
        ((8, 1), (3, 3), "SAME", r"x has shape \(8, 1\), expected 2 spatial axes"),
    ],
    ids=["padding", "even size", "rank"],
)
def test_wrong_arguments_are_named(shape, size, padding, message):
    module = convolution.Conv(2, size, padding=padding)
    with pytest.raises(ValueError, match=message):
        module.init(jax.random.key(0), jnp.ones(shape))

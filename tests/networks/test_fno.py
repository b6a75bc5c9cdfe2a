"""The spectral convolution is that of an FFT, and its parameters fit every grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import networks
from hyco_jax.networks import fno
from tests.networks import cases


def _convolve(x, kernel, modes):
    module = fno.SpectralConv(kernel.shape[-1], modes)
    return jax.jit(module.apply)({"params": {"kernel": kernel}}, x)


@pytest.mark.parametrize(
    ("grid", "modes"), [((7,), (4,)), ((6, 5), (3, 2)), ((5, 4, 6), (3, 2, 3))]
)
def test_values_are_those_of_a_full_fft(grid, modes):
    x = jax.random.normal(jax.random.key(0), (*grid, 2))
    counts = (*(2 * m - 1 for m in modes[:-1]), modes[-1])
    kernel = jax.random.normal(jax.random.key(1), (2, *counts, 2, 3))
    axes = tuple(range(len(grid)))
    spectrum = np.fft.rfftn(np.asarray(x, np.float64), axes=axes)
    rows = [np.r_[0:m, 1 - m : 0] for m in modes[:-1]]
    kept = np.ix_(*rows, np.arange(modes[-1]))
    products = np.zeros((*spectrum.shape[:-1], 3), complex)
    matrices = np.asarray(kernel[0] + 1j * kernel[1])
    products[kept] = np.einsum("...i,...io->...o", spectrum[kept], matrices)
    expected = np.fft.irfftn(products, s=grid, axes=axes)
    # Rounding of sums of a few hundred terms of order one.
    np.testing.assert_allclose(_convolve(x, kernel, modes), expected, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_kernel_of_ik_differentiates_exactly(axis):
    def field(x, y):
        return jnp.sin(2 * x - y) + jnp.cos(x) * jnp.sin(2 * y)

    x, y = np.meshgrid(*(2 * np.pi * np.arange(n) / n for n in (8, 6)), indexing="ij")
    k = np.meshgrid([0.0, 1.0, 2.0, -2.0, -1.0], [0.0, 1.0, 2.0], indexing="ij")[axis]
    kernel = jnp.asarray(np.stack([0 * k, k])[..., None, None], jnp.float32)
    derivative = np.vectorize(jax.grad(field, argnums=axis))(x, y)
    actual = _convolve(jnp.asarray(field(x, y))[..., None], kernel, (3, 3))
    np.testing.assert_allclose(actual[..., 0], derivative, atol=1e-5)


def test_the_transforms_project_onto_the_lowest_wavenumbers():
    x = 2 * np.pi * np.arange(9) / 9
    waves = np.stack([np.sin(k * x) for k in range(5)] + [np.cos(3 * x)], -1)
    kept = fno.from_modes(fno.to_modes(jnp.asarray(waves, jnp.float32), (3,)), (9,))
    np.testing.assert_allclose(kept[:, :3], waves[:, :3], atol=1e-6)
    np.testing.assert_allclose(kept[:, 3:], 0, atol=1e-6)
    # Amplitudes, not sums over points: 1/2 in cos x = (exp ix + exp -ix) / 2.
    cosine = jnp.cos(jnp.asarray(x, jnp.float32))[:, None]
    np.testing.assert_allclose(fno.to_modes(cosine, (3,))[:, 0], [0, 0.5, 0], atol=1e-6)


def _sampled(n):
    """A function of wavenumbers up to two at the points i/n."""
    x, y = np.meshgrid(*(2 * np.pi * np.arange(m) / m for m in (n, n)), indexing="ij")
    u = [np.sin(x - 2 * y) + 0.5, np.cos(2 * x) * np.cos(y)]
    return jnp.asarray(np.stack(u, -1), jnp.float32)


def test_a_linear_convolution_is_the_same_function_on_a_finer_grid():
    kernel = jax.random.normal(jax.random.key(1), (2, 5, 3, 2, 3))
    coarse, fine = (_convolve(_sampled(n), kernel, (3, 3)) for n in (6, 12))
    np.testing.assert_allclose(fine[::2, ::2], coarse, atol=1e-5)


def test_a_whole_network_converges_as_the_grid_is_refined():
    def make(n):
        return networks.make_network(
            "fno", (n, n, 2), modes=3, width=6, depth=2, projection=8, residual=False
        )

    params = cases.init(make(8), _sampled(8))

    def apply(n):
        module = make(n)
        every = n // 8
        return jax.jit(module.apply)(params, _sampled(n))[::every, ::every]

    coarse, middle, fine = (np.asarray(apply(n)) for n in (8, 16, 32))
    # All that differs is what the activation folds back from above Nyquist, which
    # falls faster than any power of the grid.
    assert 1e-4 < np.abs(coarse - fine).max() < 0.1
    assert np.abs(middle - fine).max() < 0.01 * np.abs(coarse - fine).max()


def test_the_kernel_keeps_the_variance_of_what_it_passes():
    x = jax.random.normal(jax.random.key(0), (31, 31, 16))
    module = fno.SpectralConv(64, (16, 16))
    y, _ = jax.jit(module.init_with_output)(jax.random.key(1), x)
    # All wavenumbers pass; of 31² of them those along one axis are symmetrised.
    np.testing.assert_allclose(y.var(), x.var(), rtol=0.1)


def test_zeros_part_opposite_walls_of_a_closed_domain():
    module = networks.make_network("fno", (9, 16, 1), padding="SAME", modes=4)
    # An eighth of each axis, rounded up.
    assert module._padded((9, 16)) == (11, 18)
    # 11 points hold wavenumbers up to 5.
    module = networks.make_network("fno", (9, 9, 1), padding="SAME", modes=6)
    with pytest.raises(ValueError, match=r"modes=6 need more than 10 points"):
        module.clone(padding="CIRCULAR").check((9, 9, 1))


def test_the_size_is_that_of_its_layers():
    module = networks.make_network(
        "fno", (8, 8, 2), modes=3, width=4, depth=2, projection=7
    )
    params = cases.shapes(module, (8, 8, 2))
    lifting, block = 2 * 4 + 4, 4 * 4 + 4 + 2 * (5 * 3) * 4 * 4
    projection = (4 * 7 + 7) + (7 * 2 + 2)
    assert networks.num_params(params) == lifting + 2 * block + projection


def test_too_many_modes_for_an_axis_are_refused():
    message = (
        r"modes=3 need more than 4 points along each axis, got \(8, 4\); use modes"
    )
    with pytest.raises(ValueError, match=message):
        fno.SpectralConv(1, (3, 3)).init(jax.random.key(0), jnp.ones((8, 4, 1)))

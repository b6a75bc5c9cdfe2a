"""Random initial states: amplitude, spectrum, the same function on every grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids import sampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.precision import enable_x64
from hyco_jax.pde.kernels import pressure
from tests import order

pytestmark = pytest.mark.usefixtures("strict_numerics")

BOXES = [
    Domain((18,), (10.0,)),
    Domain((16, 12), (10.0, 7.0)),
    Domain((8, 6, 9), (5.0, 4.0, 5.0)),
]
SCALE = 1.6


def thirds(u, staggered=False):
    """Values of a grid three times finer where a coarse one has its own."""
    ndim = u.ndim - 2
    planes = []
    for a in range(u.shape[-1]):
        starts = [0 if staggered and i == a else 1 for i in range(ndim)]
        planes.append(u[(slice(None), *(slice(s, None, 3) for s in starts), a)])
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize("resolution", [(64,), (16, 8)], ids=str)
def test_initial_states_have_zero_mean_and_the_stated_amplitude(key, resolution):
    domain = Domain(resolution, (10.0,) * len(resolution))
    u0 = sampling.sample_u0(key, domain, 3, scale=1.0, amplitude=0.5)
    assert u0.shape == (3, *resolution, domain.ndim) and u0.dtype == jnp.float32
    axes = tuple(range(1, domain.ndim + 1))
    np.testing.assert_allclose(u0.mean(axis=axes), 0.0, atol=1e-6)
    np.testing.assert_allclose((u0**2).mean(axis=axes), 0.25, rtol=1e-5)
    np.testing.assert_array_equal(
        u0, sampling.sample_u0(key, domain, 3, scale=1.0, amplitude=0.5)
    )


def test_initial_states_have_the_stated_correlation_length(key):
    domain, scale = Domain((256,), (100.0,)), 2.0
    u0 = np.asarray(sampling.sample_u0(key, domain, 64, scale))[..., 0]
    slope = np.gradient(u0, domain.dx[0], axis=1)[:, 1:-1]
    # Power exp(-(scale k)²) has the mean square wave number 1 / (2 scale²). 64 states
    # of about 15 independent stretches each tell it to a few per cent.
    assert (slope**2).mean() == pytest.approx(1 / (2 * scale**2), rel=0.1)


def test_noise_of_a_smoothness_has_the_spectrum_of_phiflows():
    domain = Domain((64,), (100.0,))
    u0 = sampling.sample_u0(jax.random.key(3), domain, 512, 25.0, smoothness=2.0)
    power = np.abs(np.fft.rfft(u0[..., 0], axis=1)) ** 2
    logs = np.log(power + 1e-30).mean(axis=0)
    # Wave n has (25 n / 100)² = n² / 16: the first is below 0.1, and of the others the
    # power falls as n^-8. The log of a random power has deviation 1.28: a difference of
    # two means over 512 states 0.08. In logs, the norm of a state drops out.
    assert logs[1] < logs[2] - 10
    np.testing.assert_allclose(
        logs[3:6] - logs[2], -8 * np.log([1.5, 2, 2.5]), atol=0.25
    )


def test_a_correlation_length_beyond_the_box_is_an_error(key):
    with pytest.raises(
        ValueError, match="scale=50.0 leaves none of the waves .* another"
    ):
        sampling.sample_u0(key, Domain((16,), (10.0,)), 1, scale=50.0)


@pytest.mark.parametrize("staggered", [False, True], ids=["centres", "faces"])
@pytest.mark.parametrize("domain", BOXES, ids=lambda d: f"{d.ndim}d")
def test_a_key_is_the_same_function_on_every_grid_that_carries_it(
    key, domain, staggered
):
    draw = jax.jit(
        lambda key, domain: sampling.sample_u0(
            key, domain, 2, SCALE, 0.7, staggered=staggered
        ),
        static_argnums=1,
    )
    with enable_x64():
        coarse, fine = (np.asarray(draw(key, domain.refined(f))) for f in (1, 3))
    np.testing.assert_allclose(thirds(fine, staggered), coarse, atol=1e-14)
    assert np.abs(fine[0] - fine[1]).max() > 0.5


@pytest.mark.parametrize("smoothness", [0.0, 1.0])
def test_a_coarse_grid_leaves_out_the_waves_that_it_cannot_carry(key, smoothness):
    domain, scale = Domain((128,), (10.0,)), 4.0 if smoothness else 0.3
    u = [
        np.fft.rfft(
            sampling.sample_u0(key, d, 1, scale, smoothness=smoothness)[0, :, 0]
        )
        for d in (domain, Domain((8,), (10.0,)))
    ]
    # Amplitudes of the waves, their phases at x = 0.
    fine, coarse = (
        w[:4] * np.exp(-1j * np.pi * np.arange(4) / n) / n
        for w, n in zip(u, (128, 8), strict=True)
    )
    # What is left is normalised again.
    ratio = coarse[1] / fine[1]
    assert ratio.real > 1 and abs(ratio.imag) < 1e-5
    np.testing.assert_allclose(coarse, ratio * fine, atol=1e-5)
    assert abs(u[1][4]) < 1e-5


@pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "closed"])
def test_both_precisions_draw_the_same(key, periodic):
    def draw(domain):
        if periodic:
            return sampling.sample_u0(key, domain, 3, SCALE, 1.0, 2)
        return sampling.sample_sines(key, domain, 3, SCALE, 1.0)

    single = draw(BOXES[1])
    with enable_x64():
        double = draw(BOXES[1])
    assert single.dtype == np.float32 and double.dtype == np.float64
    np.testing.assert_allclose(single, double, atol=2e-6)


@pytest.mark.parametrize("domain", BOXES[1:], ids=lambda d: f"{d.ndim}d")
def test_a_field_without_divergence_has_one_of_second_order_on_the_faces(key, domain):
    def largest(level):
        fine = domain.refined(2**level)
        u = sampling.sample_u0(
            key, fine, 1, SCALE, staggered=True, divergence_free=True
        )
        return float(jnp.abs(pressure.divergence(fine, u[0])).max())

    with enable_x64():
        assert order.observe(largest).order == pytest.approx(2, abs=0.15)


def test_without_divergence_a_share_of_the_energy_is_left(key):
    domain = Domain((24, 24), (10.0, 10.0))
    u = sampling.sample_u0(key, domain, 200, 0.9, divergence_free=True)
    # About 40 waves each, of 200 states.
    assert jnp.mean(u**2) == pytest.approx(1 / 2, rel=0.02)


@pytest.mark.parametrize("resolution", [(12,), (8, 6), (6, 5, 7)], ids=str)
def test_sines_are_the_same_function_on_every_grid_and_end_at_the_walls(
    key, resolution
):
    extent = (4.0, 3.0, 4.0)[: len(resolution)]
    domain = Domain(resolution, extent, periodic=False)
    with enable_x64():
        coarse, fine, finest = (
            np.asarray(sampling.sample_sines(key, domain.refined(f), 2, 1.2, 0.7))
            for f in (1, 3, 9)
        )
    np.testing.assert_allclose(thirds(fine), coarse, atol=1e-14)
    np.testing.assert_allclose(
        np.sqrt((fine**2).mean(axis=tuple(range(1, fine.ndim)))), 0.7, rtol=1e-14
    )
    # u is odd about the wall: half a cell from it, a third of what it is at 3/2.
    for axis in range(1, finest.ndim - 1):
        first, second = np.moveaxis(finest, axis, 0)[:2]
        np.testing.assert_allclose(3 * first, second, atol=0.01)


def test_a_grid_that_carries_no_wave_is_an_error(key):
    for draw in (
        lambda domain: sampling.sample_u0(key, domain, 1, 1.0),
        lambda domain: sampling.sample_sines(key, domain, 1, 1.0, 1.0),
    ):
        with pytest.raises(ValueError, match=r"and \(1,\) cells can hold"):
            draw(Domain((1,), (10.0,)))


@pytest.mark.parametrize("option", ["staggered", "divergence_free"])
def test_components_that_do_not_fit_the_axes_are_an_error(key, option):
    with pytest.raises(ValueError, match="num_channels=1 is not one for each of the 2"):
        sampling.sample_u0(key, BOXES[1], 1, SCALE, num_channels=1, **{option: True})

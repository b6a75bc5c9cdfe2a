"""Round patches: their edges, and the same functions on every grid and precision."""

import jax
import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.precision import enable_x64
from hyco_jax.pde.kernels import patches


def test_the_edge_of_a_sphere_is_twice_differentiable_and_symmetric(x64):
    r = np.linspace(0, 3, 3001)
    value = np.asarray(patches.sphere(r[:, None], 2.0, 1.0))[:, 0]
    assert (value[r <= 1.5] == 1).all() and (value[r >= 2.5] == 0).all()
    np.testing.assert_allclose(value[1500:2501] + value[2500:1499:-1], 1, atol=1e-14)
    for times, largest in ((1, 15 / 8), (2, 10 / 3**0.5)):
        # 6t^5 - 15t^4 + 10t^3 has the slope 15/8 at 1/2, and the second derivative
        # 10/sqrt(3) at most.
        slope = np.diff(value, times) / 1e-3**times
        assert np.abs(slope).max() == pytest.approx(largest, rel=1e-3)
        assert np.abs(np.diff(slope)).max() < 0.1


@pytest.mark.parametrize("resolution", [(24, 40), (31, 53), (96, 96)], ids=str)
def test_the_integral_of_a_source_hardly_depends_on_the_grid(key, x64, resolution):
    # An edge of three cells of the coarsest grid, 1/2 each.
    domain = Domain(resolution, (12.0, 20.0), periodic=False)
    mask = patches.random_sources(key, domain, 20, 1.8, 1.5)
    integral = np.prod(domain.dx) * np.asarray(mask).sum(axis=(1, 2, 3))
    # A weight of variance edge²/28 moves the edge, so that the mean of r² grows by it.
    exact = np.pi * (1.8**2 + 1.5**2 / 28)
    np.testing.assert_allclose(integral, exact, rtol=2e-3)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kind", ["blobs", "sources"])
def test_a_key_is_the_same_function_on_every_grid_and_precision(key, ndim, kind):
    domain = Domain((6, 5, 7)[:ndim], (6.0, 7.0, 5.0)[:ndim], periodic=kind == "blobs")

    def draw(domain):
        if kind == "blobs":
            return np.asarray(
                patches.random_blobs(key, domain, 3, 1.5, 2, (0.5, 1.0))[1]
            )
        return np.asarray(patches.random_sources(key, domain, 3, 1.2, 1.5))[..., 0]

    single = draw(domain)
    with enable_x64():
        double, fine = draw(domain), draw(domain.refined(3))
    assert single.dtype == np.float32 and double.dtype == np.float64
    np.testing.assert_allclose(single, double, atol=1e-5)
    middle = (slice(None), *[slice(1, None, 3)] * ndim)
    np.testing.assert_allclose(fine[middle], double, atol=1e-14)


def test_an_edge_that_is_too_wide_is_refused():
    with pytest.raises(ValueError, match="scale=0.5 is the radius .* edge 1.5 wide"):
        patches.random_sources(
            jax.random.key(0), Domain((8, 8), (4.0, 4.0), False), 1, 0.5, 1.5
        )

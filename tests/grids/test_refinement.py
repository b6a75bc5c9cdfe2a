"""States on a finer grid by polynomials of degree 4."""

import numpy as np
import pytest

from hyco_jax.grids import refinement, resampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from tests.pde import states
from tests.x64 import enable_x64


@pytest.fixture(autouse=True)
def x64():
    with enable_x64():
        yield


CENTRED = (Quantity("s", 2),)
STAGGERED = (Quantity("u", 2, is_staggered=True), Quantity("s"))


def polynomial(x, derivative=0):
    """Of degree 4 along an axis of length 1, and its integral for derivative -1."""
    p = np.polynomial.Polynomial([0.3, -1.0, 2.0, 1.5, -2.5])
    return (p.integ() if derivative else p)(x)


def means(count):
    """Of the polynomial over cells."""
    edges = np.arange(count + 1) / count
    return np.diff(polynomial(edges, -1)) * count


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("are_means", [True, False])
def test_polynomials_of_degree_4_are_kept_up_to_walls(factor, are_means):
    def sampled(count):
        centres = (np.arange(count) + 0.5) / count
        return means(count) if are_means else polynomial(centres)

    coarse, fine = sampled(7), sampled(7 * factor)
    domain = Domain((7, 5), (1.0, 1.0), periodic=False)
    u = np.stack([np.outer(coarse, np.ones(5)), np.outer(coarse, sampled(5))], -1)
    expected = [
        np.outer(fine, np.ones(5 * factor)),
        np.outer(fine, sampled(5 * factor)),
    ]
    found = refinement.refine(u, factor, CENTRED, domain, are_means)
    np.testing.assert_allclose(found, np.stack(expected, -1), atol=1e-13)


@pytest.mark.parametrize("periodic", [True, False])
def test_restricting_undoes_it(periodic):
    domain = states.box((6, 8), periodic)
    u = states.uniform(domain, 3)
    if not periodic:
        u[0, :, 0] = u[:, 0, 1] = 0
    fine = refinement.refine(u, 2, STAGGERED, domain)
    back = resampling.restrict(fine, 2, STAGGERED, domain.refined(2))
    np.testing.assert_allclose(back, u, atol=1e-13)
    if not periodic:
        assert not np.asarray(fine)[0, :, 0].any()


def test_waves_between_faces_are_of_high_order():
    def error(count):
        domain = Domain((count, count), (2 * np.pi,) * 2)

        def at_faces(n):
            x = 2 * np.pi * np.arange(n) / n
            u = np.sin(x)[:, None] * np.ones(n)
            return np.stack([u, u.T, 0 * u], -1)

        found = refinement.refine(at_faces(count), 2, STAGGERED, domain)
        return np.abs(found - at_faces(2 * count)).max()

    assert error(16) / error(32) > 2**5.5

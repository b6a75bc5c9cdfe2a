"""The projection: free of divergence, orthogonal, and what PhiFlow's solver finds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.pde.kernels import pressure
from tests.x64 import enable_x64

# Odd and even, since Fourier modes pair up differently.
RESOLUTIONS = [(6, 5), (4, 3, 5)]
BOXES = pytest.mark.parametrize(
    "is_periodic", [True, False], ids=["periodic", "closed"]
)
GRIDS = pytest.mark.parametrize("resolution", RESOLUTIONS, ids=["2d", "3d"])


def make_domain(resolution, is_periodic):
    return Domain(resolution, (3.0, 2.0, 5.0)[: len(resolution)], is_periodic)


def noise(domain, seed=0):
    u = np.random.default_rng(seed).normal(size=(*domain.resolution, domain.ndim))
    return jnp.asarray(u)


@functools.partial(jax.jit, static_argnums=0)
def project(domain, u):
    planes = tuple(u[..., a] for a in range(domain.ndim))
    return jnp.stack(pressure.project(domain, planes), axis=-1)


def test_divergence_is_the_outflow_by_the_volume():
    domain = Domain((2, 2), (2.0, 1.0), periodic=False)
    # Through the only inner faces: 3 from left to right above, 5 upwards at the right.
    u = jnp.full((2, 2, 2), np.nan).at[1, :, 0].set(jnp.array([0.0, 3.0]))
    u = u.at[:, 1, 1].set(jnp.array([0.0, 5.0]))
    expected = [[0.0, 3.0], [5.0 / 0.5, -3.0 - 5.0 / 0.5]]
    np.testing.assert_allclose(pressure.divergence(domain, u), expected)
    periodic = pressure.divergence(Domain((2, 2), (2.0, 1.0)), jnp.nan_to_num(u))
    np.testing.assert_allclose(periodic, [[0.0, 3.0], [10.0, -13.0]])


@BOXES
@GRIDS
def test_divergence_is_phiflows(x64, resolution, is_periodic):
    domain = make_domain(resolution, is_periodic)
    u = noise(domain)
    expected = flow.field.divergence(fields.to_staggered(u, domain))
    expected = expected.values.native(list(expected.shape.spatial.names))
    np.testing.assert_allclose(pressure.divergence(domain, u), expected, atol=1e-13)


@BOXES
@GRIDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_projection_leaves_only_rounding(resolution, is_periodic, dtype):
    domain = make_domain(resolution, is_periodic)
    with enable_x64(dtype == "float64"):
        u = noise(domain).astype(dtype)
        result = project(domain, u)
        assert result.dtype == dtype
        assert pressure.relative_divergence(domain, u) > 0.1
        # Each of the 2 D faces of a cell is rounded to half an eps.
        limit = 2 * domain.ndim * jnp.finfo(dtype).eps
        assert pressure.relative_divergence(domain, result) < limit


@BOXES
def test_a_large_balanced_force_leaves_only_the_rounding_of_the_velocity(is_periodic):
    domain = make_domain((32, 24), is_periodic)
    waves = np.cos(np.pi * domain.coordinates() / np.array(domain.extent) * 2)
    potential = jnp.float32(1e4 * waves.prod(-1))
    gradient = jnp.stack(
        [(potential - jnp.roll(potential, 1, a)) / domain.dx[a] for a in range(2)], -1
    )
    u = project(domain, noise(domain).astype(jnp.float32))
    result = project(domain, u + gradient)
    # A single pass leaves 1e-3: rounding of what is 1e4 times larger than u.
    assert pressure.relative_divergence(domain, result) < 5e-7
    # The sum itself is rounded: 6e-8 of 3e4.
    np.testing.assert_allclose(result, u, atol=1e-2)


@BOXES
@GRIDS
def test_projection_finds_what_phiflows_solver_converges_to(
    x64, resolution, is_periodic
):
    domain = make_domain(resolution, is_periodic)
    u = noise(domain)
    solve = flow.Solve("CG", 1e-12, 1e-12, max_iterations=500, rank_deficiency=0)

    @jax.jit
    def expect(u):
        field = fields.to_staggered(u, domain)
        return fields.to_array(flow.fluid.make_incompressible(field, solve=solve)[0])

    # The condition number is some 10: that much the error exceeds the residual.
    np.testing.assert_allclose(project(domain, u), expect(u), atol=1e-10)


@BOXES
@GRIDS
def test_projection_is_orthogonal(x64, resolution, is_periodic):
    domain = make_domain(resolution, is_periodic)
    u, v = noise(domain, 1), noise(domain, 2)
    projected = project(domain, u)
    np.testing.assert_allclose(project(domain, projected), projected, atol=1e-13)
    np.testing.assert_allclose(
        jnp.vdot(projected, v), jnp.vdot(u, project(domain, v)), rtol=1e-12
    )
    assert jnp.sum(projected**2) < jnp.sum(u**2)


@BOXES
def test_gradient_is_that_of_automatic_differentiation(x64, is_periodic):
    domain = make_domain((6, 5), is_periodic)
    u, weight = noise(domain, 1), noise(domain, 2)
    slope = jax.grad(lambda u: jnp.vdot(weight, project(domain, u)))(u)
    h = 1e-3
    entries = [
        jnp.vdot(weight, project(domain, u.at[i].add(h)) - project(domain, u)) / h
        for i in [(0, 0, 0), (0, 0, 1), (3, 0, 1), (0, 2, 0), (5, 4, 1)]
    ]
    expected = [
        slope[i] for i in [(0, 0, 0), (0, 0, 1), (3, 0, 1), (0, 2, 0), (5, 4, 1)]
    ]
    # Linear, so that differences only round: 1e-16 / 1e-3.
    np.testing.assert_allclose(entries, expected, atol=1e-11)


def test_walls_are_ignored_and_stay_zero():
    domain = make_domain((6, 5), False)
    u = noise(domain).astype(jnp.float32)
    result = project(domain, u)
    assert not result[0, :, 0].any() and not result[:, 0, 1].any()
    other = u.at[0, :, 0].set(7.0).at[:, 0, 1].set(-7.0)
    np.testing.assert_array_equal(project(domain, other), result)


def test_periodic_projection_keeps_the_mean(x64):
    domain = make_domain((6, 5), True)
    u = noise(domain)
    np.testing.assert_allclose(
        project(domain, u).mean((0, 1)), u.mean((0, 1)), atol=1e-14
    )


def test_relative_divergence_has_no_unit():
    domain = make_domain((6, 5), False)
    u = noise(domain).astype(jnp.float32)
    share = pressure.relative_divergence(domain, u)
    larger = Domain((6, 5), (300.0, 200.0), periodic=False)
    np.testing.assert_allclose(
        pressure.relative_divergence(larger, 7 * u), share, rtol=1e-5
    )
    assert pressure.relative_divergence(domain, 0 * u) == 0


def test_vmap_equals_loop():
    domain = make_domain((6, 5), False)
    batch = jnp.stack([noise(domain, 1), noise(domain, 2)]).astype(jnp.float32)
    together = jax.vmap(lambda u: project(domain, u))(batch)
    for u, result in zip(batch, together, strict=True):
        np.testing.assert_allclose(project(domain, u), result, atol=1e-6)

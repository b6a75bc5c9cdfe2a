"""Gray-Scott: fixed point, exact diffusion, the reaction, order, gradients."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hyco_jax.grids.domain import Domain
from hyco_jax.pde import gray_scott
from tests import order
from tests.pde.cases_diffusion import UPPER, ring
from tests.pde.compiled import advance


def apply(step, u, num_steps=1, **values):
    return advance(step, {**gray_scott.TRUE_VALUES, **values}, u, num_steps)


def test_a_homogeneous_state_follows_the_reaction(x64):
    domain = Domain((4, 3), (10.0, 10.0))
    feed, kill = (gray_scott.TRUE_VALUES[name] for name in ("feed", "kill"))

    def rate(t, y):
        u, v = y
        return [-u * v**2 + feed * (1 - u), u * v**2 - (feed + kill) * v]

    exact = solve_ivp(rate, (0, 20), [0.5, 0.4], rtol=1e-11, atol=1e-12).y[:, -1]

    def error(level):
        step = gray_scott.make_step(domain, 20.0, UPPER, 20 * 2**level)
        result = apply(step, np.broadcast_to([0.5, 0.4], (4, 3, 2)))
        np.testing.assert_allclose(result, np.broadcast_to(result[0, 0], result.shape))
        return np.abs(result[0, 0] - exact).max()

    found = order.observe(error)
    assert found.order == pytest.approx(2, abs=0.1)
    assert found.errors[0] < 1e-3


def test_without_v_the_rest_decays_at_the_exact_rate(x64):
    # u = 1 + a wave and v = 0: the feed pulls the wave back, diffusion smooths it.
    domain = Domain((6, 5), (3.0, 2.0))
    wave = np.sin(domain.coordinates() @ (2 * np.pi * np.array([2 / 3, 1 / 2])))
    u = np.stack([1 + 0.1 * wave, 0 * wave], axis=-1)
    k2 = (2 * np.pi) ** 2 * (4 / 9 + 1 / 4)
    dt, value, feed = 0.3, 0.2, 0.018
    step = gray_scott.make_step(domain, dt, UPPER, substeps=1)
    result = apply(step, u)
    half = 1 - feed * dt / 2 + (feed * dt / 2) ** 2 / 2
    decayed = 1 + 0.1 * wave * half**2 * np.exp(-value * k2 * dt)
    np.testing.assert_allclose(result[..., 0], decayed, atol=1e-14)
    np.testing.assert_array_equal(result[..., 1], 0)


def test_without_reaction_both_diffuse_at_their_own_exact_rate(x64):
    # At v = 1e-12 its part in the reaction, uv², is 1e-12 of it.
    domain = Domain((8,), (3.0,))
    wave = np.cos(2 * np.pi * domain.coordinates()[:, 0])
    u = np.stack([0 * wave + 1, 1e-12 * wave], axis=-1)
    tiny = {"feed": 1e-12, "kill": 1e-12}
    step = gray_scott.make_step(domain, 0.3, UPPER)
    result = apply(step, u, **tiny)[..., 1]
    decayed = np.exp(-0.08 * (2 * np.pi) ** 2 * 0.3) * u[..., 1]
    np.testing.assert_allclose(result, decayed, rtol=1e-10, atol=1e-25)


def test_the_splitting_is_second_order_in_time(x64):
    domain = Domain((8, 8), (20.0, 20.0))
    u = ring(domain)
    results = [
        apply(gray_scott.make_step(domain, 20.0, UPPER, substeps), u)
        for substeps in (20, 40, 80, 640)
    ]
    errors = [np.abs(result - results[-1]).max() for result in results[:-1]]
    assert order.of(errors).order == pytest.approx(2, abs=0.1)
    assert np.abs(results[-1] - u).max() > 0.1


def test_space_is_far_better_than_second_order(x64):
    errors, box = [], Domain((54,), (20.0,))
    fine = apply(gray_scott.make_step(box, 10.0, UPPER), ring(box))
    # The centres of n cells are among those of 3n.
    for num_cells in (6, 18):
        domain = Domain((num_cells,), (20.0,))
        result = apply(gray_scott.make_step(domain, 10.0, UPPER), ring(domain))
        every = 54 // num_cells
        errors.append(np.abs(result - fine[every // 2 :: every]).max())
    # Second order would give a factor of 9.
    assert errors[1] < errors[0] / 500


def test_a_substep_count_of_n_is_n_steps(x64):
    domain = Domain((6, 5), (10.0, 8.0))
    u = ring(domain)
    one = apply(gray_scott.make_step(domain, 3.0, UPPER, substeps=4), u)
    four = apply(gray_scott.make_step(domain, 0.75, UPPER, substeps=1), u, num_steps=4)
    np.testing.assert_allclose(one, four, atol=1e-14)
    default = apply(gray_scott.make_step(domain, 3.0, UPPER), u)
    three = apply(gray_scott.make_step(domain, 3.0, UPPER, substeps=3), u)
    np.testing.assert_allclose(default, three, atol=1e-14)


def test_a_pattern_grows_and_stays_in_bounds():
    # The published resolution, dx = 1.56, on a quarter of its box.
    domain = Domain((32, 32), (50.0, 50.0))
    step = gray_scott.make_step(domain, 10.0, UPPER)
    u = apply(step, gray_scott.disc_u0(domain).astype(np.float32), num_steps=40)
    # What the grid can't resolve of the ring overshoots by some 1e-4.
    assert u[..., 1].min() > -2e-3
    assert 0 < u[..., 0].min() < 0.5
    assert u.max() < 1.01
    # A ring has left the middle: more v at 16 cells from it than in it or at t = 0.
    assert u[..., 1].max() > 0.25
    assert u[15:17, 15:17, 1].max() < 0.1


def test_initial_states_are_blobs_in_an_empty_box(key):
    domain = Domain((64, 64), (100.0, 100.0))
    u = np.asarray(gray_scott.sample_u0(key, domain, 20, 10.0, 0.5, num_blobs=1))
    assert u.shape == (20, 64, 64, 2)
    assert u.dtype == np.float32
    assert u[..., 0].max() <= 1 and u[..., 1].min() >= 0
    # The nearest centre of a cell is at most 1.1 away: 1 - 1.1⁴/10⁴ of the height.
    np.testing.assert_allclose(u[..., 0].min(axis=(1, 2)), 0.5, atol=1e-3)
    heights = u[..., 1].max(axis=(1, 2))
    assert np.all((heights > 0.249) & (heights <= 0.5))
    assert np.ptp(heights) > 0.1
    # ∫exp(-(r/R)⁴) = π^{3/2} R²/2: blobs that reach over the seam are whole.
    area = (1 - u[..., 0]).sum(axis=(1, 2)) * (100 / 64) ** 2
    np.testing.assert_allclose(area, 0.5 * np.pi**1.5 / 2 * 100, rtol=1e-3)
    # One blob each, somewhere else each time.
    assert len({tuple(np.argwhere(s == s.max())[0]) for s in u[..., 1]}) > 15
    finer = gray_scott.sample_u0(key, domain.refined(3), 20, 10.0, 0.5, num_blobs=1)
    np.testing.assert_allclose(finer[:, 1::3, 1::3], u, atol=2e-5)


def test_blobs_that_overlap_are_smooth_and_stay_in_bounds(key, x64):
    def largest(level):
        domain = Domain((48 * 2**level,), (30.0,))
        u = np.asarray(gray_scott.sample_u0(key, domain, 50, 5.0, 0.5, num_blobs=4))
        assert u[..., 0].min() >= 0.5 and u[..., 0].max() <= 1
        assert u[..., 1].min() >= 0 and u[..., 1].max() <= 0.5
        return np.abs(np.diff(u, 2, axis=1)).max()

    # Second differences are dx² times a curvature; at a kink they would be O(dx).
    assert order.observe(largest).order == pytest.approx(2, abs=0.1)


def test_published_state_is_a_disc_of_one_half():
    domain = Domain((50, 50), (100.0, 100.0))
    u = np.asarray(gray_scott.disc_u0(domain, 10.0, 6.0))
    assert u.shape == (50, 50, 2)
    assert np.all(u[25, 25] == 0.5) and np.all(u[0, 0] == [1, 0])
    # As far out as in, see `test_patches.py`: nearly that of a circle, in cells of 4.
    area = np.pi * (100 + 36 / 28)
    assert np.sum(u[..., 1] / 0.5) * 4 == pytest.approx(area, rel=1e-3)


def test_mistakes_are_refused(key):
    domain = Domain((5, 4), (10.0, 8.0))
    with pytest.raises(ValueError, match="substeps=2 is unstable: .* substeps >= 3"):
        gray_scott.make_step(domain, 10.0, UPPER, substeps=2)
    with pytest.raises(ValueError, match="add up to inf, expected a finite number"):
        gray_scott.make_step(domain, 1.0, {**UPPER, "feed": np.inf})
    with pytest.raises(ValueError, match="scale=6.0 must be positive and at most half"):
        gray_scott.sample_u0(key, domain, 1, 6.0, 0.5)
    with pytest.raises(ValueError, match="num_blobs=0 must be at least 1"):
        gray_scott.sample_u0(key, domain, 1, 1.0, 0.5, num_blobs=0)

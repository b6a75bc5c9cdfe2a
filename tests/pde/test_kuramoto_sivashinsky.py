"""Kuramoto-Sivashinsky: exact growth, energy, mirror, order, the attractor."""

import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.pde import kuramoto_sivashinsky as ks
from tests import order
from tests.pde import states
from tests.pde.cases_spectral import VALUES
from tests.pde.compiled import advance

BOX = Domain((32,), (10.0,))


def apply(domain, u, dt, num_steps=1, substeps=1, **values):
    step = ks.make_step(domain, dt, {}, substeps)
    return np.asarray(advance(step, {**VALUES, **values}, u, num_steps))


def test_a_small_wave_grows_at_the_exact_rate(x64):
    k = 2 * np.pi * 3 / 10
    u = 1e-9 * np.cos(k * BOX.coordinates())
    rate = VALUES["antidiffusion"] * k**2 - VALUES["hyperdiffusion"] * k**4
    # One step, however long: the linear part is exact.
    found = apply(BOX, u, 2.0)
    np.testing.assert_allclose(found, np.exp(2.0 * rate) * u, atol=1e-16)
    assert abs(2.0 * rate) > 0.5


def test_energy_changes_as_the_equation_says(x64):
    # d/dt ∫u²/2 = λ₂∫uₓ² - λ₄∫uₓₓ²; the advection moves energy, and makes none.
    u = states.waves(BOX, 1)
    k = 2 * np.pi * np.fft.fftfreq(32, 10 / 32)
    power = np.abs(np.fft.fft(u[:, 0])) ** 2 / 32**2
    rate = np.sum(
        (VALUES["antidiffusion"] * k**2 - VALUES["hyperdiffusion"] * k**4) * power
    )
    dt = 1e-4
    ahead = np.mean(apply(BOX, u, dt) ** 2) / 2
    change = (ahead - np.mean(u**2) / 2) / dt
    np.testing.assert_allclose(change, rate, rtol=2e-3)
    assert abs(rate) > 0.01


def test_the_advection_is_burgers(x64):
    # With next to no linear part, after a short time: uₜ = -λ₁ u uₓ.
    phase = 2 * np.pi * BOX.coordinates() / 10
    u, slope = np.sin(phase), 2 * np.pi / 10 * np.cos(phase)
    tiny = {"antidiffusion": 1e-12, "hyperdiffusion": 1e-12}
    change = (apply(BOX, u, 1e-5, **tiny) - u) / 1e-5
    np.testing.assert_allclose(change, -0.9 * u * slope, atol=1e-5)


def test_the_mirror_image_with_the_other_sign_is_a_solution(x64):
    u = states.uniform(BOX, 1)
    expected = -apply(BOX, u, 0.05, 5)[::-1]
    np.testing.assert_allclose(apply(BOX, -u[::-1], 0.05, 5), expected, atol=1e-14)


def test_a_frame_that_moves_sees_the_same(x64):
    # u + c is u that moves by λ₁ c t, here a quarter of the box.
    u, time = states.waves(BOX, 1), 0.5
    speed = 2.5 / (VALUES["advection"] * time)
    moved = apply(BOX, u + speed, time / 400, 400)
    expected = np.roll(apply(BOX, u, time / 400, 400), 8, axis=0) + speed
    np.testing.assert_allclose(moved, expected, atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_step_is_of_second_order_in_time(share, x64):
    u = states.waves(BOX, 1)
    antidiffusion = ks.true_antidiffusion(BOX, 0.3, share)

    def end(level):
        options = {"substeps": 16 * 2**level, "antidiffusion": antidiffusion}
        return apply(BOX, u, 1.0, **options)

    results = [end(level) for level in range(4)]
    errors = [np.abs(a - b).max() for a, b in zip(results, results[1:], strict=False)]
    assert order.of(errors).order == pytest.approx(2, abs=0.15)


def test_space_is_spectrally_accurate(x64):
    def end(cells):
        domain = Domain((cells,), (10.0,))
        return apply(domain, states.waves(domain, 1), 0.02, 50)

    # The centres of n cells are among those of 3n.
    fine = end(108)
    errors = [np.abs(end(n) - fine[108 // n // 2 :: 108 // n]).max() for n in (12, 36)]
    # Second order would give a factor of 9.
    assert errors[1] < errors[0] / 5000


def test_float32_stays_on_the_attractor():
    domain = Domain((64,), (22.0,))
    u = np.float32(np.cos(states.phase(domain)) * (1 + np.sin(states.phase(domain))))
    ones = dict.fromkeys(VALUES, np.float32(1))
    u = apply(domain, u, 0.1, 2000, **ones)
    assert u.dtype == np.float32
    assert 0.7 < u.std() < 2.0 and np.abs(u).max() < 4 and abs(u.mean()) < 1e-3


@pytest.mark.parametrize(
    ("domain", "options", "message"),
    [
        (Domain((8,), (1.0,), periodic=False), {}, "has walls"),
        (Domain((8, 8), (1.0, 1.0)), {}, "has 2 axes"),
        (BOX, {"substeps": 0}, "expected at least 1"),
        (BOX, {"dt": 0.0}, "dt=0.0 must be positive"),
    ],
)
def test_what_does_not_fit_is_refused(domain, options, message):
    with pytest.raises(ValueError, match=message):
        ks.make_step(domain, **{"dt": 0.1, "upper": {}, **options})

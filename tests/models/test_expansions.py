"""Expansions: known values, bounds, means, grids, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.interpolate import RegularGridInterpolator

from hyco_jax.grids.domain import Domain
from hyco_jax.models import expansions
from tests.x64 import enable_x64

AMPLITUDES = [1.5, 0.5]
CENTERS = [[1.0, 0.7], [2.0, 1.5]]


def box(resolution, periodic=True):
    return Domain(resolution, (3.0, 2.0, 1.0)[: len(resolution)], periodic)


def random_raw(coefficient, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda r: jnp.asarray(rng.normal(size=np.shape(r)), dtype), coefficient.raw
    )


@pytest.mark.parametrize("bounds", [None, (0.0, 4.0)], ids=["signed", "bounded"])
@pytest.mark.parametrize("fit_width", [True, False])
def test_bumps_have_the_values_of_their_formula(bounds, fit_width):
    domain = box((5, 4))
    bumps = expansions.gaussian_bumps(
        domain,
        AMPLITUDES,
        CENTERS,
        width=0.8,
        offset=0.1,
        bounds=bounds,
        fit_width=fit_width,
    )
    x = domain.coordinates()
    expected = 0.1
    for amplitude, center in zip(AMPLITUDES, CENTERS, strict=True):
        squares = np.sum((x - center) ** 2, axis=-1)
        expected += amplitude * np.exp(-squares / 0.8**2)
    value = jax.jit(bumps.value)(bumps.raw)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert ("log_width" in bumps.raw) == fit_width


def bumps_within(bounds, **options):
    return expansions.gaussian_bumps(
        box((5, 4)), AMPLITUDES, CENTERS, bounds=bounds, **options
    )


def test_bumps_are_cut_at_the_upper_bound_and_say_so():
    assert bumps_within(None).upper == np.inf
    one, cut = bumps_within(None), bumps_within((0.0, 0.8))
    assert cut.upper == 0.8
    whole = one.value(one.raw)
    assert whole.max() > 0.8 > whole.min()
    # Amplitudes go through the logistic function and back, in float32.
    np.testing.assert_allclose(cut.value(cut.raw), np.minimum(whole, 0.8), rtol=1e-6)
    assert cut.value(cut.raw).max() == np.float32(0.8)


def test_bounded_bumps_are_never_below_the_offset_nor_above_upper():
    bumps = bumps_within((0.1, 3.0), offset=0.1)
    evaluate, reached = jax.jit(bumps.value), []
    for seed in range(20):
        raw = jax.tree.map(lambda r: 10 * r, random_raw(bumps, seed))
        value = evaluate(raw)
        assert np.float32(0.1) <= value.min() and value.max() <= bumps.upper
        reached.append(value.max())
    assert max(reached) == bumps.upper == 3.0


def test_amplitudes_reach_twice_the_upper_bound_since_the_sum_is_cut():
    bumps = bumps_within((0.0, 0.8))
    raw = {**bumps.raw, "amplitudes": jnp.full(2, 50.0)}
    # At the centres' distance of the nearest cell, half of the height is left.
    narrow = {**raw, "log_width": jnp.float32(-1.5), "centers": jnp.float32(CENTERS)}
    x = box((5, 4)).coordinates()
    squares = ((x[..., None, :] - np.array(CENTERS)) ** 2).sum(-1)
    expected = (1.6 * np.exp(-squares * np.exp(3.0))).sum(-1)
    assert expected.max() > 0.8
    np.testing.assert_allclose(
        jax.jit(bumps.value)(narrow), np.minimum(expected, 0.8), rtol=1e-5, atol=1e-7
    )


def test_amplitudes_of_any_size_are_raw_and_only_their_sum_is_cut():
    bumps = bumps_within((0.0, 0.8), offset=0.1, bound_amplitudes=False)
    assert bumps.raw["amplitudes"].tolist() == AMPLITUDES
    whole = bumps_within(None, offset=0.1)
    for amplitudes in ([1.5, 0.5], [7.0, -0.4], [-3.0, -2.0]):
        raw = {**bumps.raw, "amplitudes": jnp.float32(amplitudes)}
        expected = np.clip(whole.value(raw), 0.0, 0.8)
        np.testing.assert_array_equal(jax.jit(bumps.value)(raw), expected)
    assert (expected == 0.0).any()
    with pytest.raises(ValueError, match="in every cell, where they are cut"):
        expansions.gaussian_bumps(
            box((5, 4)),
            [-9.0],
            CENTERS[:1],
            width=9.0,
            bounds=(0.0, 0.8),
            bound_amplitudes=False,
        )


def test_amplitudes_may_lie_in_an_interval_that_reaches_below_0():
    own = {"bounds": (0.0, 4.0), "offset": 1.0, "amplitude_bounds": (-1.0, 3.0)}
    bumps = expansions.gaussian_bumps(
        box((5, 4)), AMPLITUDES[:1], CENTERS[:1], width=2.0, **own
    )
    free = expansions.gaussian_bumps(
        box((5, 4)), AMPLITUDES[:1], CENTERS[:1], width=2.0, offset=1.0
    )
    np.testing.assert_allclose(bumps.value(bumps.raw), free.value(free.raw), 1e-6)
    for raw, amplitude in ((-50.0, -1.0), (50.0, 3.0)):
        found = bumps.value({**bumps.raw, "amplitudes": jnp.full(1, raw)})
        expected = free.value({**free.raw, "amplitudes": jnp.full(1, amplitude)})
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert found.min() >= 0
    with pytest.raises(ValueError, match=r"not all inside \(-1.0, 0.1\)"):
        own["amplitude_bounds"] = (-1.0, 0.1)
        expansions.gaussian_bumps(
            box((5, 4)), AMPLITUDES[:1], CENTERS[:1], width=2.0, **own
        )


@pytest.mark.parametrize("offset", [0.05, 2.5, 3.0, np.nan])
def test_an_offset_outside_the_bounds_is_refused(offset):
    with pytest.raises(ValueError, match=rf"offset={offset} is not inside .*2\.5\)"):
        bumps_within((0.1, 2.5), offset=offset)


def test_bumps_that_no_gradient_would_move_are_refused():
    # Wide bumps over all of the box, whose sum is above the cut everywhere.
    with pytest.raises(ValueError, match="in every cell, where they are cut") as error:
        bumps_within((0.0, 1.6), width=30.0)
    assert "\n" not in str(error.value)
    # One cell below the cut is enough.
    bumps = bumps_within((0.0, 1.6), width=2.0)
    assert (bumps.value(bumps.raw) == np.float32(1.6)).any()
    slopes = jax.jit(jax.grad(lambda raw: bumps.value(raw).sum()))(bumps.raw)
    assert all(np.abs(leaf).min() > 0 for leaf in jax.tree.leaves(slopes))


def test_a_fourier_series_has_the_values_of_its_waves():
    domain = box((7, 6))
    series = expansions.fourier(domain, 2)
    x, y = np.moveaxis(2 * np.pi * domain.coordinates() / domain.extent, -1, 0)
    assert series.raw.shape == (5, 5)
    raw = np.zeros((5, 5), np.float32)
    # 1, cos x, sin x, cos 2x, sin 2x along each axis.
    raw[0, 0], raw[1, 0], raw[0, 2], raw[4, 3] = 0.5, 2.0, -1.0, 0.7
    expected = 0.5 + 2 * np.cos(x) - np.sin(y) + 0.7 * np.sin(2 * x) * np.cos(2 * y)
    value = series.value(raw)
    assert value.shape == (7, 6)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, expected, atol=1e-6)


def test_a_closed_box_takes_cosines_that_are_flat_at_the_walls():
    domain = box((5, 4, 3), periodic=False)
    series = expansions.fourier(domain, 2)
    x, y, z = np.moveaxis(np.pi * domain.coordinates() / domain.extent, -1, 0)
    raw = np.zeros((3, 3, 3), np.float32)
    raw[1, 0, 0], raw[0, 2, 1], raw[2, 1, 0] = 2.0, -1.0, 0.7
    expected = (
        2 * np.cos(x) - np.cos(2 * y) * np.cos(z) + 0.7 * np.cos(2 * x) * np.cos(y)
    )
    np.testing.assert_allclose(series.value(raw), expected, atol=1e-6)


def test_components_of_a_vector_are_series_of_their_own():
    domain = box((7, 6))
    vector = expansions.fourier(domain, 2, guess=0.3, num_components=2)
    scalar = expansions.fourier(domain, 2)
    np.testing.assert_allclose(vector.value(vector.raw), np.full((7, 6, 2), 0.3))
    raw = random_raw(vector)
    parts = [scalar.value(raw[..., c]) for c in range(2)]
    np.testing.assert_allclose(vector.value(raw), np.stack(parts, -1), atol=1e-6)


@pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "closed"])
def test_a_series_without_its_constant_has_zero_mean(periodic):
    series = expansions.fourier(box((7, 6), periodic), 2, zero_mean=True)
    raw = random_raw(series)
    value = series.value(raw)
    assert np.abs(value).max() > 0.5
    # 42 values of order 5.
    np.testing.assert_allclose(value.mean(), 0, atol=1e-6)
    other = series.value(raw.at[0, 0].add(100.0))
    np.testing.assert_allclose(value, other, atol=1e-4)


@pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "closed"])
def test_a_series_starts_at_the_guess_and_stays_inside_its_bounds(periodic):
    domain = box((7, 6), periodic)
    series = expansions.fourier(domain, 2, guess=0.7, bounds=(0.5, 3.0))
    assert series.upper == 3.0
    np.testing.assert_allclose(series.value(series.raw), 0.7, rtol=1e-6)
    assert expansions.fourier(domain, 2, guess=-0.7).upper == np.inf
    evaluate = jax.jit(series.value)
    for seed in range(20):
        value = evaluate(10 * random_raw(series, seed))
        assert value.min() >= 0.5 and value.max() <= 3.0
        assert np.ptp(value) > 1.0


def make(kind, domain):
    if kind == "bumps":
        return expansions.gaussian_bumps(
            domain, AMPLITUDES, CENTERS, bounds=(0.0, 4.0), offset=0.1
        )
    if kind == "signed bumps":
        return expansions.gaussian_bumps(domain, AMPLITUDES, CENTERS, fit_width=False)
    if kind == "raw bumps":
        return expansions.gaussian_bumps(
            domain,
            AMPLITUDES,
            CENTERS,
            bounds=(0.0, 4.0),
            offset=0.1,
            bound_amplitudes=False,
        )
    if kind == "vector series":
        return expansions.fourier(domain, 2, num_components=2, zero_mean=True)
    return expansions.fourier(domain, 2, 0.5, bounds=(0.1, 2.0))


KINDS = ["bumps", "signed bumps", "raw bumps", "vector series", "series"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "closed"])
def test_the_same_parameters_are_the_same_function_on_a_finer_grid(kind, periodic):
    domain = box((7, 6), periodic)
    both = [make(kind, domain), make(kind, domain.refined(3))]
    raw = random_raw(both[0])
    coarse, fine = jax.jit(lambda raw: [one.value(raw) for one in both])(raw)
    # Every third of 3n cells has its centre where one of n has.
    np.testing.assert_allclose(fine[1::3, 1::3], coarse, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences(kind):
    with enable_x64():
        coefficient = make(kind, box((7, 6)))
        shift = random_raw(coefficient, dtype=np.float64)
        start = jax.tree.map(
            lambda r, s: jnp.float64(r) + 0.3 * s, coefficient.raw, shift
        )
        flat, unravel = ravel_pytree(start)
        assert coefficient.value(start).dtype == jnp.float64

        @jax.jit
        @jax.value_and_grad
        def loss(flat):
            return jnp.mean(coefficient.value(unravel(flat)) ** 3)

        slope = loss(flat)[1]
        for seed in range(3):
            direction = np.random.default_rng(seed).normal(size=flat.shape)
            ahead, behind = (loss(flat + h * direction)[0] for h in (1e-5, -1e-5))
            central = (ahead - behind) / 2e-5
            # Central differences err by 1e-10 times third derivatives of order 100.
            np.testing.assert_allclose(slope @ direction, central, atol=1e-7)
            assert abs(central) > 1e-3


def test_mistakes_are_refused():
    domain = box((7, 6))
    with pytest.raises(ValueError, match=r"\(2,\) and \(2, 3\), expected .* \(M, 2\)"):
        expansions.gaussian_bumps(domain, AMPLITUDES, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="must be finite"):
        expansions.gaussian_bumps(domain, AMPLITUDES, [[1.0, 0.7], [np.nan, 1.5]])
    with pytest.raises(ValueError, match="width=0.0 must be positive"):
        expansions.gaussian_bumps(domain, AMPLITUDES, CENTERS, width=0.0)
    with pytest.raises(ValueError, match=r"not all inside \(0.0, 1.0\)"):
        bumps_within((0.0, 0.5))
    with pytest.raises(ValueError, match="must be finite with 0 <= lower < upper"):
        bumps_within((-1.0, 2.5))
    with pytest.raises(ValueError, match="num_modes=3 does not fit .* holds 1 to 2"):
        expansions.fourier(domain, 3)
    with pytest.raises(ValueError, match="num_modes=6 does not fit .* holds 1 to 5"):
        expansions.fourier(box((7, 6), periodic=False), 6)
    with pytest.raises(ValueError, match="num_modes=0 does not fit"):
        expansions.fourier(domain, 0)
    with pytest.raises(ValueError, match=r"strictly inside the bounds \(1, 2\)"):
        expansions.fourier(domain, 2, guess=0.5, bounds=(1.0, 2.0))


@pytest.mark.parametrize("ndim", [1, 2])
def test_a_field_between_knots_is_multilinear_and_stays_in_its_bounds(ndim):
    domain = Domain((9, 12)[:ndim], (1.0, 2.0)[:ndim], periodic=False)
    made = expansions.knots(domain, 3, 0.5, (0.1, 2.0))
    np.testing.assert_allclose(made.value(made.raw), 0.5, rtol=1e-6)
    raw = np.random.default_rng(0).normal(size=made.raw.shape).astype(np.float32)
    at_knots = 0.1 + 1.9 / (1 + np.exp(-raw))
    axes = [np.linspace(0, length, 3) for length in domain.extent]
    exact = RegularGridInterpolator(axes, at_knots)(domain.coordinates())
    np.testing.assert_allclose(made.value(raw), exact, rtol=1e-5)


def test_knots_need_a_closed_box_with_room_for_them():
    for domain in (Domain((9,), (1.0,)), Domain((2,), (1.0,), periodic=False)):
        with pytest.raises(ValueError, match="expected a closed box"):
            expansions.knots(domain, 3, 0.5)


def test_sines_have_the_values_of_their_formula():
    domain, period = box((5, 4), periodic=False), 2.5
    amplitudes = [[1.0, -2.0, 0.5], [3.0, 0.3, -1.0], [0.2, 2.0, -0.4]]
    sines = expansions.positive_sines(domain, 0.6, amplitudes, period, (0.0, 9.0))
    x = domain.coordinates() - np.array(domain.extent) / 2
    series = sum(
        c
        * np.sin(2 * np.pi * (m + 1) * x[..., 0] / period)
        * np.sin(2 * np.pi * (n + 1) * x[..., 1] / period)
        for m, row in enumerate(amplitudes)
        for n, c in enumerate(row)
    )
    expected = 0.36 + np.log1p(np.exp(series))
    np.testing.assert_allclose(sines.value(sines.raw), expected, rtol=1e-5)
    low, high = np.quantile(expected, (0.2, 0.8))
    cut = expansions.positive_sines(domain, 0.6, amplitudes, period, (low, high))
    clipped = np.clip(expected, low, high)
    np.testing.assert_allclose(cut.value(cut.raw), clipped, rtol=1e-5)
    assert cut.upper == high


@pytest.mark.parametrize(
    ("periodic", "shape"), [(True, (2, 2)), (False, (2, 3)), (False, (2,))]
)
def test_sines_that_do_not_fit_their_box_are_refused(periodic, shape):
    with pytest.raises(ValueError, match="closed box, and as many waves along each"):
        expansions.positive_sines(
            box((5, 4), periodic), 0.6, np.ones(shape), 2.5, (0.0, 9.0)
        )

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data import augment, simulation, statistics, windows
from hyco_jax.grids import resampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.training import losses
from hyco_jax.types import Trajectories
from tests import toy

pytestmark = pytest.mark.usefixtures("strict_numerics")

DOMAIN = Domain((8, 4), (4.0, 2.0))


@pytest.fixture(scope="module")
def truth():
    """A long record, so that means over it are sharp."""
    return 3.0 + 2.0 * jax.random.normal(jax.random.key(1), (4, 51, 8, 4, 2))


def test_restriction_averages_cells_exactly():
    fine = jnp.arange(2 * 4 * 6 * 2, dtype=jnp.float32).reshape(2, 4, 6, 2)
    domain, quantities = Domain((4, 6), (1.0, 1.0)), (Quantity("u", 2),)
    coarse = resampling.restrict(fine, 2, quantities, domain)
    assert coarse.shape == (2, 2, 3, 2)
    for i, j in np.ndindex(2, 3):
        block = fine[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        np.testing.assert_array_equal(coarse[:, i, j], block.mean(axis=(1, 2)))
    np.testing.assert_allclose(coarse.mean(axis=(1, 2)), fine.mean(axis=(1, 2)))
    assert resampling.restrict(fine, 1, quantities, domain) is fine


def test_a_finer_simulation_takes_finer_steps_and_is_averaged(key):
    u0 = toy.sample_u0(key, 2, size=8)
    domain, quantities = Domain((8,), (1.0,)), (Quantity("u"),)
    states = simulation.simulate(
        toy.diffuse,
        {"rate": jnp.array(0.2)},
        u0,
        3,
        2,
        lambda u: resampling.restrict(u, 2, quantities, domain),
    )
    assert states.shape == (2, 4, 4, 1)
    average = np.kron(np.eye(4), [[0.5, 0.5]])
    for t in range(4):
        exact = average @ np.linalg.matrix_power(toy.matrix(0.2, 8), 2 * t)
        np.testing.assert_allclose(states[:, t], exact @ np.asarray(u0), atol=2e-6)


def test_a_simulation_keeps_no_fine_states_and_many_take_turns(key):
    u0 = toy.sample_u0(key, 9, size=1024)
    domain, quantities = Domain((1024,), (1.0,)), (Quantity("u"),)

    def run(u0):
        return simulation.simulate(
            toy.diffuse,
            {"rate": jnp.array(0.2)},
            u0,
            200,
            2,
            lambda u: resampling.restrict(u, 16, quantities, domain),
        )

    compiled = jax.jit(run).lower(u0).compile()
    # A fifth of what the fine states of eight simulations would take.
    assert compiled.memory_analysis().temp_size_in_bytes < 0.2 * 8 * 200 * 1024 * 4
    apart = jnp.concatenate([run(u[None]) for u in (u0[0], u0[8])])
    np.testing.assert_allclose(compiled(u0)[::8], apart, atol=1e-6)


def test_a_box_marks_the_cells_whose_centres_it_holds():
    centre = simulation.observed_region(Domain((8,), (4.0,)), ((0.25, 0.75),))
    np.testing.assert_array_equal(np.flatnonzero(centre), [2, 3, 4, 5])
    box = simulation.observed_region(DOMAIN, ((0.0, 0.5), (0.5, 1.0)))
    expected = np.zeros((8, 4), bool)
    expected[:4, 2:] = True
    np.testing.assert_array_equal(box, expected)
    assert simulation.observed_region(DOMAIN, ((0, 1), (0, 1))).all()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (((0.0, 1.0),), "for each of the 2 axes"),
        (((0.0, 0.01), (0.0, 1.0)), "holds no cell"),
        (((0.7, 0.3), (0.0, 1.0)), "holds no cell"),
    ],
)
def test_a_box_that_does_not_fit_is_an_error(box, message):
    with pytest.raises(ValueError, match=message):
        simulation.observed_region(DOMAIN, box)


def test_the_noise_has_the_stated_deviation_and_spares_the_start(key, truth):
    everywhere = np.ones(DOMAIN.resolution, bool)
    observed = simulation.observe(key, truth, everywhere, noise_std=0.1)
    noise = np.asarray(observed.states - truth)
    np.testing.assert_array_equal(noise[:, 0], 0.0)
    # 12800 values: the deviation is known to 1 / sqrt(2 · 12800) = 0.6 %.
    assert noise[:, 1:].std() == pytest.approx(0.1 * float(truth.std()), rel=0.03)
    assert abs(noise[:, 1:].mean()) < 0.01
    again = simulation.observe(key, truth, everywhere, noise_std=0.1)
    np.testing.assert_array_equal(observed.states, again.states)
    other = simulation.observe(jax.random.key(5), truth, everywhere, noise_std=0.1)
    assert (observed.states != other.states).any()


def test_what_is_not_observed_is_nan_and_has_no_weight(key, truth):
    region = simulation.observed_region(DOMAIN, ((0.25, 0.75), (0.0, 1.0)))
    observed = simulation.observe(key, truth, region, every=5)
    weights = np.broadcast_to(observed.weights, truth.shape)
    assert observed.weights.dtype == observed.states.dtype == truth.dtype
    expected = np.zeros(truth.shape)
    expected[:, 0] = 1
    expected[:, 5::5] = region[None, None, ..., None]
    np.testing.assert_array_equal(weights, expected)
    np.testing.assert_array_equal(np.isnan(observed.states), expected == 0)
    np.testing.assert_array_equal(observed.states[expected == 1], truth[expected == 1])


@pytest.mark.parametrize(
    ("box", "every", "shape"),
    [
        (((0, 1), (0, 1)), 1, (1, 1, 1, 1, 1)),
        (((0, 1), (0, 1)), 5, (1, 51, 1, 1, 1)),
        (((0, 0.5), (0, 1)), 1, (1, 51, 8, 4, 1)),
    ],
)
def test_weights_are_no_larger_than_they_have_to_be(key, truth, box, every, shape):
    region = simulation.observed_region(DOMAIN, box)
    assert simulation.observe(key, truth, region, every).weights.shape == shape


def test_the_variance_is_weighted_and_leaves_out_the_start():
    states = jnp.array([9.0, 1.0, 5.0, jnp.nan]).reshape(1, 4, 1, 1)
    weights = jnp.array([1.0, 3.0, 1.0, 0.0]).reshape(1, 4, 1, 1)
    # mean (3·1 + 1·5) / 4 = 2, variance (3·1² + 1·3²) / 4 = 3
    assert statistics.variance(states, weights) == pytest.approx(3.0)


def test_each_quantity_has_its_own_variance_and_a_static_one_has_1(key):
    quantities = (Quantity("u", 2), Quantity("v"), Quantity("inflow", is_static=True))
    states = jax.random.normal(key, (2, 9, 16, 4)) * np.array(
        [[[[1.0, 3.0, 10.0, 2.0]]]]
    )
    variances = statistics.variance(states, 1.0, quantities)
    u, v = np.asarray(states[:, 1:, :, :2]), np.asarray(states[:, 1:, :, 2])
    np.testing.assert_allclose(variances, [u.var(), u.var(), v.var(), 1], rtol=1e-5)


def test_noise_is_relative_to_each_quantity_and_spares_what_is_static(key):
    quantities = (Quantity("u"), Quantity("v"), Quantity("inflow", is_static=True))
    truth = jax.random.normal(key, (2, 20, 64, 3)) * np.array([[[[1.0, 100.0, 1.0]]]])
    predicted = np.array([[True, True, False]])
    region = np.arange(64) < 32
    observed = simulation.observe(key, truth, region, 1, 0.1, quantities, predicted)
    noise = np.asarray(observed.states - truth)[:, 1:, :32]
    # 1216 values each: their deviation is known to 2 %.
    np.testing.assert_allclose(noise[..., 0].std(), 0.1, rtol=0.1)
    np.testing.assert_allclose(noise[..., 1].std(), 10.0, rtol=0.1)
    np.testing.assert_array_equal(observed.states[..., 2], truth[..., 2])
    assert not np.any(observed.weights[..., 2])
    assert np.isnan(observed.states[:, 1:, 32:, :2]).all()


def test_networks_are_normalised_by_what_was_observed(key):
    quantities = (Quantity("u", 2), Quantity("v"), Quantity("inflow", is_static=True))
    states = 5 + jax.random.normal(key, (1, 6, 8, 4)) * np.array(
        [[[[1.0, 3.0, 9.0, 2.0]]]]
    )
    weights = jnp.ones(states.shape).at[:, 3:].set(0.0).at[..., 3].set(0.0)
    seen = np.asarray(states[:, :3])
    states = states.at[:, 3:, :, :3].set(jnp.nan)
    found = statistics.normalisation(Trajectories(states, weights), quantities)
    means = [*seen[..., :3].mean(axis=(0, 1, 2)), states[..., 3].mean()]
    np.testing.assert_allclose(found["mean"], means, rtol=1e-5)
    spread = np.sqrt((seen[..., :2] - seen[..., :2].mean(axis=(0, 1, 2))).var())
    # Both components of a vector share one, so that its direction is kept.
    np.testing.assert_allclose(found["std"][:2], [spread, spread], rtol=1e-4)
    np.testing.assert_allclose(found["std"][2], seen[..., 2].std(), rtol=1e-4)
    np.testing.assert_allclose(found["std"][3], states[..., 3].std(), rtol=1e-4)


# LossReal + alpha * LossGenerated

PARAMS = {"rate": jnp.array(0.35)}
diffused = toy.predict(toy.diffuse)
SCALE = 0.7


def make_parts(num_generated):
    """Real windows with gaps, and generated ones of another horizon."""
    states = toy.trajectories(jax.random.key(2), num_sims=2, num_steps=6)
    mask = (np.arange(8) < 3)[None, None, :, None]
    real = toy.observed(states, mask)
    weights = real.weights * (1.0 + jnp.arange(7.0).reshape(1, 7, 1, 1))
    first = windows.real_windows(
        real.replace(weights=weights), (np.arange(2), np.zeros(2, int)), 6
    )
    other = toy.trajectories(jax.random.key(3), num_generated, 3)
    ones = jnp.ones((1, 1, 1, 1))
    return [first, windows.predicted_windows(other, other, ones, 2)]


def weighted_mean_square(part):
    """The weighted mean over the entries of all windows, in a loop."""
    total = norm = 0.0
    for sim, start in zip(part.sim, part.start, strict=True):
        u = np.asarray(part.inputs[sim, start], np.float64)
        for k in range(1, part.horizon + 1):
            u = toy.matrix(float(PARAMS["rate"]), 8) @ u
            w = np.broadcast_to(part.weights, part.targets.shape)[sim, start + k]
            r = np.where(w > 0, part.targets[sim, start + k] - u, 0)
            total, norm = total + np.sum(w * r**2), norm + np.sum(w)
    return total / norm


@pytest.mark.parametrize("num_generated", [1, 4])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_alpha_weighs_the_two_mean_losses_whatever_the_counts(num_generated, alpha):
    parts = make_parts(num_generated)
    counts = [part.count for part in parts]
    joined = augment.augment(parts, [1.0, jnp.array(alpha)], counts, SCALE)
    loss = jax.jit(lambda p: losses.part_losses(diffused, p, joined))(PARAMS)
    real, generated = (weighted_mean_square(part) / SCALE for part in parts)
    np.testing.assert_allclose(loss, [real, alpha * generated], rtol=1e-4)


@pytest.mark.parametrize("sizes", [(1, 4), (2, 2), (6, 1)], ids=str)
def test_alpha_means_the_same_for_batches_of_any_composition(sizes):
    parts = make_parts(2)
    joined = augment.augment(parts, [1.0, 0.3], sizes, SCALE)

    @jax.jit
    def batch_loss(index):
        batches = [p.take(i) for p, i in zip(joined, index, strict=True)]
        return losses.part_losses(diffused, PARAMS, batches)

    # The mean over all batches of consecutive windows, each window equally often.
    counts = [part.count for part in parts]
    draws = np.lcm.reduce(counts)
    mean = np.mean(
        [
            batch_loss(
                [
                    (b * size + jnp.arange(size)) % count
                    for size, count in zip(sizes, counts, strict=True)
                ]
            )
            for b in range(draws)
        ],
        axis=0,
    )
    real, generated = (weighted_mean_square(part) / SCALE for part in parts)
    np.testing.assert_allclose(mean, [real, 0.3 * generated], rtol=1e-4)


def test_augmentation_stores_no_state_twice():
    parts = make_parts(2)
    for part, joined in zip(
        parts, augment.augment(parts, [1.0, 0.5], (2, 2), SCALE), strict=True
    ):
        assert joined.inputs is part.inputs and joined.targets is part.targets
        assert joined.weights.shape == part.weights.shape

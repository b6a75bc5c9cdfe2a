import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.models import regularisation
from hyco_jax.training import losses
from hyco_jax.types import Query, Samples
from tests import toy

pytestmark = pytest.mark.usefixtures("strict_numerics")


@toy.predict
def scaled(params, u):
    return params * u


diffused = toy.predict(toy.diffuse)


def make_batch(inputs, targets, weights):
    inputs, targets, weights = (
        jnp.asarray(x, jnp.float32) for x in (inputs, targets, weights)
    )
    index = jnp.zeros(len(inputs), jnp.int32)
    query = Query(index, index, inputs, horizon=targets.shape[1])
    return Samples(query, targets, weights)


def random_batch(key, size=3, horizon=2, cells=4, channels=2):
    keys = jax.random.split(key, 3)
    return make_batch(
        jax.random.normal(keys[0], (size, cells, channels)),
        jax.random.normal(keys[1], (size, horizon, cells, channels)),
        jax.random.uniform(keys[2], (size, horizon, cells, channels)),
    )


def test_the_loss_of_a_window_is_the_weighted_sum_of_squares():
    batch = make_batch(
        inputs=[[[1.0], [2.0]], [[0.5], [0.0]]],
        targets=[[[[1.0], [5.0]], [[4.0], [6.0]]], [[[1.0], [1.0]], [[2.0], [2.0]]]],
        weights=[[[[1.0], [2.0]], [[0.5], [1.0]]], [[[1.0], [1.0]], [[1.0], [3.0]]]],
    )
    # Window 0, u -> 2u: (2, 4), then (4, 8): 1·1² + 2·1² + 0.5·0² + 1·2² = 7
    # Window 1: (1, 0), then (2, 0): 1·0² + 1·1² + 1·0² + 3·2² = 13
    values = losses.weighted_squares(scaled, jnp.array(2.0), batch)
    np.testing.assert_allclose(values, [7.0, 13.0], rtol=1e-6)
    parts = losses.part_losses(scaled, jnp.array(2.0), [batch])
    np.testing.assert_allclose(parts, [10.0], rtol=1e-6)


def test_loss_and_gradient_vanish_at_the_truth(key):
    params = {"rate": jnp.array(toy.RATE)}
    states = toy.trajectories(key, num_sims=3, num_steps=2)
    batch = make_batch(states[:, 0], states[:, 1:], jnp.ones((1, 1, 1, 1)))
    loss, grad = jax.value_and_grad(
        lambda p: losses.part_losses(diffused, p, [batch]).sum()
    )(params)
    # Squares of float32 rounding, 48 of them.
    assert loss < 1e-11
    assert abs(grad["rate"]) < 1e-5


def test_unobserved_values_have_no_influence_even_if_nan(key):
    batch = random_batch(key, size=4)
    weights = batch.weights.at[0, 1].set(0).at[1, :, 2].set(0).at[2].set(0)
    batch = batch.replace(weights=weights)
    blanked = batch.replace(
        targets=jnp.where(weights > 0, batch.targets, jnp.nan),
        # Window 2 has no weight at all: its input must not matter either.
        query=batch.query.replace(u0=batch.query.u0.at[2].set(jnp.nan)),
    )

    @jax.jit
    def value_and_grad(batch):
        return jax.value_and_grad(
            lambda p: losses.part_losses(diffused, p, [batch]).sum()
        )({"rate": jnp.array(0.3)})

    (value, grad), (blank_value, blank_grad) = map(value_and_grad, (batch, blanked))
    assert np.isfinite(value) and float(grad["rate"]) != 0
    np.testing.assert_array_equal(value, blank_value)
    np.testing.assert_array_equal(grad["rate"], blank_grad["rate"])


def test_a_nan_that_is_observed_is_not_hidden(key):
    batch = random_batch(key)
    batch = batch.replace(targets=batch.targets.at[0, 0, 0, 0].set(jnp.nan))
    values = losses.weighted_squares(diffused, {"rate": jnp.array(0.3)}, batch)
    assert np.isnan(values[0]) and np.isfinite(values[1:]).all()


def test_batches_of_different_horizons_join_to_the_plain_mean(key):
    sizes_and_horizons = [(3, 2), (2, 1), (1, 2)]
    batches = [
        random_batch(k, size, horizon)
        for k, (size, horizon) in zip(
            jax.random.split(key, 3), sizes_and_horizons, strict=True
        )
    ]
    # A batch of weights of length 1 has to join the others.
    batches[2] = batches[2].replace(weights=jnp.full((1, 2, 1, 1), 0.7))
    params = {"rate": jnp.array(0.3)}

    def by_hand(batch):
        batch = jax.tree.map(np.asarray, batch)
        u, total = batch.query.u0, 0.0
        for k in range(batch.targets.shape[1]):
            u = np.stack([toy.matrix(0.3, 4) @ x for x in u])
            total += np.sum(batch.weights[:, k] * (u - batch.targets[:, k]) ** 2)
        return total / 6

    shares = jax.jit(lambda batches: losses.part_losses(diffused, params, batches))(
        batches
    )
    np.testing.assert_allclose(shares, [by_hand(b) for b in batches], rtol=1e-5)


def test_weights_may_differ_by_channel(key):
    batch = random_batch(key)
    params = {"rate": jnp.array(0.3)}
    both = batch.replace(weights=jnp.ones((1, 1, 1, 1)))
    split = [
        batch.replace(weights=jnp.asarray(w).reshape(1, 1, 1, 2))
        for w in ([1.0, 0.0], [0.0, 1.0], [3.0, 0.5])
    ]
    first, second, mixed = (losses.weighted_squares(diffused, params, b) for b in split)
    total = losses.weighted_squares(diffused, params, both)
    np.testing.assert_allclose(first + second, total, rtol=1e-5)
    np.testing.assert_allclose(3 * first + 0.5 * second, mixed, rtol=1e-5)


def test_the_loss_is_an_argument(key):
    batches = [random_batch(key), random_batch(key, horizon=1)]
    params = {"rate": jnp.array(0.3)}

    def absolute(predict, params, samples):
        error = jnp.abs(predict(params, samples.query) - samples.targets)
        return error.reshape(len(error), -1).sum(axis=1)

    parts = losses.part_losses(diffused, params, batches, absolute)
    expected = [absolute(diffused, params, batch).sum() / 6 for batch in batches]
    np.testing.assert_allclose(parts, expected, rtol=1e-5)


def test_answers_of_another_shape_than_the_targets_are_refused(key):
    batch = random_batch(key)
    longer = batch.replace(query=batch.query.replace(horizon=3))
    with pytest.raises(ValueError, match=r"answers have shape \(3, 3, 4, 2\)"):
        losses.weighted_squares(diffused, {"rate": jnp.array(0.3)}, longer)


@pytest.mark.parametrize("chunk", [2, 3, 4])
def test_chunks_have_the_value_and_gradient_of_the_whole_in_any_loop(key, chunk):
    parts = [random_batch(key, size=5), random_batch(key, size=3, horizon=1)]
    params = {"rate": jnp.array(0.3)}

    def value_and_grad(chunk):
        def loss(params, parts):
            terms = losses.part_losses(diffused, params, parts, chunk=chunk)
            return terms @ jnp.array([1.0, 3.0])

        def descend(params, _):
            value, grad = jax.value_and_grad(loss)(params, parts)
            return jax.tree.map(lambda p, g: p - 1e-3 * g, params, grad), (value, grad)

        return jax.jit(lambda params: jax.lax.scan(descend, params, length=2))(params)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
        value_and_grad(chunk),
        value_and_grad(None),
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_the_penalty_of_a_sine_has_its_exact_discrete_value(axis):
    n, h = 16, 0.25
    k = 2 * np.pi / (n * h)
    wave = jnp.sin(k * h * jnp.arange(n))
    field = jnp.broadcast_to(jnp.expand_dims(wave, 1 - axis), (n, n))
    extent = [float(n), float(n)]
    extent[axis] = n * h
    domain = Domain((n, n), tuple(extent))
    # |e^(ikh) - 1|² / h² = 4 sin²(kh/2) / h², and the mean of cos² is 1/2
    expected = 2 * np.sin(k * h / 2) ** 2 / h**2
    assert regularisation.h1_penalty(field, domain) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", regularisation.PENALTIES)
@pytest.mark.parametrize("periodic", [True, False])
def test_a_constant_coefficient_has_no_penalty(name, periodic):
    domain = Domain((8,), (0.8,), periodic)
    penalty = regularisation.PENALTIES[name]
    assert penalty(jnp.array(3.0), domain) == 0
    flat = jnp.full((8,), 3.0)
    assert penalty(flat, domain) == 0
    assert not jax.grad(penalty)(flat, domain).any()
    # Of a field twice as large it is 2 or 4 times as large.
    rough = jax.random.normal(jax.random.key(0), (8,))
    ratio = penalty(2 * rough, domain) / penalty(rough, domain)
    assert ratio == pytest.approx(2 ** regularisation.DEGREES[name], rel=1e-4)


def test_total_variation_charges_a_jump_by_its_height_and_not_by_its_steepness():
    domain = Domain((32,), (8.0,), periodic=False)
    x = jnp.arange(32.0)
    jump, ramp = 3.0 * (x >= 16), 3.0 * jnp.clip((x - 12) / 8, 0, 1)
    # ∫|c'| dx / L, but for what is rounded off below a hundredth of the slope.
    for field in (jump, ramp):
        found = regularisation.tv_penalty(field, domain)
        assert found == pytest.approx(3.0 / 8.0, rel=0.02)
    steep = regularisation.h1_penalty(jump, domain)
    gentle = float(regularisation.h1_penalty(ramp, domain))
    assert steep == pytest.approx(8 * gentle, rel=1e-4)
    # In 2-D by the length of the gradient: along a diagonal slope as along an axis.
    plane = Domain((12, 12), (3.0, 3.0), periodic=False)
    slopes = [plane.coordinates() @ np.array(d) for d in ((1.0, 0.0), (0.6, 0.8))]
    inner = [float(regularisation.tv_penalty(jnp.asarray(s), plane)) for s in slopes]
    # A twelfth of the differences, at the walls, is missing along each axis.
    assert inner[0] == pytest.approx(11 / 12, rel=0.02)
    assert inner[1] == pytest.approx(1.0, rel=0.1)


def test_the_laplacian_charges_curvature_and_no_slope():
    wave = Domain((16,), (4.0,))
    k, h = 2 * np.pi / 4.0, 0.25
    field = jnp.sin(k * h * jnp.arange(16))
    # |2 cos(kh) - 2|² / h⁴, and the mean of sin² is 1/2.
    expected = (2 * np.cos(k * h) - 2) ** 2 / h**4 / 2
    found = regularisation.laplacian_penalty(field, wave)
    assert found == pytest.approx(expected, rel=1e-4)
    closed = Domain((6, 5), (3.0, 2.0), periodic=False)
    slope = jnp.asarray(closed.coordinates() @ np.array([2.0, -3.0]), jnp.float32)
    assert regularisation.laplacian_penalty(slope, closed) < 1e-8


def test_the_penalty_of_a_vector_field_adds_up_and_stops_at_walls():
    slope = jnp.arange(4.0)[:, None] * jnp.array([[1.0, 2.0]])
    # Slopes 1 / 0.5 and 2 / 0.5 between cells: 2² + 4²; periodic, a jump of -3 and -6
    # in one of four: (3 (4 + 16) + 36 + 144) / 4.
    closed = regularisation.h1_penalty(slope, Domain((4,), (2.0,), periodic=False))
    assert closed == pytest.approx(20.0)
    assert regularisation.h1_penalty(slope, Domain((4,), (2.0,))) == pytest.approx(60.0)


def test_parts_at_other_points_of_the_same_queries_share_one_answer():
    """Answers are x² + t of a model that is asked once; the losses are the same."""
    rng = np.random.default_rng(0)
    asked = []

    def predict(params, query):
        asked.append(query.points.shape[1])
        return params * query.points[..., 1:] ** 2 + query.points[..., :1]

    def part(count):
        points = jnp.asarray(rng.normal(size=(2, count, 2)), jnp.float32)
        query = Query(jnp.arange(2), jnp.zeros(2, jnp.int32), None, points)
        targets = jnp.asarray(rng.normal(size=(2, count, 1)), jnp.float32)
        weights = jnp.asarray(rng.uniform(size=(2, count, 1)) > 0.3, jnp.float32)
        return Samples(query, jnp.where(weights > 0, targets, jnp.nan), weights)

    parts = [part(3), part(5)]
    apart = losses.part_losses(predict, 2.0, parts)
    asked.clear()
    shared = losses.shared_losses(predict, 2.0, parts)
    assert asked == [8]
    np.testing.assert_allclose(shared, apart, rtol=1e-6)
    assert np.isfinite(
        jax.grad(lambda p: losses.shared_losses(predict, p, parts).sum())(2.0)
    )

"""Networks map states of any resolution, commute with shifts, start as u -> u."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hyco_jax import networks

SMALL = {
    "convnet": {"filters": (4, 5)},
    "resnet": {"filters": (4, 5)},
    "unet": {"levels": 2, "filters": 4, "doubling": True},
}


def _make(name, u_shape, **options):
    module = networks.make_network(name, u_shape, **SMALL[name], **options)
    return networks.as_model(module, u_shape)


def _generic(model, seed=0):
    """Random parameters, those of the last layer included."""
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda p: 0.4 * random.standard_normal(p.shape, np.float32),
        jax.eval_shape(model.init, jax.random.key(0)),
    )


def _state(shape, seed=1):
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("convnet", (5,)),
        ("resnet", (6,)),
        ("resnet", (3, 5)),
        ("unet", (6,)),
        ("unet", (4, 6)),
        ("unet", (4, 2, 6)),
    ],
)
def test_a_network_starts_as_the_identity_and_then_is_not(name, grid):
    u = _state((*grid, 2))
    model = _make(name, u.shape)
    step = jax.jit(model.step)
    np.testing.assert_array_equal(step(model.init(jax.random.key(0)), u), u)
    moved = step(_generic(model), u)
    assert moved.shape == u.shape
    assert moved.dtype == u.dtype
    assert jnp.abs(moved - u).max() > 0.1


@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
def test_parameters_fit_every_resolution(name):
    params = _generic(_make(name, (8, 2)))
    for size in (4, 12):
        u = _state((size, 2))
        out = jax.eval_shape(_make(name, u.shape).step, params, u)
        assert out.shape == u.shape


@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
def test_circular_networks_commute_with_shifts_until_they_see_coordinates(name):
    u = _state((8, 12, 2))
    # Two levels: one halving, so shifts by multiples of two; others by any.
    shift = (2, -4) if name == "unet" else (3, 5)

    def defect(**options):
        model = _make(name, u.shape, **options)
        params, step = _generic(model), jax.jit(model.step)
        shifted = step(params, jnp.roll(u, shift, (0, 1)))
        return jnp.abs(shifted - jnp.roll(step(params, u), shift, (0, 1))).max()

    # Rounding of states of order ten.
    assert defect() < 1e-4
    assert defect(coordinates=True) > 1e-2
    assert defect(padding="SAME") > 1e-2


def test_coordinates_are_periodic_and_orthogonal_waves_at_the_cell_centres():
    channels = networks._with_coordinates(jnp.zeros((4, 8, 1)), 2)
    assert channels.shape == (4, 8, 5)
    x = 2 * np.pi * (np.arange(4) + 0.5) / 4
    np.testing.assert_allclose(channels[:, 3, 1], np.sin(x), atol=1e-6)
    np.testing.assert_allclose(channels[:, 3, 2], np.cos(x), atol=1e-6)
    # The mean square of a sine is 1/2, mixed products vanish.
    waves = channels[..., 1:].reshape(-1, 4)
    np.testing.assert_allclose(waves.T @ waves / 32, np.eye(4) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "u_shape", "options", "count"),
    [
        ("resnet", (16, 1), {"filters": (16, 32, 64)}, 26_833),
        ("unet", (16, 16, 2), {"levels": 4, "filters": 64}, 592_002),
        ("unet", (16, 16, 2), {"levels": 3, "filters": 16}, 25_826),
        ("unet", (8, 8, 2), {"levels": 4, "filters": 16, "doubling": True}, 487_170),
        # 3·1·4 + 4, 3·4·5 + 5, and 5 + 1 of the last layer.
        ("convnet", (8, 1), {"filters": (4, 5)}, 16 + 65 + 6),
    ],
)
def test_sizes_are_those_of_the_original(name, u_shape, options, count):
    model = networks.as_model(networks.make_network(name, u_shape, **options), u_shape)
    params = jax.eval_shape(model.init, jax.random.key(0))
    assert networks.num_params(params) == count


def test_interpolation_is_exact_for_straight_lines_and_averages_are_kept():
    x = jnp.arange(6.0)[:, None]
    fine = networks._refine(x, 1, "SAME")
    # Fine centres lie a quarter of a coarse cell beside the coarse ones.
    line = (jnp.arange(12) - 0.5) / 2
    np.testing.assert_allclose(fine[1:-1, 0], line[1:-1])
    u = _state((4, 6, 3))
    for restricted in (
        networks._coarsen(u, 2),
        networks._refine(u, 2, "CIRCULAR"),
    ):
        np.testing.assert_allclose(restricted.mean((0, 1)), u.mean((0, 1)), atol=1e-6)


@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
def test_mapping_equals_a_loop_and_gradients_are_finite(name):
    u = _state((3, 8, 2))
    model = _make(name, u.shape[1:], coordinates=True)
    params = _generic(model)
    mapped = jax.jit(jax.vmap(model.step, in_axes=(None, 0)))(params, u)
    step = jax.jit(model.step)
    for one, expected in zip(u, mapped, strict=True):
        # Rounding: the products are summed in another order.
        np.testing.assert_allclose(step(params, one), expected, rtol=1e-5, atol=1e-5)

    def loss(params):
        return jnp.sum(jax.vmap(model.step, in_axes=(None, 0))(params, u) ** 2)

    for leaf in jax.tree.leaves(jax.jit(jax.grad(loss))(params)):
        assert leaf.dtype == jnp.float32
        assert jnp.isfinite(leaf).all()
        assert jnp.abs(leaf).max() > 0


def test_a_network_overfits_one_batch():
    u = _state((4, 8, 1))
    target = jnp.roll(u, 1, axis=1) - 0.5 * u
    model = _make("resnet", u.shape[1:], activation="gelu")
    tx = optax.adam(1e-2)

    def loss(params):
        predicted = jax.vmap(model.step, in_axes=(None, 0))(params, u)
        return jnp.mean((predicted - target) ** 2)

    def update(carry, _):
        params, opt_state = carry
        value, gradient = jax.value_and_grad(loss)(params)
        updates, opt_state = tx.update(gradient, opt_state)
        return (optax.apply_updates(params, updates), opt_state), value

    params = model.init(jax.random.key(0))
    scan = jax.jit(lambda c: jax.lax.scan(update, c, None, length=400))
    _, losses = scan((params, tx.init(params)))
    assert losses[-1] < losses[0] / 100


def test_without_the_residual_output_a_network_starts_generic():
    u = _state((8, 1))
    model = _make("convnet", u.shape, residual=False)
    out = model.step(model.init(jax.random.key(0)), u)
    assert out.shape == u.shape
    assert jnp.abs(out).max() > 1e-3
    assert jnp.abs(out - u).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "unett",
            {},
            r"^synthetic\.name='unett' is not one of \['convnet', 'resnet', 'unet'\]$",
        ),
        ("unet", {"depth": 3}, r"unet has no option 'depth'; allowed: \['activation'"),
        ("unet", {"ndim": 1}, r"unet has no option 'ndim'"),
        ("unet", {"levels": "3"}, r"unet\.levels='3' must be a positive int"),
        ("unet", {"levels": 0}, r"unet\.levels=0 must be a positive int"),
        ("unet", {"filters": True}, r"unet\.filters=True must be a positive int"),
        ("unet", {"doubling": 1}, r"unet\.doubling=1 must be a bool"),
        ("resnet", {"filters": 8}, r"resnet\.filters=8 must be a tuple of positive"),
        ("resnet", {"activation": "elu"}, r"resnet\.activation='elu' is not one of"),
        ("resnet", {"padding": "zero"}, r"resnet\.padding='zero' is not one of"),
        ("unet", {"levels": 4}, r"resolution=\(12,\) is not divisible by 8"),
    ],
)
def test_wrong_options_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        networks.make_network(name, (12, 1), **options)


def test_a_list_of_filters_is_as_good_as_a_tuple():
    assert networks.make_network("resnet", (4, 1), filters=[3, 4]).filters == (3, 4)


def test_a_batched_state_is_refused():
    model = _make("convnet", (8, 1))
    params = model.init(jax.random.key(0))
    message = r"u has shape \(2, 8, 1\), expected \(8, 1\); batch with jax.vmap"
    with pytest.raises(ValueError, match=message):
        model.step(params, jnp.zeros((2, 8, 1)))

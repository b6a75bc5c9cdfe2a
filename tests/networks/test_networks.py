"""Networks map states of any resolution, commute with shifts, start as u -> u."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hyco_jax import networks
from hyco_jax.networks import base, convolutional

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = {
    "convnet": {"filters": (8, 8)},
    "fno": {"modes": 2, "width": 12, "depth": 2, "projection": 16},
    "resnet": {"filters": (6, 8)},
    "transformer": {"patch": 2, "width": 12, "depth": 1, "heads": 2, "mlp_ratio": 2},
    "unet": {"levels": 2, "filters": 6, "doubling": True},
}


def _module(name, u_shape, **options):
    return networks.make_network(name, u_shape, **{**SMALL[name], **options})


def _make(name, u_shape, **options):
    return networks.as_model(_module(name, u_shape, **options), u_shape)


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
    ("name", "grid", "options"),
    [
        ("convnet", (5,), {"learn_scale": True}),
        ("fno", (7,), {"padding": "SAME", "learn_scale": True}),
        ("fno", (4, 5), {"scale": 0.5}),
        ("fno", (4, 3, 6), {}),
        ("resnet", (6,), {}),
        ("resnet", (3, 5), {"padding": "SAME", "coordinates": True}),
        ("transformer", (6,), {"padding": "SAME", "coordinates": True}),
        ("transformer", (4, 6), {}),
        ("transformer", (4, 2, 6), {"learn_scale": True}),
        ("unet", (6,), {}),
        ("unet", (4, 6), {}),
        ("unet", (4, 2, 6), {}),
    ],
)
def test_a_network_starts_as_the_identity_and_then_is_not(name, grid, options):
    u = _state((*grid, 2))
    model = _make(name, u.shape, **options)
    step = jax.jit(model.step)
    np.testing.assert_array_equal(step(model.init(jax.random.key(0)), u), u)
    moved = step(_generic(model), u)
    assert moved.shape == u.shape
    assert moved.dtype == u.dtype
    assert jnp.abs(moved - u).max() > 0.1


@pytest.mark.parametrize("padding", ["CIRCULAR", "SAME"])
@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
def test_parameters_fit_every_resolution(name, padding):
    params = _generic(_make(name, (8, 2), padding=padding))
    for size in (4, 12):
        u = _state((size, 2))
        model = _make(name, u.shape, padding=padding)
        out = jax.eval_shape(model.step, params, u)
        assert out.shape == u.shape


@pytest.mark.parametrize("name", sorted(set(networks.NETWORKS) - {"transformer"}))
def test_circular_networks_commute_with_shifts_until_they_see_coordinates(name):
    u = _state((8, 12, 2))
    # Two levels: one halving, so shifts by multiples of two; others by any.
    shift = (2, -4) if name == "unet" else (1, 5)

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
    channels = base.with_coordinates(jnp.zeros((4, 8, 1)), 2, "CIRCULAR")
    assert channels.shape == (4, 8, 5)
    x = 2 * np.pi * (np.arange(4) + 0.5) / 4
    np.testing.assert_allclose(channels[:, 3, 1], np.sin(x), atol=1e-6)
    np.testing.assert_allclose(channels[:, 3, 2], np.cos(x), atol=1e-6)
    # The mean square of a sine is 1/2, mixed products vanish.
    waves = channels[..., 1:].reshape(-1, 4)
    np.testing.assert_allclose(waves.T @ waves / 32, np.eye(4) / 2, atol=1e-6)


def test_coordinates_of_a_closed_domain_run_from_wall_to_wall():
    channels = base.with_coordinates(jnp.zeros((2, 4, 5, 1)), 2, "SAME")
    assert channels.shape == (2, 4, 5, 3)
    # Centres of four cells on [-1, 1], half a cell of 1/4 from the walls, and of five.
    x, y = [-0.75, -0.25, 0.25, 0.75], [-0.8, -0.4, 0.0, 0.4, 0.8]
    np.testing.assert_allclose(channels[0, :, 2, 1], x, atol=1e-6)
    np.testing.assert_allclose(channels[1, 3, :, 2], y, atol=1e-6)


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
    fine = convolutional._refine(x, 1, "SAME")
    # Fine centres lie a quarter of a coarse cell beside the coarse ones.
    line = (jnp.arange(12) - 0.5) / 2
    np.testing.assert_allclose(fine[1:-1, 0], line[1:-1])
    u = _state((4, 6, 3))
    for restricted in (
        convolutional._coarsen(u, 2),
        convolutional._refine(u, 2, "CIRCULAR"),
    ):
        np.testing.assert_allclose(restricted.mean((0, 1)), u.mean((0, 1)), atol=1e-6)


@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
def test_mapping_equals_a_loop_and_gradients_are_finite(name):
    u = _state((3, 8, 2))
    model = _make(name, u.shape[1:], coordinates=True, learn_scale=True)
    params = _generic(model)

    def loss(params):
        mapped = jax.vmap(model.step, in_axes=(None, 0))(params, u)
        return jnp.sum(mapped**2), mapped

    grads, mapped = jax.jit(jax.grad(loss, has_aux=True))(params)
    step = jax.jit(model.step)
    for one, expected in zip(u, mapped, strict=True):
        # Rounding: the products are summed in another order.
        np.testing.assert_allclose(step(params, one), expected, rtol=1e-5, atol=1e-5)
    for path, leaf in jax.tree.leaves_with_path(grads):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()
        # Adding the same to all keys of an attention changes no softmax.
        idle = jax.tree_util.keystr(path).endswith("['key']['bias']")
        assert idle or np.abs(leaf).max() > 0


@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
def test_a_network_overfits_one_batch(name):
    u = _state((4, 8, 2))
    target = jnp.roll(u, 1, axis=1) - 0.5 * u[..., ::-1] ** 2
    # Wide enough for all eight points: a network that is too small stays at 0.1.
    options = {"fno": {"modes": 4}, "unet": {"filters": 8, "doubling": False}}
    model = _make(name, u.shape[1:], activation="gelu", **options.get(name, {}))
    tx = optax.adam(optax.cosine_decay_schedule(1e-2, 1500))

    def loss(params):
        predicted = jax.vmap(model.step, in_axes=(None, 0))(params, u)
        return jnp.sum((predicted - target) ** 2) / jnp.sum(target**2)

    def update(carry, _):
        params, opt_state = carry
        value, gradient = jax.value_and_grad(loss)(params)
        updates, opt_state = tx.update(gradient, opt_state)
        return (optax.apply_updates(params, updates), opt_state), value

    params = model.init(jax.random.key(0))
    scan = jax.jit(lambda c: jax.lax.scan(update, c, None, length=1500))
    _, losses = scan((params, tx.init(params)))
    # The relative error starts at one and ends near rounding.
    assert losses[0] > 0.5
    assert losses[-1] < 1e-3**2


def test_without_the_residual_output_a_network_starts_generic():
    u = _state((8, 1))
    model = _make("convnet", u.shape, residual=False)
    out = jax.jit(model.step)(model.init(jax.random.key(0)), u)
    assert out.shape == u.shape
    assert jnp.abs(out).max() > 1e-3
    assert jnp.abs(out - u).max() > 1e-3


def test_the_scale_multiplies_the_residual_and_is_learned_on_request():
    u = _state((6, 2))
    model = _make("convnet", u.shape)
    params = _generic(model)
    change = jax.jit(model.step)(params, u) - u
    scaled = _make("convnet", u.shape, scale=0.25)
    # Rounding of states of order ten.
    moved = jax.jit(scaled.step)(params, u)
    np.testing.assert_allclose(moved - u, change / 4, atol=1e-5)

    learned = _make("convnet", u.shape, scale=0.25, learn_scale=True)
    assert learned.init(jax.random.key(0))["network"]["scale"] == 0.25

    def total(scale):
        return learned.step({"network": {**params["network"], "scale": scale}}, u).sum()

    value, slope = jax.jit(jax.value_and_grad(total))(jnp.asarray(0.25))
    np.testing.assert_allclose(value, moved.sum(), rtol=1e-4)
    np.testing.assert_allclose(slope, change.sum(), rtol=1e-4)


@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
def test_every_product_takes_the_precision_asked_for(name):
    u = jnp.ones((4, 4, 2))

    def products(precision):
        model = _make(name, u.shape, precision=precision)
        params = jax.eval_shape(model.init, jax.random.key(0))
        gradient = jax.grad(lambda params: model.step(params, u).sum())
        lowered = jax.jit(gradient).trace(params).lower(lowering_platforms=("cuda",))
        lines = lowered.as_text().splitlines()
        kinds = ("stablehlo.convolution", "stablehlo.dot_general")
        return [line for line in lines if any(kind in line for kind in kinds)]

    assert all("HIGHEST" in line for line in products("highest"))
    low = [line for line in products("default") if "HIGHEST" not in line]
    # Those of spectral transforms are always exact.
    assert low if name == "fno" else low == products("default")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "unett",
            {},
            r"^synthetic\.name='unett' is not one of \['convnet', 'fno', 'resnet', "
            r"'transformer', 'unet'\]$",
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
        ("fno", {"precision": "low"}, r"fno\.precision='low' is not one of \['defa"),
        ("fno", {"scale": 0.0}, r"fno\.scale=0\.0 must be a positive number"),
        ("fno", {"scale": float("nan")}, r"fno\.scale=nan must be a positive number"),
        ("fno", {"static": -1}, r"fno\.static=-1 must be an int, 0 or more"),
        ("convnet", {"static": 1}, r"static=1 of 1 channels leaves none to predict"),
        (
            "convnet",
            {"residual": False, "learn_scale": True},
            r"learn_scale=True are factors of the residual; set residual=True",
        ),
        ("unet", {"levels": 4}, r"resolution=\(12,\) is not divisible by 8"),
        (
            "fno",
            {"modes": 7},
            r"modes=7 need more than 12 points along each axis, got \(12,\); "
            r"use modes <= 6",
        ),
        (
            "transformer",
            {"patch": 5},
            r"resolution=\(12,\) is not divisible by patch=5",
        ),
        ("transformer", {"heads": 5}, r"width=64 is not divisible by heads=5"),
    ],
)
def test_wrong_options_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        networks.make_network(name, (12, 1), **options)


def test_a_list_of_filters_is_as_good_as_a_tuple():
    assert networks.make_network("resnet", (4, 1), filters=[3, 4]).filters == (3, 4)


def test_another_resolution_is_checked_before_it_is_compiled():
    module = _module("unet", (8, 1))
    networks.check_resolution(module, (12,))
    with pytest.raises(ValueError, match=r"resolution=\(7,\) is not divisible by 2"):
        networks.check_resolution(module, (7,))

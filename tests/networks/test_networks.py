"""Options of networks, and the layers that they share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import networks
from hyco_jax.networks import base, convolutional
from tests.networks import cases


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
    module = networks.make_network(name, u_shape, **options)
    assert networks.num_params(cases.shapes(module, u_shape)) == count


def test_interpolation_is_exact_for_straight_lines_and_averages_are_kept():
    x = jnp.arange(6.0)[:, None]
    fine = convolutional._refine(x, 1, "SAME")
    # Fine centres lie a quarter of a coarse cell beside the coarse ones.
    line = (jnp.arange(12) - 0.5) / 2
    np.testing.assert_allclose(fine[1:-1, 0], line[1:-1])
    u = cases.states(4, 6, 3)
    for restricted in (
        convolutional._coarsen(u, 2),
        convolutional._refine(u, 2, "CIRCULAR"),
    ):
        np.testing.assert_allclose(restricted.mean((0, 1)), u.mean((0, 1)), atol=1e-6)


def test_without_the_residual_output_a_network_starts_generic():
    u = cases.states(8, 1)
    module = cases.module_of("convnet", u.shape, residual=False)
    out = jax.jit(module.apply)(cases.init(module, u), u)
    assert out.shape == u.shape
    assert jnp.abs(out).max() > 1e-3
    assert jnp.abs(out - u).max() > 1e-3


def test_the_scale_multiplies_the_residual_and_is_learned_on_request():
    u = cases.states(6, 2)
    module = cases.module_of("convnet", u.shape)
    params = cases.generic(module, u.shape)["params"]

    def moved_by(module):
        return jax.jit(module.apply)({"params": params}, u)

    change = moved_by(module) - u
    moved = moved_by(cases.module_of("convnet", u.shape, scale=0.25))
    # Rounding of states of order ten.
    np.testing.assert_allclose(moved - u, change / 4, atol=1e-5)

    learned = cases.module_of("convnet", u.shape, scale=0.25, learn_scale=True)
    assert cases.init(learned, u)["params"]["scale"] == 0.25

    def total(scale):
        return learned.apply({"params": {**params, "scale": scale}}, u).sum()

    value, slope = jax.jit(jax.value_and_grad(total))(jnp.asarray(0.25))
    np.testing.assert_allclose(value, moved.sum(), rtol=1e-4)
    np.testing.assert_allclose(slope, change.sum(), rtol=1e-4)


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
    module = cases.module_of("unet", (8, 1))
    networks.check_resolution(module, (12,))
    with pytest.raises(ValueError, match=r"resolution=\(7,\) is not divisible by 2"):
        networks.check_resolution(module, (7,))

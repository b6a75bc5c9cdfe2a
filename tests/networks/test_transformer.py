"""Patches hold their own points, attend to all others and know their places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import networks
from hyco_jax.networks import transformer
from tests.networks import cases

SMALL = {"patch": 2, "width": 12, "depth": 2, "heads": 3, "mlp_ratio": 2}


def _module(u_shape, **options):
    return networks.make_network("transformer", u_shape, **{**SMALL, **options})


def _init(module, u_shape):
    """Parameters of a generic output, and the jitted module."""
    u = cases.states(*u_shape)
    return u, cases.init(module, u), jax.jit(module.apply)


@pytest.mark.parametrize("shape", [(6, 2), (2, 4, 6, 2), (2, 4, 2, 6, 2)])
def test_patches_hold_their_own_points_and_can_be_undone(shape):
    ndim = len(shape) - 1 - (len(shape) > 2)
    x = np.arange(np.prod(shape)).reshape(shape)
    patches = transformer._to_patches(x, ndim, 2)
    np.testing.assert_array_equal(transformer._from_patches(patches, ndim, 2), x)
    first = x[(..., *(slice(2),) * ndim, slice(None))]
    corner = patches[(..., *(0,) * ndim, slice(None))]
    np.testing.assert_array_equal(corner, first.reshape(corner.shape))


def test_every_patch_attends_to_every_other():
    shape = (4, 6, 1)
    module = _module(shape, residual=False, depth=1)
    u, params, _ = _init(module, shape)

    def corner(u):
        return module.apply(params, u)[0, 0, 0]

    influence = jax.jit(jax.grad(corner))(u)
    assert (jnp.abs(influence) > 1e-6).all()


def test_only_their_places_tell_patches_apart():
    shape = (8, 12, 2)
    module = _module(shape, residual=False)
    u, params, apply = _init(module, shape)
    shift = (4, -2)

    def defect(params):
        shifted = apply(params, jnp.roll(u, shift, (0, 1)))
        return jnp.abs(shifted - jnp.roll(apply(params, u), shift, (0, 1))).max()

    assert defect(params) > 1e-2
    # The embedding's rows are 2² · 2 values of a patch, then its places.
    embedding = params["params"]["Dense_0"]
    embedding["kernel"] = embedding["kernel"].at[8:].set(0)
    assert defect(params) < 1e-5


def test_a_place_has_the_same_code_at_every_resolution():
    for padding in ("CIRCULAR", "SAME"):
        coarse = transformer.positions((2, 4), 3, padding)
        fine = transformer.positions((6, 12), 3, padding)
        assert coarse.shape == (2, 4, 12)
        # Each coarse centre is that of the middle one of three fine patches.
        np.testing.assert_allclose(fine[1::3, 1::3], coarse, atol=1e-5)


def test_places_are_neighbours_across_a_periodic_border_and_not_across_walls():
    periodic, closed = (
        np.asarray(transformer.positions((16,), 1, padding))
        for padding in ("CIRCULAR", "SAME")
    )

    def distance(a, b):
        return np.linalg.norm(a - b)

    step = distance(periodic[0], periodic[1])
    np.testing.assert_allclose(distance(periodic[0], periodic[-1]), step, rtol=1e-5)
    assert distance(closed[0], closed[-1]) > 10 * distance(closed[0], closed[1])


def test_the_size_is_that_of_its_layers():
    shape = (8, 8, 2)
    params = cases.shapes(_module(shape, frequencies=3), shape)
    embedding = (2 * 2 * 2 + 2 * 2 * 3) * 12 + 12
    attention, mlp, norm = 4 * (12 * 12 + 12), 12 * 24 + 24 + 24 * 12 + 12, 2 * 12
    output = norm + 12 * 8 + 8
    count = embedding + 2 * (attention + mlp + 2 * norm) + output
    assert networks.num_params(params) == count

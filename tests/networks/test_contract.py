"""What every network satisfies: shapes, shifts, the identity at first, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hyco_jax import networks
from tests.networks import cases

EVERY_NETWORK = pytest.mark.parametrize("name", cases.NAMES)


@pytest.mark.parametrize("case", cases.BY_NAME)
def test_a_network_starts_as_the_identity_and_then_is_not(case):
    case = cases.make(case)
    u = case.u[0]
    np.testing.assert_array_equal(case.step(case.start, u), u)
    moved = case.step(case.generic, u)
    assert moved.shape == u.shape
    assert moved.dtype == u.dtype
    assert np.abs(moved - u).max() > 0.1


@pytest.mark.parametrize("case", [c for c in cases.BY_NAME if "transformer" not in c])
def test_circular_networks_commute_with_shifts_until_they_see_coordinates(case):
    case = cases.make(case)
    u, module = case.u[0], case.module
    axes = tuple(range(module.ndim))
    # Two levels: one halving, so shifts by multiples of two; others by any.
    shifts = (2, -4, 2) if isinstance(module, networks.UNet) else (1, 5, 2)
    shift = shifts[: module.ndim]
    shifted = case.step(case.generic, np.roll(u, shift, axes))
    defect = np.abs(shifted - np.roll(case.step(case.generic, u), shift, axes)).max()
    if module.padding == "CIRCULAR" and not module.coordinates:
        # Rounding of states of order ten.
        assert defect < 1e-4
    else:
        assert defect > 1e-2


@pytest.mark.parametrize("case", cases.GRADIENTS)
def test_mapping_equals_a_loop_and_gradients_are_finite(case):
    case = cases.make(case)

    def loss(params):
        mapped = jax.vmap(case.module.apply, in_axes=(None, 0))(params, case.u)
        return jnp.sum(mapped**2), mapped

    grads, mapped = jax.jit(jax.grad(loss, has_aux=True))(case.generic)
    for one, expected in zip(case.u, mapped, strict=True):
        # Rounding: the products are summed in another order.
        actual = case.step(case.generic, one)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    for path, leaf in jax.tree.leaves_with_path(grads):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()
        # Adding the same to all keys of an attention changes no softmax.
        idle = jax.tree_util.keystr(path).endswith("['key']['bias']")
        assert idle or np.abs(leaf).max() > 0


@pytest.mark.parametrize("padding", ["CIRCULAR", "SAME"])
@EVERY_NETWORK
def test_parameters_fit_every_resolution(name, padding):
    params = cases.shapes(cases.module_of(name, (8, 2), padding=padding), (8, 2))
    for size in (4, 12):
        u = jax.ShapeDtypeStruct((size, 2), jnp.float32)
        module = cases.module_of(name, u.shape, padding=padding)
        assert jax.eval_shape(module.apply, params, u).shape == u.shape


@EVERY_NETWORK
def test_a_network_overfits_one_batch(name):
    u = cases.states(4, 8, 2)
    target = np.roll(u, 1, axis=1) - 0.5 * u[..., ::-1] ** 2
    # Wide enough for all eight points: a network that is too small stays at 0.1.
    options = {"fno": {"modes": 4}, "unet": {"filters": 8, "doubling": False}}
    module = cases.module_of(
        name, u.shape[1:], activation="gelu", **options.get(name, {})
    )
    tx = optax.adam(optax.cosine_decay_schedule(1e-2, 1500))

    def loss(params):
        predicted = jax.vmap(module.apply, in_axes=(None, 0))(params, u)
        return jnp.sum((predicted - target) ** 2) / jnp.sum(target**2)

    def update(carry, _):
        params, opt_state = carry
        value, gradient = jax.value_and_grad(loss)(params)
        updates, opt_state = tx.update(gradient, opt_state)
        return (optax.apply_updates(params, updates), opt_state), value

    @jax.jit
    def train(key):
        params = module.init(key, u[0])
        return jax.lax.scan(update, (params, tx.init(params)), length=1500)[1]

    losses = train(cases.KEY)
    # The relative error starts at one and ends near rounding.
    assert losses[0] > 0.5
    assert losses[-1] < 1e-3**2


@EVERY_NETWORK
def test_every_product_takes_the_precision_asked_for(name):
    u = jnp.ones((4, 4, 2))

    def products(precision):
        module = cases.module_of(name, u.shape, precision=precision)
        params = cases.shapes(module, u.shape)
        gradient = jax.grad(lambda params: module.apply(params, u).sum())
        lowered = jax.jit(gradient).trace(params).lower(lowering_platforms=("cuda",))
        lines = lowered.as_text().splitlines()
        kinds = ("stablehlo.convolution", "stablehlo.dot_general")
        return [line for line in lines if any(kind in line for kind in kinds)]

    assert all("HIGHEST" in line for line in products("highest"))
    every = products("default")
    low = [line for line in every if "HIGHEST" not in line]
    # Those of spectral transforms are always exact.
    assert low if name == "fno" else low == every

"""A module becomes a model: static entries stay, data are normalised."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from hyco_jax import networks
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity, num_known
from hyco_jax.types import Query

SMALL = {
    "convnet": {"filters": (4,)},
    "transformer": {"patch": 2, "width": 4, "depth": 1, "heads": 1, "mlp_ratio": 1},
}


STATIC = (Quantity("u", 2), Quantity("inflow", is_static=True))


def _domain(u_shape, periodic=True):
    return Domain(u_shape[:-1], (1.0,) * (len(u_shape) - 1), periodic)


def _make(name, u_shape, *, quantities=None, normalisation=None, **options):
    quantities = quantities or (Quantity("u", u_shape[-1]),)
    module = networks.make_network(
        name, u_shape, static=num_known(quantities), **SMALL[name], **options
    )
    periodic = options.get("padding") != "SAME"
    return networks.as_model(
        module,
        _domain(u_shape, periodic),
        0.1,
        quantities,
        normalisation=normalisation,
    )


def _step(model):
    """One step of a model."""

    def step(params, u):
        zero = jnp.zeros(1, jnp.int32)
        return model.predict(params, Query(zero, zero, u[None]))[0, 0]

    return jax.jit(step)


def _generic(model):
    """Random parameters of the network, those of the last layer included."""
    random = np.random.default_rng(0)
    params = model.init(jax.random.key(0))
    network = jax.tree.map(
        lambda p: 0.4 * random.standard_normal(p.shape, np.float32), params["network"]
    )
    return {**params, "network": network}


def _state(shape):
    return jax.random.normal(jax.random.key(1), shape)


STATISTICS = {"mean": np.array([1.0, -3.0, 0.5]), "std": np.array([2.0, 0.1, 30.0])}


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("name", sorted(SMALL))
def test_static_channels_are_inputs_that_a_step_keeps(name, residual):
    u = _state((6, 3))
    options = {"quantities": STATIC, "normalisation": STATISTICS}
    model = _make(name, u.shape, residual=residual, **options)
    params, step = _generic(model), _step(model)
    moved = step(params, u)
    np.testing.assert_array_equal(moved[:, 2], u[:, 2])
    assert (moved[:, :2] != u[:, :2]).all()
    other = step(params, u.at[:, 2].add(30.0))
    assert jnp.abs(other - moved)[:, :2].max() > 1e-3
    assert other.shape == u.shape


def test_entries_that_are_not_predicted_keep_every_bit():
    u = _state((6, 4, 3)).at[0, :, 0].set(0.0).at[:, 0, 1].set(0.0)
    # The faces on the lower walls, and a static channel.
    velocity = Quantity("velocity", 2, is_staggered=True)
    quantities = (velocity, Quantity("inflow", is_static=True))
    options = {"padding": "SAME", "normalisation": STATISTICS}
    model = _make("convnet", u.shape, quantities=quantities, **options)
    moved = _step(model)(_generic(model), u)
    kept = np.zeros(u.shape, bool)
    kept[0, :, 0] = kept[:, 0, 1] = kept[..., 2] = True
    np.testing.assert_array_equal(moved[kept], u[kept])
    assert (moved[~kept] != u[~kept]).all()


class _Sees(nn.Module):
    """Predicts what the driven channel was, and what it will be."""

    @nn.compact
    def __call__(self, x):
        self.param("none", nn.initializers.ones, ())
        return x[:, -1:] * 10 + x[:, -2:-1]


@pytest.mark.parametrize("std", [1.0, 2.0])
def test_a_network_sees_what_is_driven_at_both_ends_of_a_step(std):
    quantities = (Quantity("u"), Quantity("end", is_driven=True))
    normalisation = {"mean": np.array([0.0, 5.0]), "std": np.array([1.0, std])}
    model = networks.as_model(
        _Sees(), _domain((4, 2)), 0.1, quantities, normalisation=normalisation
    )
    given = jnp.array([5.0, 7.0, 11.0])[None, :, None, None] * jnp.ones((1, 1, 4, 1))
    zero = jnp.zeros(1, jnp.int32)
    u0 = jnp.zeros((1, 4, 2))
    query = Query(zero, zero, u0, given=given, horizon=2)
    states = model.predict(model.init(jax.random.key(0)), query)[0]
    # (7 - 5)·10 + (5 - 5), (11 - 5)·10 + (7 - 5), by the deviation
    np.testing.assert_allclose(states[:, 0, 0], np.array([20.0, 62.0]) / std)
    np.testing.assert_array_equal(states[:, 0, 1], [7.0, 11.0])


def test_a_normalised_model_does_not_see_units():
    u = _state((6, 3))
    scale, offset = np.array([10.0, 1e-3, 3.0]), np.array([-7.0, 0.02, 100.0])
    model = _make("convnet", u.shape, normalisation=STATISTICS)
    params, step = _generic(model), _step(model)
    moved = {
        "mean": scale * STATISTICS["mean"] + offset,
        "std": scale * STATISTICS["std"],
    }
    # One compiled step serves both: the statistics are parameters of it.
    other = {**params, "normalisation": jax.tree.map(jnp.float32, moved)}
    u_other = (scale * u + offset).astype(jnp.float32)
    predicted = step(other, u_other)
    # Rounding of normalised states of up to 30.
    error = (predicted - offset) / scale - step(params, u)
    np.testing.assert_allclose(error / STATISTICS["std"], 0, atol=1e-3)
    assert step._cache_size() == 1


def test_statistics_are_constants_beside_the_parameters_of_the_network():
    model = _make("convnet", (6, 3), normalisation=STATISTICS)
    params = model.init(jax.random.key(0))
    assert sorted(params) == ["network", "normalisation"]
    for name, values in STATISTICS.items():
        assert params["normalisation"][name].dtype == jnp.float32
        np.testing.assert_allclose(params["normalisation"][name], values)
    assert sorted(_make("convnet", (6, 3)).init(jax.random.key(0))) == ["network"]
    # A network that starts as the identity is one for the normalised state too.
    u = _state((6, 3))
    np.testing.assert_allclose(_step(model)(params, u), u, atol=1e-5)


class _Swap(nn.Module):
    """A user's own module: swaps two channels, with one parameter."""

    features: int = 2

    @nn.compact
    def __call__(self, u):
        gain = self.param("gain", nn.initializers.ones, ())
        return gain * u[..., ::-1][..., : self.features]


def test_any_linen_module_can_be_a_model():
    u, quantities = _state((4, 2)), (Quantity("u", 2),)
    model = networks.as_model(_Swap(), _domain(u.shape), 0.1, quantities)
    out = _step(model)(model.init(jax.random.key(0)), u)
    np.testing.assert_array_equal(out, u[:, ::-1])
    message = r"_Swap maps \(4, 2\) to \(4, 1\), expected \(4, 2\): the 2 channels"
    model = networks.as_model(_Swap(features=1), _domain(u.shape), 0.1, quantities)
    with pytest.raises(ValueError, match=message):
        _step(model)(model.init(jax.random.key(0)), u)


def test_the_output_has_the_type_of_the_input():
    model = _make("convnet", (6, 3), quantities=STATIC, normalisation=STATISTICS)
    params = model.init(jax.random.key(0))
    for dtype in (jnp.float32, jnp.bfloat16):
        u = jax.ShapeDtypeStruct((6, 3), dtype)
        assert jax.eval_shape(_step(model), params, u).dtype == dtype


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"normalisation": {"mean": np.zeros(3), "std": np.array([1.0, 0.0, 1.0])}},
            r"normalisation\['std'\]=\[1\. 0\. 1\.\] must be positive; use 1 for",
        ),
        ({"normalisation": {"mean": np.zeros(3)}}, r"has \['mean'\], expected \['mea"),
        (
            {"normalisation": {"mean": np.zeros(2), "std": np.ones(3)}},
            r"normalisation\['mean'\].* has shape \(2,\), expected finite numbers of",
        ),
        (
            {"normalisation": {"mean": np.zeros(3), "std": np.full(3, np.nan)}},
            r"normalisation\['std'\].* expected finite numbers of shape \(3,\)",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        _make("convnet", (6, 3), **arguments)


def test_a_batched_state_is_refused():
    model = _make("convnet", (8, 1))
    params = model.init(jax.random.key(0))
    message = r"u has shape \(2, 8, 1\), expected \(8, 1\); batch with jax.vmap"
    with pytest.raises(ValueError, match=message):
        _step(model)(params, jnp.zeros((2, 8, 1)))

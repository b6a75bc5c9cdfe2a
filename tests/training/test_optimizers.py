import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.training import optimizers

pytestmark = pytest.mark.usefixtures("strict_numerics")


def make_tx(**changes):
    num_updates = changes.pop("num_updates", 4)
    options = {"learning_rate": 1e-2, "clip_norm": 0.0} | changes
    return optimizers.make_descent(optimizers.DescentSettings(**options), num_updates)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_weight_decay_shrinks_parameters_without_gradient(optimizer):
    tx = make_tx(optimizer=optimizer, scheduler="constant", weight_decay=0.1)
    params = {"p": jnp.array([1.0, -2.0])}
    updates, _ = tx.update({"p": jnp.zeros(2)}, tx.init(params), params)
    assert (np.sign(updates["p"]) == [-1, 1]).all()
    plain = make_tx(optimizer=optimizer, scheduler="constant")
    updates, _ = plain.update({"p": jnp.zeros(2)}, plain.init(params), params)
    np.testing.assert_array_equal(updates["p"], 0.0)


def test_gradients_are_clipped_to_a_global_norm():
    tx = make_tx(optimizer="sgd", scheduler="constant", clip_norm=2.0)
    params = {"p": jnp.zeros(2)}
    updates, _ = tx.update({"p": jnp.array([3.0, 4.0])}, tx.init(params), params)
    # Norm 5 becomes 2, times the rate of 0.01.
    np.testing.assert_allclose(updates["p"], [-0.012, -0.016], rtol=1e-5)
    updates, _ = tx.update({"p": jnp.array([0.3, 0.4])}, tx.init(params), params)
    np.testing.assert_allclose(updates["p"], [-0.003, -0.004], rtol=1e-5)


def test_the_cosine_falls_to_zero_over_the_run():
    tx = make_tx(optimizer="sgd", num_updates=4)
    params = {"p": jnp.zeros(())}
    state, rates = tx.init(params), []
    for _ in range(5):
        updates, state = tx.update({"p": jnp.ones(())}, state, params)
        rates.append(-float(updates["p"]))
    # 0.01 (1 + cos(π i / 4)) / 2
    expected = 0.005 * (1 + np.cos(np.pi * np.arange(5) / 4))
    np.testing.assert_allclose(rates, expected, atol=1e-8)


def test_a_one_cycle_rises_from_a_25th_and_falls_to_a_250000th():
    schedule = optimizers.make_schedule("onecycle", 0.5, 1000)
    assert schedule(0) == pytest.approx(0.5 / 25, rel=1e-4)
    assert schedule(300) == pytest.approx(0.5, rel=1e-4)
    assert schedule(999) < 1e-5 and schedule(1000) == pytest.approx(2e-6, rel=1e-2)
    assert schedule(150) == pytest.approx((0.5 + 0.02) / 2, rel=1e-2)


def test_adam_forgets_as_its_betas_say():
    params = {"p": jnp.zeros(())}
    for tx in (
        make_tx(scheduler="constant", b1=0.5, b2=0.9),
        optimizers.make_full_batch("adam", 1e-2, 0.5, 0.9),
    ):
        state = tx.init(params)
        for gradient, mean, square in ((1.0, 0.5, 0.1), (3.0, 1.75, 0.99)):
            updates, state = tx.update({"p": jnp.asarray(gradient)}, state, params)
            corrected = mean / (0.5 if gradient == 1.0 else 0.75)
            size = np.sqrt(square / (0.1 if gradient == 1.0 else 0.19))
            assert updates["p"] == pytest.approx(-0.01 * corrected / size, rel=1e-5)

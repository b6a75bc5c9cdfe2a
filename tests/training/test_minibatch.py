import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hyco_jax.data import windows
from hyco_jax.training import losses, minibatch, optimizers
from hyco_jax.training.state import init
from tests import toy

pytestmark = pytest.mark.usefixtures("strict_numerics")

COUNTS = (12, 10)  # windows of the two parts
SIZES = (3, 2)  # of them in a batch
UPDATES = 5  # of an epoch: ceil(22 / 5)

convolved = toy.predict(toy.convolve)


def make_parts(key):
    """Windows of horizon 1 and of horizon 2, the latter of double weight."""
    states = toy.trajectories(key)
    ones = jnp.ones((1, 1, 1, 1))
    return [
        windows.predicted_windows(states, states, ones, 1),
        windows.predicted_windows(states, states, 2 * ones, 2),
    ]


def make_state(tx):
    variables = {"kernel": jnp.array([0.1, 0.5, 0.3]), "unused": jnp.array(7.0)}
    return init(variables, ["kernel"], tx)


def make_tx(**changes):
    num_updates = changes.pop("num_updates", 4 * UPDATES)
    options = {"learning_rate": 1e-2, "clip_norm": 0.0} | changes
    return optimizers.make_descent(optimizers.DescentSettings(**options), num_updates)


def make_train(tx, step=toy.convolve, num_epochs=2, **options):
    options = {"batch_sizes": SIZES} | options

    def train(state, parts, key):
        return minibatch.train(
            state,
            parts,
            key,
            predict=toy.predict(step),
            tx=tx,
            num_epochs=num_epochs,
            **options,
        )

    return jax.jit(train)


@pytest.fixture(scope="module")
def tx():
    return make_tx()


@pytest.fixture(scope="module")
def parts():
    return make_parts(jax.random.key(1))


@pytest.fixture(scope="module")
def train(tx):
    return make_train(tx)


def make_seen_windows():
    """Maps a key to how often each update sees each window, `(2 * UPDATES, 22)`."""
    total = sum(COUNTS)
    parts, first = [], 0
    for count in COUNTS:
        # The input of window i is the i-th unit vector. With the model p * u at p = 0
        # and targets -u / 2, the gradient of sum(r²) is that unit vector.
        u = jnp.eye(total)[first : first + count, None, :, None]
        index = jnp.arange(count, dtype=jnp.int32)
        inputs, targets = jnp.concatenate([u, u], 1), jnp.concatenate([u, -u / 2], 1)
        parts.append(
            windows.Windows(
                inputs, targets, jnp.ones((1, 1, 1, 1)), index, 0 * index, 1
            )
        )
        first += count
    tx = toy.recorder(2 * UPDATES, total)
    state = init({"p": jnp.zeros(total)}, ["p"], tx)
    train = make_train(tx, lambda params, u: params["p"][:, None] * u)

    def seen_windows(key):
        after, metrics = train(state, parts, key)
        assert metrics["count"] == after.step == 2 * UPDATES
        return np.rint(np.asarray(after.opt_state[1]) * sum(SIZES)).astype(int)

    return seen_windows


def make_plain_loop(tx):
    """Trains in a Python loop on given batches; leaves out what is not finite."""

    @jax.jit
    def update(params, opt_state, batches):
        loss, grads = jax.value_and_grad(
            lambda p: losses.part_losses(convolved, p, batches).sum()
        )(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss, grads

    take = jax.jit(lambda part, index: part.take(index))

    def plain_loop(state, parts, seen):
        params, opt_state, values = state.params, state.opt_state, []
        for row in seen:
            batches, first = [], 0
            for part, count in zip(parts, COUNTS, strict=True):
                index = np.repeat(np.arange(count), row[first : first + count])
                batches.append(take(part, index))
                first += count
            *proposed, value, grads = update(params, opt_state, batches)
            values.append(float(value))
            if np.isfinite(grads["kernel"]).all():
                params, opt_state = proposed
        return params, np.array(values)

    return plain_loop


@pytest.fixture(scope="module")
def seen_windows():
    return make_seen_windows()


@pytest.fixture(scope="module")
def plain_loop(tx):
    return make_plain_loop(tx)


def test_every_batch_has_a_fixed_number_of_windows_of_each_part(seen_windows, key):
    seen = seen_windows(key)
    np.testing.assert_array_equal(seen[:, : COUNTS[0]].sum(axis=1), SIZES[0])
    np.testing.assert_array_equal(seen[:, COUNTS[0] :].sum(axis=1), SIZES[1])


def test_the_windows_of_a_part_are_seen_equally_often(seen_windows, key):
    seen = seen_windows(key).sum(axis=0)
    # 10 updates of 3 of 12 windows: 2.5 times each. 10 of 2 of 10: twice each.
    assert set(seen[: COUNTS[0]]) == {2, 3}
    np.testing.assert_array_equal(seen[COUNTS[0] :], 2)


def test_the_windows_are_shuffled_anew_by_key_and_pass(seen_windows, key):
    seen, other = seen_windows(key), seen_windows(jax.random.key(9))
    assert (seen != other).any()
    # 4 updates of 3 windows are one pass over the first part; the next has a new order.
    assert (seen[:4, : COUNTS[0]] != seen[4:8, : COUNTS[0]]).any()


def test_the_scan_equals_a_plain_loop_that_goes_on_across_calls(
    tx, parts, train, seen_windows, plain_loop, key
):
    state, keys = make_state(tx), jax.random.split(key)
    middle, metrics = train(state, parts, keys[0])
    last, _ = train(middle, parts, keys[1])
    seen = [seen_windows(k) for k in keys]
    params, values = plain_loop(state, parts, seen[0])
    # The order within a batch differs, hence the rounding.
    np.testing.assert_allclose(middle.params["kernel"], params["kernel"], rtol=2e-5)
    np.testing.assert_allclose(
        metrics["losses"], values.reshape(2, UPDATES).mean(axis=1), rtol=1e-4
    )
    params, _ = plain_loop(state, parts, np.concatenate(seen))
    np.testing.assert_allclose(last.params["kernel"], params["kernel"], rtol=5e-5)


def test_the_schedule_ends_where_the_run_does(tx, parts, train, key):
    state, moved = make_state(tx), []
    for i in range(3):
        before = state.params["kernel"]
        state, _ = train(state, parts, jax.random.fold_in(key, i))
        moved.append(np.abs(state.params["kernel"] - before).max())
    # The cosine is at 0 after 4 * UPDATES updates, that is, after two calls.
    assert moved[0] > 0 and moved[1] > 0 and moved[2] == 0


def test_training_recovers_a_linear_model(parts, key):
    tx = make_tx(learning_rate=3e-2, num_updates=60 * UPDATES)
    state, metrics = make_train(tx, num_epochs=60)(make_state(tx), parts, key)
    exact = [toy.RATE, 1 - 2 * toy.RATE, toy.RATE]
    np.testing.assert_allclose(state.params["kernel"], exact, atol=1e-3)
    assert metrics["losses"].shape == metrics["grad_norms"].shape == (60,)
    assert metrics["final_loss"] < 1e-4 * metrics["losses"][0]
    assert metrics["best_loss"] == metrics["losses"].min()


def test_the_state_keeps_structure_shapes_and_types(tx, parts, train, key):
    state = make_state(tx)
    shapes = toy.describe(state)
    for i in range(3):
        state, _ = train(state, parts, jax.random.fold_in(key, i))
        assert toy.describe(state) == shapes
    assert train._cache_size() == 1


def test_the_first_state_is_strongly_typed_and_owns_its_buffers(tx):
    kernel = jnp.ones(3)
    variables = {"kernel": kernel, "weak": jnp.asarray(2.0), "number": 3.0}
    state = init(variables, ["kernel", "weak"], tx)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(state))
    assert set(state.constants) == {"number"}
    state.params["kernel"].delete()
    assert not kernel.is_deleted()


def test_the_same_key_gives_the_same_result(tx, parts, train, key):
    results = [train(make_state(tx), parts, k) for k in (key, key, jax.random.key(9))]
    first, again, other = (result[0].params["kernel"] for result in results)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_batch_of_all_windows_has_the_plain_loss_of_params_and_constants(
    tx, parts, key
):
    def step(params, u):
        return params["scale"] * toy.convolve(params, u)

    variables = {"kernel": jnp.array([0.1, 0.5, 0.3]), "scale": jnp.array(2.0)}
    state = init(variables, ["kernel"], tx)
    train = make_train(tx, step, num_epochs=1, updates_per_epoch=1, batch_sizes=COUNTS)
    after, metrics = train(state, parts, key)
    assert after.constants == state.constants and set(after.params) == {"kernel"}
    batches = [
        part.take(jnp.arange(count)) for part, count in zip(parts, COUNTS, strict=True)
    ]
    expected = losses.part_losses(toy.predict(step), variables, batches)
    np.testing.assert_allclose(metrics["part_losses"], expected, rtol=1e-5)
    np.testing.assert_allclose(metrics["final_loss"], expected.sum(), rtol=1e-5)


def test_a_batch_that_is_not_finite_is_left_out(
    tx, parts, train, seen_windows, plain_loop, key
):
    targets = parts[0].targets.at[0, 2].set(jnp.nan)
    broken = [parts[0].replace(targets=targets), parts[1]]
    state = make_state(tx)
    after, metrics = train(state, broken, key)
    params, values = plain_loop(state, broken, seen_windows(key))
    assert 2 <= np.isnan(values).sum() < 2 * UPDATES
    np.testing.assert_allclose(after.params["kernel"], params["kernel"], rtol=2e-5)
    # Counted, and no part of an epoch's mean.
    assert metrics["skipped"] == np.isnan(values).sum()
    expected = np.nanmean(values.reshape(2, UPDATES), axis=1)
    np.testing.assert_allclose(metrics["losses"], expected, rtol=1e-4)
    np.testing.assert_allclose(metrics["part_losses"].sum(), expected[-1], rtol=1e-4)


def test_an_epoch_without_a_finite_batch_has_no_loss(tx, parts, train, key):
    broken = [
        part.replace(targets=jnp.full_like(part.targets, jnp.nan)) for part in parts
    ]
    state = make_state(tx)
    after, metrics = train(state, broken, key)
    assert np.isnan(metrics["losses"]).all()
    assert metrics["skipped"] == metrics["count"] == 2 * UPDATES
    np.testing.assert_array_equal(after.params["kernel"], state.params["kernel"])


def test_chunks_of_a_batch_make_the_same_updates(tx, parts, train, key):
    state = make_state(tx)
    whole, _ = train(state, parts, key)
    chunked, _ = make_train(tx, chunk=2)(state, parts, key)
    kernels = (s.params["kernel"] for s in (whole, chunked))
    np.testing.assert_allclose(*kernels, rtol=2e-5)


def test_input_noise_reaches_the_entries_that_it_is_given_for(parts, key):
    # The gradient of sum(p u) is the input itself, by its noise.
    tx = toy.recorder(1, 8)

    def step(params, u):
        return u + params["p"][:, None]

    ones = jnp.ones((1, 1, 1, 1))
    states = jnp.zeros((1, 2, 8, 1))
    part = windows.predicted_windows(states, states, ones, 1)
    std = np.zeros((8, 1))
    std[:3] = 2.0
    options = {"num_epochs": 1, "batch_sizes": (1,), "input_noise": std}
    state = init({"p": jnp.zeros(8)}, ["p"], tx)
    after, _ = make_train(tx, step, **options)(state, [part], key)
    noise = after.opt_state[1][0]
    assert (noise[:3] != 0).all()
    np.testing.assert_array_equal(noise[3:], 0)

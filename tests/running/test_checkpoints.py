"""Checkpoints: exact round trip, damage, kills in mid-save."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from absl import logging

from hyco_jax.running import checkpoints
from hyco_jax.types import TrainState


def make_state(seed):
    """A state with every kind of leaf, of values that depend on the seed."""
    key = jax.random.key(seed)
    params = {
        "Conv_0": {"kernel": jax.random.normal(key, (3, 2, 4)), "bias": jnp.ones(4)},
        "empty": jnp.zeros((0, 3)),
        "scalar": jnp.float32(seed) / 3,
    }
    lbfgs = jax.tree.map(
        lambda x: jnp.asarray(x, x.dtype), optax.lbfgs(memory_size=2).init(params)
    )
    return {
        # One more than float32 can count to.
        "cycle": jnp.int32(2**24 + 1 + seed),
        "key": jax.random.split(key, 2)[1],
        "keys": jax.random.split(jax.random.key(seed, impl="rbg"), 3),
        "flag": jnp.asarray([True, seed % 2 == 0]),
        "half": jnp.arange(5, dtype=jnp.bfloat16) + seed,
        "odd": jnp.asarray([jnp.nan, -0.0, jnp.inf, 1e-45]),
        "pair": (jnp.ones(2), [jnp.zeros(1)]),
        "synthetic": TrainState(
            jnp.int32(seed), params, optax.adam(1e-3).init(params), {}
        ),
        "physical": TrainState(jnp.int32(seed), params, lbfgs, {"nu": jnp.ones(3)}),
    }


def raw(leaf):
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


def assert_bitwise_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert raw(a).tobytes() == raw(b).tobytes()


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.fixture
def warnings():
    """Lines of all absl warnings, Orbax's too: a user should see none of those."""
    lines = []
    handler = logging.PythonHandler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.get_absl_logger()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def test_every_leaf_comes_back_bitwise(tmp_path):
    state = make_state(1)
    checkpoints.save(tmp_path, 1, state)
    restored, cycle = checkpoints.restore(tmp_path, make_state(2))
    assert cycle == 1
    assert_bitwise_equal(restored, state)
    # The random numbers that follow are the same too, for both kinds of key.
    for name in "key", "keys":
        key, expected = restored[name].ravel()[0], state[name].ravel()[0]
        assert jax.random.bits(key) == jax.random.bits(expected)


def test_restored_leaves_are_uncommitted_strong_and_donatable(tmp_path):
    x = jnp.arange(8.0)
    state = {"a": x, "b": x, "weak": jnp.asarray(1.0), "key": jax.random.key(0)}
    checkpoints.save(tmp_path, 1, state)
    restored, _ = checkpoints.restore(tmp_path, state)
    leaves = [restored["a"], restored["b"], restored["weak"]]
    assert not any(leaf.weak_type for leaf in leaves)
    # Committed or not is part of what jit caches on.
    assert not any(leaf.committed for leaf in jax.tree.leaves(restored))
    # Donating one buffer twice, or a deleted one, would raise.
    out = jax.jit(lambda s: jax.tree.map(lambda y: y, s), donate_argnums=0)(restored)
    np.testing.assert_array_equal(out["a"], np.arange(8.0))
    assert restored["a"].is_deleted()


def test_resumed_state_does_not_compile_again(tmp_path):
    step = jax.jit(lambda s: jax.tree.map(lambda x: x, s))
    state = step(make_state(1))
    step(state)
    compilations = step._cache_size()
    checkpoints.save(tmp_path, 1, state)
    restored, _ = checkpoints.restore(tmp_path, state)
    step(restored)
    assert step._cache_size() == compilations


@pytest.mark.parametrize("exists", [True, False])
def test_directory_without_checkpoints_gives_none(tmp_path, exists):
    directory = tmp_path if exists else tmp_path / "missing"
    assert checkpoints.restore(directory, make_state(0)) is None
    assert list(tmp_path.iterdir()) == []


def test_newest_checkpoints_are_kept_by_number_not_by_name(tmp_path):
    for cycle in 8, 9, 10, 11:
        checkpoints.save(tmp_path, cycle, {"x": jnp.full(3, cycle)}, keep=3)
    assert {path.name for path in tmp_path.iterdir()} == {"9", "10", "11"}
    state, cycle = checkpoints.restore(tmp_path, {"x": jnp.zeros(3, int)})
    assert cycle == 11 and state["x"][0] == 11
    with pytest.raises(ValueError, match="keep=1.*at least 2"):
        checkpoints.save(tmp_path, 12, state, keep=1)


FILES = ("state/data/c/0", "state/data/zarr.json", "_CHECKPOINT_METADATA")


@pytest.mark.parametrize("name", FILES)
def test_flipped_bit_is_named_and_the_checkpoint_before_it_used(
    tmp_path, warnings, name
):
    checkpoints.save(tmp_path, 1, make_state(1))
    checkpoints.save(tmp_path, 2, make_state(2))
    flip_bit(tmp_path / "2" / name)
    restored, cycle = checkpoints.restore(tmp_path, make_state(0))
    assert cycle == 1
    assert_bitwise_equal(restored, make_state(1))
    assert len(warnings) == 1 and f"{tmp_path / '2'} is damaged" in warnings[0]
    # The run comes to cycle 2 again, and keeps the good one before it.
    checkpoints.save(tmp_path, 2, make_state(2))
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2"}
    assert_bitwise_equal(checkpoints.restore(tmp_path, restored)[0], make_state(2))


def test_any_flipped_bit_of_the_data_is_found_in_its_leaf(tmp_path, warnings):
    state = {"a": jnp.ones(3), "b": {"c": jnp.ones(2)}}
    checkpoints.save(tmp_path, 1, state)
    path = tmp_path / "1" / "state/data/c/0"
    good = path.read_bytes()
    # 3 + 2 float32, before the index of the file.
    assert good.startswith(np.ones(5, np.float32).tobytes())
    for i in range(20):
        path.write_bytes(good[:i] + bytes([good[i] ^ 1 << i % 8]) + good[i + 1 :])
        with pytest.raises(ValueError, match="all checkpoints"):
            checkpoints.restore(tmp_path, state)
        assert f"leaf {'a' if i < 12 else 'b/c'} differs" in warnings[-1]


def test_all_damaged_checkpoints_are_named_with_the_remedy(tmp_path, warnings):
    for cycle in 3, 4:
        checkpoints.save(tmp_path, cycle, {"x": jnp.ones(3)})
        flip_bit(tmp_path / str(cycle) / FILES[0])
    with pytest.raises(ValueError, match=r"damaged \(4, 3\).*delete that folder"):
        checkpoints.restore(tmp_path, {"x": jnp.ones(3)})
    assert len(warnings) == 2


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (
            {"p": {"w": jnp.ones(3)}},
            r"p/w is float32 of shape \(2,\), expected .*\(3,\)",
        ),
        ({"p": {"w": jnp.ones(2, int)}}, r"p/w is float32 of .*expected int32 of"),
        ({"p": {"v": jnp.ones(2)}}, r"p/v is no such leaf, expected float32 of"),
        ({"p": {}}, r"p/w is float32 of shape \(2,\), expected no such leaf"),
        ({"p": {"w": jax.random.key(0)}}, r"p/w is .*expected key<fry> of shape \(\)"),
    ],
    ids=["shape", "dtype", "missing", "unexpected", "key"],
)
def test_state_that_does_not_fit_is_refused_by_leaf(tmp_path, state, text):
    checkpoints.save(tmp_path, 7, {"p": {"w": jnp.ones(2)}})
    with pytest.raises(ValueError, match=f"{tmp_path / '7'} does not fit: {text}"):
        checkpoints.restore(tmp_path, state)


@pytest.mark.parametrize("leaf", [1.0, np.ones(2)], ids=["float", "numpy"])
def test_leaf_that_is_no_device_array_is_refused_by_name(tmp_path, leaf):
    with pytest.raises(ValueError, match="leaf p/w of the state is a"):
        checkpoints.save(tmp_path, 1, {"p": {"w": leaf}})


def test_interrupted_save_is_ignored_and_cleaned_up(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, 1, {"x": jnp.ones(2)})
    (tmp_path / "2.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    (tmp_path / "0.removed").mkdir()
    assert checkpoints.restore(tmp_path, {"x": jnp.ones(2)})[1] == 1
    checkpoints.save(tmp_path, 2, {"x": jnp.ones(2)})
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2"}


# Imports once, then forks one child per kill, each of which goes on from the newest
# checkpoint on 8 devices and is killed after another delay.
KILLED = """
import os, pathlib, signal, sys, time
from hyco_jax.running import checkpoints
import jax, jax.numpy as jnp

def child(directory):
    mesh = jax.make_mesh((8,), ("x",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x"))
    def state(i):
        x = jax.device_put(jnp.full((8, 20_000), i, jnp.int32), sharding)
        return {"cycle": jnp.int32(i), "x": x}
    restored = checkpoints.restore(directory, state(0))
    cycle = restored[1] if restored else 0
    while True:
        cycle += 1
        checkpoints.save(directory, cycle, state(cycle))
        (directory / "progress").write_text("")

directory = pathlib.Path(sys.argv[1])
for i, delay in enumerate(map(float, sys.argv[2:])):
    (directory / "progress").unlink(missing_ok=True)
    pid = os.fork()
    if not pid:
        child(directory)
    while not (directory / "progress").exists():
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the child has failed"
        time.sleep(0.002)
    time.sleep(delay)
    # Delays alone may miss all saves where writing is quick.
    while i % 2 and not any("tmp" in p.name for p in directory.iterdir()):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    names = [p.name for p in directory.iterdir() if p.name != "progress"]
    print(*names, flush=True)
"""


def test_kill_at_any_moment_leaves_a_good_newest_checkpoint(tmp_path, warnings):
    rng = np.random.default_rng(0)
    delays = [f"{x:.4f}" for x in rng.uniform(0.0, 0.08, 5)]
    # Saved on 8 devices, restored here on as many as there are.
    flags = "--xla_force_host_platform_device_count=8"
    out = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), *delays],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=120,
    ).stdout
    kills = [line.split() for line in out.splitlines()]
    assert len(kills) == len(delays)
    # Saves were hit; otherwise the test would say little.
    assert any("." in name for names in kills for name in names)
    newest = [max(int(n) for n in names if n.isdecimal()) for names in kills]
    assert newest == sorted(set(newest))
    expected = {"cycle": jnp.int32(0), "x": jnp.zeros((8, 20_000), jnp.int32)}
    state, cycle = checkpoints.restore(tmp_path, expected)
    assert warnings == [] and cycle == newest[-1]
    assert state["cycle"] == cycle and (state["x"] == cycle).all()

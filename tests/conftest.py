"""Fixtures that all tests share."""

import jax
import pytest


@pytest.fixture
def key():
    """A PRNG key."""
    return jax.random.key(0)


# Of a whole module, since it is part of what a jit cache distinguishes.
@pytest.fixture(scope="module")
def strict_numerics():
    """Makes a silent change of rank an error; not for PhiFlow, which relies on it."""
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="module")
def quick_compilation():
    """Skips optimisations of XLA where compiling takes longer than the tests."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)

"""Fixtures that all tests share."""

import jax
import pytest


@pytest.fixture
def key():
    """A PRNG key."""
    return jax.random.key(0)


@pytest.fixture
def strict_numerics():
    """Makes a silent change of rank an error; not for PhiFlow, which relies on it."""
    with jax.numpy_rank_promotion("raise"):
        yield

"""Fixtures of the tests of PDEs."""

import pytest

from tests.x64 import enable_x64


@pytest.fixture
def x64():
    """Float64 in JAX and PhiFlow."""
    with enable_x64():
        yield

"""Float64 inside JAX and PhiFlow, for tests that need more than float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax

from hyco_jax.grids.fields import flow

if hasattr(jax, "enable_x64"):
    jax_x64 = jax.enable_x64
else:  # Before jax 0.8.
    from jax.experimental import enable_x64 as jax_x64


@contextmanager
def enable_x64(enabled: bool = True) -> Iterator[None]:
    """Switches JAX and PhiFlow to float64 (or float32) inside a `with` block."""
    with jax_x64(enabled), flow.math.precision(64 if enabled else 32):
        yield

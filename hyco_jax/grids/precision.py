"""Float64 for a while, in JAX and PhiFlow alike."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax

# PhiFlow's mathematics; importing it leaves JAX's backends and settings alone.
from phiml import math

if hasattr(jax, "enable_x64"):
    _jax_x64 = jax.enable_x64
else:  # Before jax 0.8.
    from jax.experimental import enable_x64 as _jax_x64


@contextmanager
def enable_x64(enabled: bool = True) -> Iterator[None]:
    """Switches JAX and PhiFlow to float64 (or float32) inside a `with` block."""
    with _jax_x64(enabled), math.precision(64 if enabled else 32):
        yield


@contextmanager
def float64_on_cpu() -> Iterator[jax.Device]:
    """Switches to float64 on the CPU inside a `with` block, whatever the accelerator.

    Yields:
        The device, to put arrays on that exist already.

    Raises:
        ValueError: If JAX was told to leave the CPU out.
    """
    try:
        (device, *_) = jax.local_devices(backend="cpu")
    except RuntimeError as error:
        raise ValueError(
            "the truth is simulated in float64 on the CPU, which JAX was told to leave "
            "out; add it to the platforms, such as JAX_PLATFORMS=cuda,cpu"
        ) from error
    with enable_x64(), jax.default_device(device):
        yield device

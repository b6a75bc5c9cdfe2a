"""Keeps compiled programs between runs, in the user's cache folder."""

import contextlib
import hashlib
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jaxlib
from absl import logging
from jax.experimental.compilation_cache import compilation_cache


@contextlib.contextmanager
def kept_programs(enabled: bool) -> Iterator[None]:
    """Makes JAX keep what it compiles, while the context lasts.

    A folder that JAX has been told of, as by `JAX_COMPILATION_CACHE_DIR`, stays the
    one that is used. One that cannot be written ends in a warning.

    Args:
        enabled: False switches any such folder off.
    """
    new = _options() if enabled else {"jax_enable_compilation_cache": False}
    old = {name: getattr(jax.config, name) for name in new}
    _update(new)
    try:
        yield
    finally:
        _update(old)


def default_folder() -> Path:
    """The folder of this user for this kind of processor.

    What is compiled for one may crash another that shares the home.

    Raises:
        RuntimeError: If there is no home.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kind = f"{platform.machine()} {platform.processor()} {_features()}"
    digest = hashlib.sha256(kind.encode()).hexdigest()[:8]
    return Path(home, "hyco_jax", "jax", digest)


def _options() -> dict[str, Any]:
    """What to tell JAX; nothing where it is told already, or better isn't."""
    if jax.config.jax_compilation_cache_dir:
        return {}
    # There, it crashes while it reads large programs: uwplasma/vmex, pull request 142.
    if sys.platform == "darwin" and jaxlib.version.__version_info__ < (0, 10):
        return {}
    try:
        folder = default_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:
        logging.warning(
            "compiled programs are not kept for the next start (%s); set "
            "JAX_COMPILATION_CACHE_DIR to a folder that can be written, or "
            "--nocompilation_cache",
            error,
        )
        return {}
    return {
        "jax_compilation_cache_dir": str(folder),
        # By default 1 s: a hundred small programs of a start take 4 s together, and
        # half a megabyte.
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }


def _update(options: dict[str, Any]):
    for name, value in options.items():
        jax.config.update(name, value)
    if options:
        # Else what JAX found out when it first compiled would stay.
        compilation_cache.reset_cache()


def _features() -> str:
    """The instructions that the processor has, where Linux tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    found = re.search(r"^(?:flags|Features)\s*:.*$", text, re.MULTILINE)
    return found.group() if found else ""

"""Simulations in `.npz` files, checked when they are read."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import (
    Quantities,
    num_channels,
    num_static,
    predicted_entries,
)
from hyco_jax.running import workdir
from hyco_jax.types import Trajectories

_NAMES = ("dt", "extent", "states", "truth", "weights")


def save(path: Path, truth, observed: Trajectories, domain: Domain, dt: float):
    """Stores simulations as `.npz`, see `load`."""
    arrays = {
        "truth": truth,
        "states": observed.states,
        "weights": observed.weights,
        "dt": np.float64(dt),
        "extent": np.array(domain.extent),
    }
    write_npz(path, arrays)


def write_npz(path: Path, arrays: Mapping[str, ArrayLike]):
    """Writes named arrays as `.npz`, atomically."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{k: np.asarray(v) for k, v in arrays.items()})
    workdir.write_atomic(path, buffer.getvalue())


def load(
    path: Path, domain: Domain, dt: float, quantities: Quantities
) -> tuple[np.ndarray, Trajectories]:
    """Loads simulations, without unpickling.

    Args:
        path: An `.npz` file with `truth` and `states (N, T + 1, *S, C)`, `weights` of
            the same rank, `dt ()` and `extent (D,)`. `truth` is what models are scored
            against; training doesn't see it.
        domain: The grid that is fitted.
        dt: Its time step.
        quantities: Of the state.

    Returns:
        Truth and observed trajectories; what models don't predict has weight 0.

    Raises:
        ValueError: If the file is missing, corrupt, lacks an entry, doesn't fit the
            grid, or holds a non-finite value where its weight is not 0 or a quantity
            is static.
    """
    entries = _read(path)
    missing = sorted(set(_NAMES) - set(entries))
    if missing:
        raise ValueError(
            f"{path} lacks {missing}; it needs {list(_NAMES)}, as "
            "hyco_jax.storage.save writes them"
        )
    for name, entry in entries.items():
        if name in _NAMES and not np.issubdtype(entry.dtype, np.floating):
            raise ValueError(
                f"{path} holds {name!r} of type {entry.dtype}, expected float32; "
                "convert it"
            )
    states, weights = entries["states"], entries["weights"]
    truth = entries["truth"]
    _check_shapes(path, truth, states, weights, domain, num_channels(quantities))
    _check_grid(path, entries["dt"], entries["extent"], domain, dt)
    _check_values(path, states, weights, num_static(quantities))
    predicted = predicted_entries(quantities, domain)
    if not predicted.all():
        weights = weights * predicted
    return truth, Trajectories(jnp.asarray(states), jnp.asarray(weights, states.dtype))


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise ValueError(
            f"{path} does not exist; run with --config.tasks='(\"generate\",)' first, "
            "or point --config.data.path at an .npz file"
        ) from None
    # What NumPy raises for a file that is truncated, altered, pickled or no archive.
    except (
        *(OSError, ValueError, EOFError, KeyError, RuntimeError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} is not a readable .npz file ({reason}); replace it"
        ) from None


def _check_shapes(path, truth, states, weights, domain: Domain, channels: int):
    expected = (*domain.resolution, channels)
    if states.shape[2:] != expected or len(states) < 1 or states.shape[1] < 2:
        raise ValueError(
            f"{path} holds states of shape {states.shape}, expected (simulations, "
            f"steps + 1, {', '.join(map(str, expected))}); fit the data or the grid"
        )
    fits = weights.ndim == states.ndim and all(
        w in (1, n) for w, n in zip(weights.shape, states.shape, strict=True)
    )
    if not fits or truth.shape != states.shape:
        raise ValueError(
            f"{path} holds weights of shape {weights.shape} and truth of shape "
            f"{truth.shape}, which don't fit states of shape {states.shape}"
        )


def _check_grid(path, file_dt, extent, domain: Domain, dt: float):
    same = file_dt.shape == () and extent.shape == (domain.ndim,)
    if (
        not same
        or not np.isclose(file_dt, dt)
        or not np.allclose(extent, domain.extent)
    ):
        raise ValueError(
            f"{path} holds dt={file_dt.tolist()}, extent={extent.tolist()}, the config "
            f"has dt={dt}, extent={domain.extent}; make them agree"
        )


def _check_values(path, states, weights, num_static: int):
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise ValueError(
            f"{path} holds weights that are not finite and >= 0; correct them"
        )
    bad = ~np.isfinite(states) & (np.broadcast_to(weights, states.shape) > 0)
    if bad.any():
        raise ValueError(
            f"{path} holds {bad.sum()} non-finite observed values; give them weight 0 "
            "or remove them"
        )
    if not np.isfinite(states[:, 0]).all():
        raise ValueError(
            f"{path} lacks values of states at t = 0, which has to be complete; add "
            "them"
        )
    if not np.isfinite(states[..., states.shape[-1] - num_static :]).all():
        raise ValueError(
            f"{path} lacks values of the {num_static} last channels, which are static "
            "and have to be known at all times; repeat them"
        )

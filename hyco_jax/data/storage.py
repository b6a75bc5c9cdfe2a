"""Observations in `.npz` files, checked when they are read."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from hyco_jax.data.observations import Observations, Truth
from hyco_jax.grids.domain import Domain
from hyco_jax.running import workdir
from hyco_jax.types import Trajectories

_NEEDED = ("dt", "extent", "states", "weights")
_SPLITS = ("train", "val", "test")


def save(path: Path, observations: Observations, domain: Domain, dt: float):
    """Stores observations as `.npz`, see `load`."""
    arrays = {
        "states": observations.observed.states,
        "weights": observations.observed.weights,
        "dt": np.float64(dt),
        "extent": np.array(domain.extent),
    }
    arrays |= {name: np.array(getattr(observations, name), int) for name in _SPLITS}
    if observations.truth is not None:
        arrays["truth"] = observations.truth.states
        arrays |= {
            f"coefficient/{name}": value
            for name, value in observations.truth.coefficients.items()
        }
    write_npz(path, arrays)


def write_npz(path: Path, arrays: Mapping[str, ArrayLike]):
    """Writes named arrays as `.npz`, atomically."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{k: np.asarray(v) for k, v in arrays.items()})
    workdir.write_atomic(path, buffer.getvalue())


def load(
    path: Path,
    domain: Domain,
    dt: float,
    splits: Mapping[str, tuple[int, ...]] | None = None,
) -> Observations:
    """Loads observations, without unpickling.

    Args:
        path: An `.npz` file with `states (N, T + 1, *S, C)`, `weights` of the same
            rank, `dt ()` and `extent (D,)`; by option `truth`, shaped as the states,
            `coefficient/<name>`, the true coefficients on the grid, and `train`, `val`
            and `test`, the simulations of each split.
        domain: The grid of the data.
        dt: Its time step.
        splits: Simulations of each split; by default the file's own.

    Returns:
        The observations; whether they fit a problem, `observations.check` says.

    Raises:
        ValueError: If the file is missing, corrupt or lacks an entry, an entry has a
            wrong type, or its grid or time step is another.
    """
    entries = read_npz(path)
    missing = sorted(set(_NEEDED) - set(entries))
    if missing:
        raise ValueError(
            f"{path} lacks {missing}; it needs {list(_NEEDED)}, as "
            "hyco_jax.data.storage.save writes them"
        )
    for name in (*_NEEDED, "truth"):
        entry = entries.get(name, np.zeros(()))
        if not np.issubdtype(entry.dtype, np.floating):
            raise ValueError(
                f"{path} holds {name!r} of type {entry.dtype}, expected float32; "
                "convert it"
            )
    _check_grid(path, entries["dt"], entries["extent"], domain, dt)
    if splits is None:
        splits = {k: tuple(int(i) for i in entries.get(k, ())) for k in _SPLITS}
    truth = None
    if "truth" in entries:
        coefficients = {
            name.removeprefix("coefficient/"): value
            for name, value in entries.items()
            if name.startswith("coefficient/")
        }
        truth = Truth(entries["truth"], coefficients)
    states = jnp.asarray(entries["states"], jnp.float32)
    observed = Trajectories(states, jnp.asarray(entries["weights"], states.dtype))
    return Observations(observed, **splits, truth=truth)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays of an `.npz` file.

    Raises:
        ValueError: If it is missing or not readable.
    """
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

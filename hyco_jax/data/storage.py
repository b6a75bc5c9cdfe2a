"""Observations in `.npz` files, checked when they are read."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from hyco_jax.data import readings_storage
from hyco_jax.data.observations import Observations, Truth
from hyco_jax.data.readings import Readings
from hyco_jax.grids.domain import Domain
from hyco_jax.running import workdir
from hyco_jax.types import Trajectories

_OF_BOTH = ("dt", "extent")
_OF_THE_GRID = ("states", "weights")
_SPLITS = ("train", "val", "test")


def save(path: Path, observations: Observations, domain: Domain, dt: float):
    """Stores observations as `.npz`, see `load`.

    Args:
        path: The file.
        observations: Any. Of initial states that are a function of position, what is
            stored are its values at the cell centres.
        domain: The grid.
        dt: The time step.

    Raises:
        ValueError: If such a function doesn't give the channels of each position.
    """
    observed = observations.observed
    if isinstance(observed, Readings):
        arrays = readings_storage.to_entries(observed)
        num_sims = observed.num_sims
    else:
        arrays = {"states": observed.states, "weights": observed.weights}
        num_sims = len(observed.states)
    arrays |= {"dt": np.float64(dt), "extent": np.array(domain.extent)}
    arrays |= {name: np.array(getattr(observations, name), int) for name in _SPLITS}
    if observations.truth is not None:
        arrays["truth"] = observations.truth.states
        arrays |= {
            f"coefficient/{name}": value
            for name, value in observations.truth.coefficients.items()
        }
    initial = _evaluated(observations.initial, num_sims, domain)
    if not (isinstance(initial, str) and initial == "given"):
        arrays["initial"] = np.asarray(initial)
    if observations.sigma is not None:
        arrays["sigma"] = np.array(observations.sigma, np.float64)
    if observations.notes:
        arrays["notes"] = np.array(observations.notes, str)
    write_npz(path, arrays)


def _evaluated(initial, num_sims, domain):
    if not callable(initial):
        return initial
    values = np.asarray(initial(domain.coordinates()), np.float32)
    if values.ndim != domain.ndim + 1 or values.shape[:-1] != domain.resolution:
        raise ValueError(
            f"the function of the initial states gives shape {values.shape} at the "
            f"cell centres, expected {domain.resolution} and the channels"
        )
    return np.broadcast_to(values, (num_sims, *values.shape))


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
        path: An `.npz` file with `states (N, T + 1, *S, C)` and `weights` of the same
            rank, or the entries of `readings_storage.from_entries`; `dt ()` and
            `extent (D,)`; by option `truth (N, T + 1, *S, C)`, `coefficient/<name>`,
            the true coefficients on the grid, `train`, `val` and `test`, the
            simulations of each split, and `initial`, `sigma` and `notes`, see
            `Observations`.
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
    has_readings = readings_storage.holds_readings(entries)
    needed = _OF_BOTH if has_readings else (*_OF_BOTH, *_OF_THE_GRID)
    missing = sorted(set(needed) - set(entries))
    if missing:
        raise ValueError(
            f"{path} lacks {missing}; it needs {list(needed)}, as "
            "hyco_jax.data.storage.save writes them"
        )
    for name in (*needed, "truth", "sigma"):
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
    if has_readings:
        observed = readings_storage.from_entries(path, entries)
    else:
        states = jnp.asarray(entries["states"], jnp.float32)
        observed = Trajectories(states, jnp.asarray(entries["weights"], states.dtype))
    sigma = entries.get("sigma")
    return Observations(
        observed,
        **splits,
        truth=truth,
        initial=_read_initial(path, entries),
        sigma=None if sigma is None else tuple(np.ravel(sigma).tolist()),
        notes=tuple(np.ravel(entries.get("notes", ())).tolist()),
    )


def _read_initial(path, entries):
    initial = entries.get("initial", np.array("given"))
    if initial.dtype.kind == "U" and not initial.ndim:
        return str(initial)
    if initial.dtype.kind not in "fiu":
        raise ValueError(
            f"{path} holds 'initial' of type {initial.dtype}, expected numbers or a "
            "word; replace it"
        )
    return initial


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays of an `.npz` file.

    Raises:
        ValueError: If it is missing or not readable.
    """
    try:
        # Opened here: NumPy leaves a file open that it cannot read.
        with open(path, "rb") as opened:
            file = np.load(opened, allow_pickle=False)
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

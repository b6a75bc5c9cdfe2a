"""The folder of one run: its lock, `config.json` and `run.json`."""

import datetime
import fcntl
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TextIO

import jax
from absl import logging
from flax import traverse_util

from hyco_jax.running import checkpoints

_PACKAGES = (
    *("hyco_jax", "jax", "jaxlib", "flax", "optax"),
    *("phiflow", "phiml", "orbax-checkpoint", "numpy"),
)
_ABSENT = "(absent)"
PathLike = str | os.PathLike


def open_workdir(path: PathLike) -> TextIO:
    """Creates a workdir if needed and locks it.

    The lock is the operating system's (`flock` on `<path>/.lock`): it dies with the
    process that holds it, however that ends.

    Args:
        path: The workdir.

    Returns:
        The handle of the lock; the workdir is locked until it is closed.

    Raises:
        ValueError: If the workdir cannot be written, or another process holds it.
    """
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        lock = open(path / ".lock", "a+", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise ValueError(
            f"workdir {path} cannot be written ({error.strerror}); choose another "
            "with --workdir=DIR"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise ValueError(
            f"workdir {path} is in use by another run (PID {holder}); wait for its "
            "end or choose another with --workdir=DIR"
        ) from error
    except OSError as error:
        # Some network file systems have no locks; a run there is better than none.
        logging.warning("%s has no lock (%s); start no second run", path, error)
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def write_atomic(path: PathLike, content: str | bytes) -> None:
    """Writes a file so that a kill leaves the old content or the new, never a mix."""
    path = pathlib.Path(path)
    if isinstance(content, str):
        content = content.encode()
    # A fixed name, so that a killed run leaves one such file at most; the lock of the
    # workdir keeps others away.
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def config_hash(config: Mapping[str, Any]) -> str:
    """8 hex digits that depend on the values of a config only."""
    return hashlib.sha256(_to_text(config).encode()).hexdigest()[:8]


def compare_config(
    workdir: PathLike, config: Mapping[str, Any], free_keys: Collection[str] = ()
) -> None:
    """Compares a config with the one of an earlier start, if there was one.

    Args:
        workdir: The workdir.
        config: Nested dict of plain values.
        free_keys: Dotted keys that may change, such as those about length and logging.

    Raises:
        ValueError: If other keys differ, each named with its old and new value; or if
            `config.json` cannot be read.
    """
    path = pathlib.Path(workdir, "config.json")
    if not path.exists():
        return
    old = traverse_util.flatten_dict(_read_json(path), sep=".")
    # The round trip turns tuples into lists, as in the file.
    new = traverse_util.flatten_dict(json.loads(json.dumps(config)), sep=".")
    changes = [
        f"{key}: {old.get(key, _ABSENT)} -> {new.get(key, _ABSENT)}"
        for key in sorted((old.keys() | new.keys()) - set(free_keys))
        if old.get(key, _ABSENT) != new.get(key, _ABSENT)
    ]
    if not changes:
        return
    reason = ""
    if any(change.startswith("hybrid.cycles:") for change in changes):
        reason = (
            "; learning rate and horizons are laid over all cycles, so that those made "
            "would have been others in a longer run"
        )
    raise ValueError(
        f"the config differs from the one {workdir} was started with "
        f"({', '.join(changes)}){reason}; set the old values or choose another with "
        "--workdir=DIR"
    )


def write_config(workdir: PathLike, config: Mapping[str, Any]) -> None:
    """Writes `config.json`, unless it has this content."""
    path, text = pathlib.Path(workdir, "config.json"), _to_text(config)
    if not path.exists() or path.read_text() != text:
        write_atomic(path, text)


def read_config(workdir: PathLike) -> dict[str, Any]:
    """Reads `config.json`.

    Raises:
        ValueError: If it is missing or corrupt.
    """
    path = pathlib.Path(workdir, "config.json")
    if not path.exists():
        raise ValueError(f"{path} does not exist; is {workdir} the workdir of a run?")
    return _read_json(path)


def data_checksum(data: Any) -> str:
    """SHA-256 over the paths, dtypes, shapes and bytes of a pytree of arrays."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(data)):
        dtype, content = str(leaf.dtype), leaf.tobytes()
        checksum = checkpoints.leaf_checksum(dtype, leaf.shape, content)
        digest.update(f"{jax.tree_util.keystr(path)} {checksum} ".encode())
    return digest.hexdigest()


def check_data(workdir: PathLike, checksum: str) -> None:
    """Keeps the checksum of the data in `run.json`, or compares it with the one there.

    Raises:
        ValueError: If the data have changed.
    """
    run = read_run_info(workdir)
    if run.setdefault("data_checksum", checksum) != checksum:
        raise ValueError(
            f"the data of {workdir} have changed: SHA-256 {checksum}, expected "
            f"{run['data_checksum']}; put the old data back or choose another with "
            "--workdir=DIR"
        )
    _write_run(workdir, run)


def write_run_info(workdir: PathLike) -> None:
    """Notes in `run.json` with what this process runs.

    Versions, device and git revision are those of the newest start, `started` is the
    time of the first, and `sessions` lists all starts. The rest of the file stays.
    """
    device = jax.devices()[0]
    info = {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "device": {
            "kind": device.device_kind,
            "platform": device.platform,
            "count": jax.device_count(),
        },
        "git": _git_revision(),
    }
    run = {"durations": {}, "sessions": []} | read_run_info(workdir)
    run["sessions"].append(info)
    _write_run(workdir, run | info | {"started": run["sessions"][0]["started"]})


def read_run_info(workdir: PathLike) -> dict[str, Any]:
    """Reads `run.json`, empty if it is missing.

    Raises:
        ValueError: If it is corrupt.
    """
    path = pathlib.Path(workdir, "run.json")
    return _read_json(path) if path.exists() else {}


def note_command(workdir: PathLike, command: Sequence[str]) -> None:
    """Notes in `run.json` the command, word by word, of the newest start."""
    _write_run(workdir, read_run_info(workdir) | {"command": list(command)})


def update_durations(workdir: PathLike, durations: Mapping[str, float]) -> None:
    """Sets entries of `durations` in `run.json`, in seconds; others stay."""
    run = read_run_info(workdir)
    new = {name: round(float(x), 3) for name, x in durations.items()}
    _write_run(workdir, run | {"durations": run.get("durations", {}) | new})


def _versions() -> dict[str, str | None]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _git_revision() -> dict[str, Any] | None:
    """Revision of the checkout that this file belongs to, None if to none."""
    source = pathlib.Path(__file__).resolve()

    def git(*args: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source.parent), *args],
            capture_output=True,
            check=True,
            text=True,
            timeout=10,
        ).stdout.strip()

    try:
        # An environment inside somebody else's checkout is not that checkout's code.
        git("ls-files", "--error-unmatch", source.name)
        changes = git("status", "--porcelain", "--untracked-files=no")
        return {"revision": git("rev-parse", "HEAD"), "dirty": bool(changes)}
    except (OSError, subprocess.SubprocessError):
        return None


def _write_run(workdir: PathLike, run: Mapping[str, Any]) -> None:
    write_atomic(pathlib.Path(workdir, "run.json"), _to_text(run))


def _to_text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def _read_json(path: pathlib.Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(
            f"{path} is corrupt, expected a JSON object; put a copy back or choose "
            "another with --workdir=DIR"
        )
    return value

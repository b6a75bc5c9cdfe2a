"""The folder of a run: lock, config, checksums and run information."""

import json
import signal
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.running import workdir

CONFIG = {"pde": {"resolution": (16,), "dt": 0.1}, "hybrid": {"cycles": 4}}

# A second process; it takes the lock, says so, and waits to be killed.
HOLDER = """
import sys, time
from hyco_jax.running import workdir
lock = workdir.open_workdir(sys.argv[1])
print("locked", flush=True)
time.sleep(60)
"""


def test_lock_is_refused_to_a_second_process_and_dies_with_its_holder(tmp_path):
    path = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(ValueError, match=rf"{path} is in use.*PID {process.pid}\)"):
            workdir.open_workdir(path)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    workdir.open_workdir(path).close()


def test_lock_is_free_again_when_its_handle_is_closed(tmp_path):
    lock = workdir.open_workdir(tmp_path)
    with pytest.raises(ValueError, match="in use by another run"):
        workdir.open_workdir(tmp_path)
    lock.close()
    workdir.open_workdir(tmp_path).close()


@pytest.mark.parametrize("name", ["file", "file/run"])
def test_workdir_that_cannot_be_written_is_refused_in_one_line(tmp_path, name):
    # Root may write everywhere, but nowhere below a regular file.
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written .*--workdir=DIR") as error:
        workdir.open_workdir(tmp_path / name)
    assert "\n" not in str(error.value)


def test_atomic_write_replaces_text_and_bytes_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "a.json"
    workdir.write_atomic(path, "first, and longer")
    workdir.write_atomic(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_that_fails_keeps_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    workdir.write_atomic(path, "old")

    def no_space(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(workdir.os, "fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        workdir.write_atomic(path, "new")
    assert path.read_text() == "old"


def test_config_hash_depends_on_values_only_and_is_stable():
    # By printf and sha256sum, of the text that config.json holds.
    assert workdir.config_hash({"b": (1, 2), "a": 0.5}) == "59566a20"
    assert workdir.config_hash({"a": 0.5, "b": [1, 2]}) == "59566a20"
    assert workdir.config_hash({"a": 0.5, "b": [1, 3]}) != "59566a20"


def test_equal_config_is_accepted_and_its_file_left_alone(tmp_path):
    workdir.compare_config(tmp_path, CONFIG)
    # Comparing writes nothing: a config that something else refuses leaves no trace.
    assert not (tmp_path / "config.json").exists()
    workdir.write_config(tmp_path, CONFIG)
    state = (tmp_path / "config.json").stat()
    same = {**CONFIG, "pde": {"dt": 0.1, "resolution": [16]}}
    assert workdir.read_config(tmp_path) == same
    workdir.compare_config(tmp_path, same)
    workdir.write_config(tmp_path, same)
    after = (tmp_path / "config.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (state.st_ino, state.st_mtime_ns)


def test_differing_keys_are_refused_with_old_and_new_values(tmp_path):
    workdir.write_config(tmp_path, CONFIG)
    text = (tmp_path / "config.json").read_bytes()
    new = {"pde": {"resolution": (32,), "dt": 0.1, "nu": 1}, "hybrid": {"cycles": 9}}
    with pytest.raises(ValueError) as error:
        workdir.compare_config(tmp_path, new, free_keys=("hybrid.cycles", "pde"))
    assert "(pde.nu: (absent) -> 1, pde.resolution: [16] -> [32])" in str(error.value)
    assert (tmp_path / "config.json").read_bytes() == text


def test_free_keys_may_differ_and_are_then_rewritten(tmp_path):
    workdir.write_config(tmp_path, CONFIG)
    longer = {**CONFIG, "hybrid": {"cycles": 8}}
    with pytest.raises(ValueError, match=r"hybrid\.cycles: 4 -> 8\); learning rate"):
        workdir.compare_config(tmp_path, longer)
    workdir.compare_config(tmp_path, longer, free_keys=("hybrid.cycles",))
    workdir.write_config(tmp_path, longer)
    workdir.compare_config(tmp_path, longer)


@pytest.mark.parametrize("text", [b'{"pde": ', b"[1]", b"\xff"])
def test_corrupt_config_file_is_named_and_left_alone(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text)
    for action in (
        lambda: workdir.compare_config(tmp_path, CONFIG),
        lambda: workdir.read_config(tmp_path),
    ):
        with pytest.raises(ValueError, match="config.json is corrupt"):
            action()
    assert (tmp_path / "config.json").read_bytes() == text


def test_a_folder_that_is_no_workdir_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"config\.json does not exist; is .* a run"):
        workdir.read_config(tmp_path)


def test_data_checksum_tells_bytes_shapes_dtypes_and_names_apart():
    x = np.arange(6, dtype=np.float32)
    variants = [
        {"u": x},
        {"v": x},
        {"u": x.reshape(2, 3)},
        {"u": x.view(np.int32)},
        {"u": np.nextafter(x, np.inf, dtype=np.float32)},
        {"u": x[:3], "v": x[3:]},
        {"u": np.where(x > 0, x, -x)},  # 0 becomes -0
    ]
    assert len({workdir.data_checksum(data) for data in variants}) == len(variants)


def test_data_checksum_is_the_same_for_numpy_and_device_arrays():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    # The transpose has the same bytes in memory, in another order.
    assert workdir.data_checksum(x) == workdir.data_checksum(jnp.asarray(x))
    assert workdir.data_checksum(x.T) == workdir.data_checksum(jnp.asarray(x.T))


def test_changed_data_are_refused_with_both_checksums(tmp_path):
    workdir.write_run_info(tmp_path)
    workdir.check_data(tmp_path, "aaa")
    workdir.check_data(tmp_path, "aaa")
    with pytest.raises(ValueError, match="SHA-256 bbb, expected aaa"):
        workdir.check_data(tmp_path, "bbb")
    assert json.loads((tmp_path / "run.json").read_text())["data_checksum"] == "aaa"


def test_run_info_is_kept_across_starts(tmp_path):
    workdir.check_data(tmp_path, "aaa")
    workdir.write_run_info(tmp_path)
    workdir.update_durations(tmp_path, {"hybrid": 1.5})
    workdir.write_run_info(tmp_path)
    workdir.update_durations(tmp_path, {"evaluate": np.float32(2)})
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["data_checksum"] == "aaa"
    assert run["durations"] == {"hybrid": 1.5, "evaluate": 2.0}
    assert len(run["sessions"]) == 2
    assert run["started"] == run["sessions"][0]["started"]
    assert run["versions"]["numpy"] == np.__version__
    assert run["device"]["platform"] == jnp.zeros(()).device.platform
    assert run["git"] is None or len(run["git"]["revision"]) == 40

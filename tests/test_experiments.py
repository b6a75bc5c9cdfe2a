"""Whole runs: what they write, how they continue, and how they refuse."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from configs import burgers as config_file
from experiments import _results, burgers, hyco
from hyco_jax.models import rollout
from hyco_jax.running import metric_writer

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Processes share compiled code: they differ in what they run, not in how."""
    cache = tmp_path_factory.mktemp("cache")
    return os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def command(workdir, *arguments, config="configs/burgers.py:smoke"):
    start = [sys.executable, "-m", "experiments.burgers", f"--config={config}"]
    return [*start, f"--workdir={workdir}", *arguments]


def call(environment, *arguments, **kwargs):
    return subprocess.run(
        command(*arguments, **kwargs),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def kill_after(environment, workdir, lines, number):
    """Starts a run and sends a signal when its log has so many lines."""
    process = subprocess.Popen(
        command(workdir),
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = workdir / "metrics.jsonl"
    while process.poll() is None:
        if log.exists() and log.read_bytes().count(b"\n") >= lines:
            process.send_signal(number)
            break
        time.sleep(0.01)
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


@pytest.fixture(scope="module")
def finished(environment, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    result = call(environment, workdir)
    assert result.returncode == 0, result.stderr
    return workdir, result


def test_a_run_writes_all_that_the_readme_promises(finished):
    workdir, result = finished
    for name in (
        "config.json",
        "run.json",
        "metrics.jsonl",
        "timings.jsonl",
        "eval.json",
        "coefficient.npz",
        "arrays.npz",
        "figures/coefficient_viscosity.png",
        "figures/fields_velocity.png",
        "figures/nrmse.png",
        "figures/history.png",
        "figures/rollout.gif",
    ):
        assert (workdir / name).stat().st_size > 0, name
    rows = json.loads((workdir / "eval.json").read_text())["rows"]
    assert list(rows) == ["initial_guess", *_results.ROW_STAGE]
    for row in rows:
        assert row.replace("_", " ") in result.stdout
    run = json.loads((workdir / "run.json").read_text())
    assert run["versions"]["jax"] == jax.__version__
    assert set(run["durations"]) == {"physical", "synthetic", "hybrid"}


def test_the_log_has_every_cycle_of_every_stage_once_and_no_wall_times(finished):
    lines = metric_writer.read(finished[0] / "metrics.jsonl")
    cycles = [(line["stage"], line["cycle"]) for line in lines]
    assert cycles == (
        [("physical", i) for i in (1, 2, 3)]
        + [("synthetic", i) for i in (1, 2, 3, 4)]
        + [("hybrid", i) for i in (1, 2, 3, 4)]
    )
    assert not any("seconds" in key for line in lines for key in line)
    timings = metric_writer.read(finished[0] / "timings.jsonl")
    assert [(t["stage"], t["cycle"]) for t in timings] == cycles


def test_a_finished_run_prints_its_table_again_and_trains_nothing(
    finished, environment
):
    workdir, first = finished
    before = (workdir / "metrics.jsonl").read_bytes()
    again = call(environment, workdir)
    assert again.returncode == 0
    assert again.stdout == first.stdout
    assert (workdir / "metrics.jsonl").read_bytes() == before


def test_a_killed_and_resumed_run_is_bitwise_the_uninterrupted_one(
    finished, environment, tmp_path
):
    code, _ = kill_after(environment, tmp_path / "run", 9, signal.SIGKILL)
    assert code == -signal.SIGKILL
    result = call(environment, tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "hybrid: resuming from cycle" in result.stderr
    same_results(tmp_path / "run", finished[0])


def test_sigterm_saves_the_cycle_and_exits_143(finished, environment, tmp_path):
    code, output = kill_after(environment, tmp_path / "run", 5, signal.SIGTERM)
    assert code == 143
    assert "run the same command to go on" in output
    assert call(environment, tmp_path / "run").returncode == 0
    same_results(tmp_path / "run", finished[0])


def test_a_damaged_checkpoint_of_a_baseline_is_named_and_redone(
    finished, environment, tmp_path
):
    workdir = tmp_path / "run"
    shutil.copytree(finished[0], workdir)
    files = [f for f in (workdir / "checkpoints/physical/3").rglob("*") if f.is_file()]
    largest = max(files, key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 255
    largest.write_bytes(content)
    result = call(environment, workdir)
    assert result.returncode == 0, result.stderr
    assert "checkpoints/physical/3" in result.stderr
    assert "physical: resuming from cycle 2" in result.stderr
    same_results(workdir, finished[0])


def same_results(workdir, reference):
    for name in ("metrics.jsonl", "data.npz"):
        assert (workdir / name).read_bytes() == (reference / name).read_bytes()
    ours, theirs = (np.load(path / "arrays.npz") for path in (workdir, reference))
    assert ours.files == theirs.files
    for name in ours.files:
        assert ours[name].tobytes() == theirs[name].tobytes(), name


def test_three_lines_load_both_models_ready_to_step(finished):
    workdir, _ = finished
    physical, synthetic = hyco.load(workdir, burgers.make_problem)
    arrays = np.load(workdir / "arrays.npz")
    truth = arrays["rollout/truth"]
    for model, row in ((physical, "hybrid_physical"), (synthetic, "hybrid_synthetic")):
        states = rollout.rollout(model.step, model.params, truth[0], len(truth) - 1)
        # The same program compiled alone and in a batch rounds differently.
        np.testing.assert_allclose(states, arrays[f"rollout/{row}"], atol=1e-5)


def test_evaluate_scores_other_data_and_keeps_the_run(finished, tmp_path):
    workdir, _ = finished
    other = config_file.get_config("smoke")
    other.seed = 1
    other.tasks = ("generate",)
    hyco.run(other, burgers.make_problem, tmp_path / "other")
    config = config_file.get_config("smoke")
    config.tasks = ("evaluate",)
    config.data.path = str(tmp_path / "other" / "data.npz")
    before = (workdir / "eval.json").read_bytes()
    hyco.run(config, burgers.make_problem, workdir)
    assert (workdir / "eval.json").read_bytes() == before
    scores = json.loads((workdir / "eval-data.json").read_text())["rows"]
    own = json.loads(before)["rows"]
    assert scores["hybrid_physical"] != own["hybrid_physical"]
    assert (
        scores["hybrid_physical"]["coefficient_error"]
        == own["hybrid_physical"]["coefficient_error"]
    )


def test_a_changed_config_is_refused_with_the_keys_that_differ(finished):
    workdir, _ = finished
    config = config_file.get_config("smoke")
    config.synthetic.learning_rate = 0.5
    before = (workdir / "config.json").read_bytes()
    with pytest.raises(ValueError, match=r"synthetic\.learning_rate: .* -> 0\.5"):
        hyco.run(config, burgers.make_problem, workdir)
    assert (workdir / "config.json").read_bytes() == before


def test_changed_data_are_refused(finished, tmp_path):
    workdir, _ = finished
    config = config_file.get_config("smoke")
    own = dict(np.load(workdir / "data.npz"))
    original = (workdir / "data.npz").read_bytes()
    own["states"][0, 0] += 1
    np.savez(workdir / "data.npz", **own)
    try:
        with pytest.raises(ValueError, match="have changed"):
            hyco.run(config, burgers.make_problem, workdir)
    finally:
        (workdir / "data.npz").write_bytes(original)


BAD_CALLS = {
    "missing config file": (("--config=configs/nope.py",), 2, "nope.py"),
    "unknown variant": (("--config=configs/burgers.py:4d",), 2, "4d"),
    "unknown key": (("--config.pde.dx=1",), 2, "dx"),
    "unparsable value": (("--config.hybrid.cycles=many",), 2, "many"),
    "positional argument": (("train",), 2, "train"),
    "bad value": (("--config.pde.dt=nan",), 1, "config.pde.dt"),
    "missing data": (("--config.data.path=none.npz",), 1, "none.npz"),
}


@pytest.mark.parametrize("flags, code, word", BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_input_ends_in_one_line_and_touches_nothing(
    flags, code, word, environment, tmp_path
):
    result = call(environment, tmp_path / "run", *flags)
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert word in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_missing_config_flag_is_named(environment, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "experiments.burgers"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 2
    assert "--config is missing" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_workdir_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    config = config_file.get_config("smoke")
    with pytest.raises(ValueError, match="file"):
        hyco.run(config, burgers.make_problem, tmp_path / "file" / "run")


@pytest.mark.parametrize("damage", ["truncated", "text"])
def test_corrupt_data_are_refused(damage, finished, tmp_path):
    content = (finished[0] / "data.npz").read_bytes()
    path = tmp_path / "data.npz"
    path.write_bytes(content[:500] if damage == "truncated" else b"hello")
    config = config_file.get_config("smoke")
    config.data.path = str(path)
    with pytest.raises(ValueError, match="not a readable .npz"):
        hyco.run(config, burgers.make_problem, tmp_path / "run")


def test_nan_in_observed_data_is_refused(finished, tmp_path):
    own = dict(np.load(finished[0] / "data.npz"))
    own["states"][0, 2, 16] = np.nan
    np.savez(tmp_path / "data.npz", **own)
    config = config_file.get_config("smoke")
    config.data.path = str(tmp_path / "data.npz")
    with pytest.raises(ValueError, match="non-finite observed"):
        hyco.run(config, burgers.make_problem, tmp_path / "run")


def test_observations_that_no_window_uses_are_counted(tmp_path):
    config = config_file.get_config("smoke")
    config.synthetic.horizons = (3,)
    # 2 simulations, 3 later steps, 16 observed cells.
    with pytest.raises(ValueError, match="96 observations"):
        hyco.run(config, burgers.make_problem, tmp_path / "run")

"""Whole runs: what they write, how they continue, and how they refuse."""

import contextlib
import io
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import hyco_jax
from hyco_jax.config import flags
from hyco_jax.pde import burgers
from hyco_jax.running import metric_writer
from hyco_jax.scoring import table

pytestmark = [
    pytest.mark.slow,
]

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = f"--config={ROOT / 'configs/burgers.py'}:smoke"


def call(*arguments, config=CONFIG):
    """What the command line does, in this process: exit code, output, errors."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            flags.main(burgers, ["burgers", config, *arguments])
        except SystemExit as stop:
            code = stop.code
    return code, out.getvalue(), err.getvalue()


def run(workdir, *arguments):
    """A call that has to succeed; returns what it printed."""
    code, out, err = call(f"--workdir={workdir}", *arguments)
    assert code == 0, err
    return out


def kill_after(workdir, lines, number):
    """Starts a run as a process, and sends a signal when its log has so many lines."""
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.burgers", CONFIG, f"--workdir={workdir}"],
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
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    return workdir, run(workdir)


@pytest.fixture
def own_data(finished, tmp_path):
    """The run's data as a user's own file, to be changed."""

    def make(change=None, name="own.npz", without=()):
        entries = dict(np.load(finished[0] / "data.npz"))
        for entry in without:
            del entries[entry]
        if change is not None:
            change(entries)
        np.savez(tmp_path / name, **entries)
        # Simulations for the test follow the others.
        return (
            f"--config.data.path={tmp_path / name}",
            "--config.data.num_sims=4",
            "--config.data.test_sim=(3,)",
        )

    return make


def test_a_run_writes_all_that_the_readme_promises(finished):
    workdir, output = finished
    for name in (
        "config.json",
        "run.json",
        "metrics.jsonl",
        "timings.jsonl",
        "eval.json",
        "coefficient.npz",
        "arrays.npz",
        "models.npz",
        "figures/coefficient_viscosity.png",
        "figures/fields_velocity.png",
        "figures/nrmse.png",
        "figures/history.png",
        "figures/rollout.gif",
        "report.html",
    ):
        assert (workdir / name).stat().st_size > 0, name
    scored = json.loads((workdir / "eval.json").read_text())["rows"]
    assert list(scored) == ["initial_guess", *table.ROW_STAGE]
    for row in scored:
        assert row.replace("_", " ") in output
        assert {"train/nrmse", "val/nrmse", "test/nrmse"} <= scored[row].keys()
    run_info = json.loads((workdir / "run.json").read_text())
    assert run_info["versions"]["jax"] == jax.__version__
    assert set(run_info["durations"]) == {"physical", "synthetic", "hybrid"}
    # Without --workdir: the same command elsewhere makes another run.
    assert run_info["command"] == ["python", "-m", "experiments.burgers", CONFIG]


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


def test_a_finished_run_prints_its_table_again_and_trains_nothing(finished):
    workdir, first = finished
    before = (workdir / "metrics.jsonl").read_bytes()
    assert run(workdir) == first
    assert (workdir / "metrics.jsonl").read_bytes() == before


def test_test_simulations_are_drawn_apart_and_change_no_other_draw(finished):
    data = np.load(finished[0] / "data.npz")
    assert data["test"].tolist() == [3] and len(data["truth"]) == 4
    assert np.abs(data["truth"][3, 0] - data["truth"][:3, 0]).max(axis=(1, 2)).min() > 0


@pytest.mark.usefixtures("no_figures")
def test_a_stopped_and_resumed_run_is_bitwise_the_uninterrupted_one(finished, tmp_path):
    # Killed in a baseline, continued, and stopped in the hybrid stage.
    code, _ = kill_after(tmp_path / "run", 5, signal.SIGKILL)
    assert code == -signal.SIGKILL
    code, output = kill_after(tmp_path / "run", 9, signal.SIGTERM)
    assert code == 143 and "run the same command to go on" in output
    run(tmp_path / "run")
    same_results(tmp_path / "run", finished[0])


@pytest.mark.usefixtures("no_figures")
def test_a_run_out_of_time_exits_with_75_and_the_same_command_goes_on(tmp_path):
    arguments = (
        f"--workdir={tmp_path}",
        "--config.mode=physical",
        "--config.hybrid.cycles=2",
        "--max_minutes=0",
    )
    for message in ("after cycle 1 of 2 of physical", "before the scoring"):
        code, out, err = call(*arguments)
        assert code == 75 and not out
        assert f"stopped by max_minutes {message}" in err
        assert "run the same command to go on" in err
    assert "physical alone" in run(tmp_path, *arguments[1:])


@pytest.mark.usefixtures("no_figures")
def test_a_damaged_checkpoint_of_a_baseline_is_named_and_redone(
    finished, tmp_path, caplog
):
    workdir = tmp_path / "run"
    shutil.copytree(finished[0], workdir)
    files = [f for f in (workdir / "checkpoints/physical/3").rglob("*") if f.is_file()]
    largest = max(files, key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 255
    largest.write_bytes(content)
    _, _, err = call(f"--workdir={workdir}")
    log = err + caplog.text
    assert "checkpoints/physical/3" in log
    assert "physical: resuming from cycle 2" in log
    same_results(workdir, finished[0])


def same_results(workdir, reference):
    for name in ("metrics.jsonl", "data.npz"):
        assert (workdir / name).read_bytes() == (reference / name).read_bytes()
    for name in ("arrays.npz", "models.npz"):
        ours, theirs = (np.load(path / name) for path in (workdir, reference))
        assert ours.files == theirs.files
        for entry in ours.files:
            assert ours[entry].tobytes() == theirs[entry].tobytes(), entry


def test_a_loaded_result_needs_no_data_and_compiles_nothing(finished, tmp_path):
    workdir = tmp_path / "moved"
    shutil.copytree(finished[0], workdir)
    (workdir / "data.npz").unlink()
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(event)
    )
    try:
        result = hyco_jax.load(workdir)
        assert not [event for event in compiled if "compile" in event]
    finally:
        jax.monitoring.clear_event_listeners()
    assert result.table() + "\n" == finished[1]
    arrays = np.load(finished[0] / "arrays.npz")
    truth = arrays["rollout/truth"]
    for model, row in (
        (result.physical, "hybrid_physical"),
        (result.synthetic, "hybrid_synthetic"),
    ):
        states = model.rollout(truth[0], len(truth) - 1)
        # The same program compiled alone and in a batch rounds differently.
        np.testing.assert_allclose(states, arrays[f"rollout/{row}"], atol=1e-5)
    found = result.coefficients["viscosity"]
    np.testing.assert_array_equal(
        found, arrays["coefficient/viscosity/hybrid_physical"]
    )


def test_evaluate_scores_other_data_and_keeps_the_run(finished, tmp_path):
    workdir, _ = finished
    paths = []
    for seed in (1, 2):
        run(
            tmp_path / str(seed),
            f"--config.seed={seed}",
            '--config.tasks=("generate",)',
        )
        paths.append(tmp_path / str(seed) / "data.npz")
    before = (workdir / "eval.json").read_bytes()
    for path in paths:
        run(
            workdir,
            '--config.tasks=("evaluate",)',
            f"--config.data.path={path}",
            "--config.data.num_sims=4",
        )
    assert (workdir / "eval.json").read_bytes() == before
    scored = [json.loads(p.read_text())["rows"] for p in workdir.glob("eval-data-*")]
    # Two files of one name are kept apart.
    assert len(scored) == 2 and scored[0] != scored[1]
    own = json.loads(before)["rows"]["hybrid_physical"]
    for other in scored:
        assert other["hybrid_physical"]["val/nrmse"] != own["val/nrmse"]
        assert other["hybrid_physical"]["coefficient_error"] == pytest.approx(
            own["coefficient_error"]
        )


def test_data_without_a_truth_get_no_invented_scores(own_data, tmp_path):
    hidden = ("truth", "coefficient/viscosity")
    output = run(
        tmp_path / "run",
        *own_data(without=hidden),
        "--config.mode=physical",
        "--config.hybrid.cycles=1",
    )
    assert "coef. error" not in output and "train in" not in output
    scored = json.loads((tmp_path / "run/eval.json").read_text())["rows"]
    assert 0 < scored["physical_alone"]["test/nrmse"] < 1
    arrays = np.load(tmp_path / "run/arrays.npz")
    assert "rollout/truth" not in arrays and "coefficient/viscosity/truth" not in arrays
    # Half of the box is observed, as the file's weights say, not the config's region.
    np.testing.assert_array_equal(np.flatnonzero(arrays["observed"]), np.arange(8, 24))
    assert (tmp_path / "run/figures/coefficient_viscosity.png").exists()


@pytest.mark.usefixtures("no_figures")
def test_the_observed_region_is_that_of_the_files_weights(own_data, tmp_path):
    def observe_less(entries):
        entries["weights"][:, 1:, 12:] = 0

    run(
        tmp_path / "run",
        *own_data(observe_less),
        "--config.mode=physical",
        "--config.hybrid.cycles=1",
    )
    observed = np.load(tmp_path / "run/arrays.npz")["observed"]
    np.testing.assert_array_equal(np.flatnonzero(observed), np.arange(8, 12))


def test_a_changed_config_is_refused_with_the_keys_that_differ(finished):
    workdir, _ = finished
    before = (workdir / "config.json").read_bytes()
    code, _, err = call(f"--workdir={workdir}", "--config.synthetic.learning_rate=0.5")
    assert code == 1 and "synthetic.learning_rate: 0.003 -> 0.5" in err
    assert (workdir / "config.json").read_bytes() == before


def test_more_cycles_are_refused_where_others_would_have_been_made(finished):
    code, _, err = call(f"--workdir={finished[0]}", "--config.hybrid.cycles=6")
    assert code == 1 and "hybrid.cycles: 3 -> 6" in err
    assert "laid over all cycles" in err


def test_changed_data_are_refused(finished):
    workdir, _ = finished
    original = (workdir / "data.npz").read_bytes()
    own = dict(np.load(workdir / "data.npz"))
    own["states"][0, 0] += 1
    np.savez(workdir / "data.npz", **own)
    try:
        code, _, err = call(f"--workdir={workdir}")
        assert code == 1 and "have changed" in err
    finally:
        (workdir / "data.npz").write_bytes(original)


BAD_CALLS = {
    "unknown variant": ((CONFIG.replace("smoke", "4d"),), 2, "4d"),
    "missing config file": (("--config=configs/nope.py",), 2, "nope.py"),
    "unknown key": (("--config.pde.dx=1",), 2, "dx"),
    "unparsable value": (("--config.hybrid.cycles=many",), 2, "many"),
    "positional argument": (("train",), 2, "train"),
    "bad value": (("--config.pde.dt=nan",), 1, "config.pde.dt"),
    "absurd value": (("--config.pde.dt=1e9",), 1, "dt=1000000000.0"),
    "missing data": (("--config.data.path=none.npz",), 1, "none.npz"),
    "unread key": (("--config.synthetic.unet.levels=2",), 1, "synthetic.name"),
    "unused observations": (
        ("--config.synthetic.horizons=(3,)",),
        1,
        "96 observations",
    ),
}


@pytest.mark.parametrize("arguments, code, word", BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_input_ends_in_one_line_and_touches_nothing(
    arguments, code, word, tmp_path
):
    found, _, err = call(*arguments, f"--workdir={tmp_path / 'run'}")
    assert found == code
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert word in err
    assert not (tmp_path / "run").exists()


def test_a_missing_config_flag_is_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        flags.main(burgers, ["burgers"])
    assert "--config is missing" in capsys.readouterr().err


def test_help_lists_every_key_with_its_default_and_what_is_allowed():
    code, out, _ = call("--help_config")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0 and len(lines) == len(out.splitlines()) > 80
    assert "an integer from 1 to" in lines["hybrid.cycles"]
    assert " 3 " in lines["hybrid.cycles"]  # smoke's, not the default


def test_a_workdir_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call(f"--workdir={tmp_path / 'file' / 'run'}")
    assert code == 1 and "file" in err


@pytest.mark.parametrize("damage", ["truncated", "text"])
def test_corrupt_data_are_refused(damage, finished, tmp_path):
    content = (finished[0] / "data.npz").read_bytes()
    path = tmp_path / "data.npz"
    path.write_bytes(content[:500] if damage == "truncated" else b"hello")
    code, _, err = call(f"--workdir={tmp_path / 'run'}", f"--config.data.path={path}")
    assert code == 1 and "not a readable .npz" in err


def test_refused_data_bind_no_workdir(own_data, tmp_path):
    def spoil(entries):
        entries["states"][0, 2, 16] = np.nan

    code, _, err = call(f"--workdir={tmp_path / 'run'}", *own_data(spoil))
    assert code == 1 and "own.npz: the observations hold 1 non-finite observed" in err
    assert not (tmp_path / "run/config.json").exists()
    run(tmp_path / "run", '--config.tasks=("generate",)')

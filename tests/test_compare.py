"""Finished runs beside one another: what differs, medians, what is skipped."""

import json
import math

import pytest

from hyco_jax import compare
from hyco_jax.scoring import comparison


def write(folder, rows, seed=0, revision="a" * 40, **config):
    """A finished run as far as the comparison reads it."""
    folder.mkdir(parents=True)
    config = {"seed": seed, "data": {"path": ""}, "log_every": 1} | config
    (folder / "config.json").write_text(json.dumps(config))
    git = {"revision": revision, "dirty": False}
    (folder / "run.json").write_text(json.dumps({"git": git}))
    line = {"cycles": {}, "rows": rows}
    (folder / "eval.json").write_text(json.dumps(line) + "\n")
    return folder


def scores(error, nrmse):
    return {
        "initial_guess": {"coefficient_error": 1.0, "test/nrmse": 0.5},
        "physical_alone": {"coefficient_error": error, "test/nrmse": nrmse},
    }


@pytest.fixture
def runs(tmp_path):
    """Three seeds of one network, one of another."""
    for seed, error in enumerate((0.3, 0.1, 0.2)):
        rows = scores(error, 0.25)
        write(tmp_path / f"a{seed}", rows, seed, synthetic={"name": "fno"})
    write(tmp_path / "b", scores(0.4, math.inf), synthetic={"name": "unet"})
    (tmp_path / "b/eval.json").write_text(
        (tmp_path / "b/eval.json").read_text().replace("Infinity", '"inf"')
    )
    return sorted(tmp_path.iterdir())


def output(capsys, *arguments):
    compare.main([*map(str, arguments)])
    return capsys.readouterr()


def test_the_table_has_what_differs_and_medians_with_their_range(runs, capsys):
    out, err = output(capsys, *runs)
    assert err == ""
    lines = [[c.strip() for c in x.split("|")[1:-1]] for x in out.splitlines()[:6]]
    assert lines[0] == ["synthetic.name", "seeds", "method", "coef. error", "test"]
    assert lines[2] == ["fno", "0, 1, 2", "initial guess", "1.00", "0.500"]
    assert lines[3][3:] == ["0.200 (0.100 to 0.300)", "0.250"]
    assert lines[5] == ["unet", "0", "physical alone", "0.400", "diverged"]
    assert "median (least to largest)" in out


def test_coefficients_have_the_median_of_their_standard_errors(tmp_path, capsys):
    for seed, value in enumerate((0.31, 0.33, 0.32)):
        row = {"coefficient/rate": value, "coefficient_noise/rate": 0.01 * (seed + 1)}
        row |= {"coefficient_grid/rate": 0.003, "test/nrmse": 0.5}
        write(tmp_path / f"a{seed}", {"physical_alone": row}, seed)
    out, _ = output(capsys, *tmp_path.iterdir())
    assert "| 0.3200 ± 0.0200 ± 0.0030 (0.310 to 0.330) |" in out
    assert "First ±: the standard error" in out and "coefficient_noise" not in out


def test_what_no_result_depends_on_is_no_difference(tmp_path, capsys):
    for seed in (0, 1):
        write(tmp_path / f"s{seed}", scores(0.1, 0.1), seed, log_every=seed + 1)
    out, _ = output(capsys, *tmp_path.iterdir())
    assert f"| {tmp_path}/s* " in out and "log_every" not in out


def test_many_differences_stand_below_the_table(tmp_path, capsys):
    keys = {f"key{i}": i for i in range(5)}
    write(tmp_path / "one", scores(0.1, 0.1), pde=keys)
    write(tmp_path / "two", scores(0.1, 0.1), pde={name: -1 for name in keys})
    out, _ = output(capsys, tmp_path / "one", tmp_path / "two")
    assert out.startswith("| run ")
    assert f"- {tmp_path / 'two'}: pde.key0=-1, pde.key1=-1," in out


def test_of_two_systems_only_the_names_are_told(tmp_path):
    options = {"heat": {"pde": {"a": 1}}, "soil": {"pde": {"b": 2}, "mode": "hybrid"}}
    for name, config in options.items():
        write(tmp_path / name, scores(0.1, 0.1), experiment_name=name, **config)
    groups = comparison.group(map(comparison.read, sorted(tmp_path.iterdir())))
    assert comparison.own_differences(groups) == [["experiment_name"]] * 2


def test_a_seed_that_appears_twice_is_told_apart_by_its_code(tmp_path, capsys):
    paths = [
        write(tmp_path / f"{seed}{code}", scores(0.1, 0.1), seed, code * 40)
        for code in "ab"
        for seed in (0, 1)
    ]
    out, _ = output(capsys, *paths)
    assert "| code " in out and "| aaaaaaaa " in out and "| bbbbbbbb " in out
    with pytest.raises(SystemExit):
        output(capsys, *paths, paths[0])
    assert "have the same config, seed and code" in capsys.readouterr().err


def test_arrays_of_ones_own_are_told_apart_by_their_checksum(tmp_path):
    for seed, data in enumerate(("left", "right")):
        path = write(tmp_path / data, scores(0.1, 0.1), seed)
        (path / "config.json").write_text(json.dumps({"seed": seed}))
        (path / "run.json").write_text(json.dumps({"data_checksum": data}))
    groups = comparison.group(map(comparison.read, sorted(tmp_path.iterdir())))
    assert [group.config["data"] for group in groups] == ["left", "right"]


def test_an_entry_that_a_run_lacks_has_no_median(tmp_path):
    write(tmp_path / "0", scores(0.1, 0.1), 0)
    write(tmp_path / "1", {"physical_alone": {"test/nrmse": math.nan}}, 1)
    text = (tmp_path / "1/eval.json").read_text().replace("NaN", '"nan"')
    (tmp_path / "1/eval.json").write_text(text)
    (group,) = comparison.group(map(comparison.read, sorted(tmp_path.iterdir())))
    assert group.medians()["physical_alone"]["coefficient_error"] is None
    # Between 0.1 and a divergence there is no number.
    assert group.medians()["physical_alone"]["test/nrmse"] == math.inf


def test_what_is_no_finished_run_is_skipped_with_a_line(runs, tmp_path, capsys):
    unfinished = write(tmp_path / "unfinished", {})
    (unfinished / "eval.json").unlink()
    corrupt = write(tmp_path / "corrupt", {})
    (corrupt / "config.json").write_text("{")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    file = tmp_path / "notes.txt"
    file.write_text("")
    bad = [unfinished, corrupt, foreign, file, tmp_path / "missing"]
    out, err = output(capsys, *runs, *bad)
    assert out == output(capsys, *runs).out
    lines = err.splitlines()
    assert len(lines) == 5
    for path, line in zip(bad, lines, strict=True):
        assert line.startswith("skipped: ") and str(path) in line
    with pytest.raises(SystemExit, match="1"):
        output(capsys, *bad)
    assert "none of the folders holds a finished run" in capsys.readouterr().err


def test_the_figure_is_drawn_without_warnings(runs, tmp_path, capsys, no_warnings):
    path = tmp_path / "scores.png"
    output(capsys, *runs, f"--figure={path}")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit, match="1"):
        output(capsys, *runs, f"--figure={tmp_path / 'scores.nope'}")
    assert "nope" in capsys.readouterr().err

import pathlib

import pytest

from hyco_jax.config import flags
from hyco_jax.pde import burgers

CONFIG = pathlib.Path(__file__).parents[1] / "configs/burgers.py:smoke"


def dry_run(capsys, *arguments):
    command = ["burgers", f"--config={CONFIG}", "--dry_run", *arguments]
    flags.main(burgers, [*command, "--nocompilation_cache"])
    return capsys.readouterr().out


def test_a_dry_run_says_what_would_be_trained_and_writes_nothing(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    text = dry_run(capsys, "--config.mode=physical")
    assert not list(tmp_path.iterdir())
    # A value in each of 32 cells; records of 6 steps of two simulations.
    assert "physical model: 32 parameters: viscosity 32" in text
    assert "real: 2 window(s) of 6 step(s)" in text
    assert "synthetic model" not in text and "generated" not in text
    header, row = next(
        (above, line)
        for above, line in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if line.startswith("physical_cycle")
    )
    assert header.split()[:2] == ["program", "calls"]
    name, calls, *numbers = row.split()
    assert (name, calls) == ("physical_cycle_h6", "3")
    trace, compilation, per_cycle, memory = map(float, numbers)
    assert min(trace, compilation, per_cycle) >= 0
    # A coefficient and ten pairs of the memory, and two records of 7 x 32.
    assert 4 * (21 * 32 + 2 * 7 * 32) / 2**20 < memory < 1
    assert "Estimate: " in text and "Nothing was written." in text


def test_cycles_that_were_made_are_not_counted(tmp_path, capsys):
    (tmp_path / "checkpoints/physical/3").mkdir(parents=True)
    text = dry_run(capsys, "--config.mode=physical", f"--workdir={tmp_path}")
    assert "Nothing is left to train." in text
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


def test_a_config_that_does_not_fit_is_refused_in_a_line(capsys):
    arguments = ["--config.mode=physical", "--config.data.num_steps=0"]
    with pytest.raises(SystemExit, match="^1$"):
        dry_run(capsys, *arguments)
    assert len(capsys.readouterr().err.splitlines()) == 1

"""README's examples, run as they stand."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]


def block(marker):
    """The code block of README.md that follows a marker."""
    after = (ROOT / "README.md").read_text().split(f"<!-- {marker} -->", 1)[1]
    return after.split("```python\n", 1)[1].split("```", 1)[0]


# With all optimisations of the compiler but one: both train more than they compile.
@pytest.mark.slow
def test_a_pde_of_ones_own_takes_forty_lines(tmp_path, monkeypatch, capsys):
    text = block("own-pde")
    assert len(text.splitlines()) <= 40
    imports = [line for line in text.splitlines() if "import" in line]
    assert all(w in line for line in imports[2:] for w in ["hyco_jax"])
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "fisher_kpp.py", "exec"), {"__name__": "__main__"})
    rows = json.loads((tmp_path / "runs/fisher_kpp/eval.json").read_text())["rows"]
    guess = rows["initial_guess"]["coefficient_error"]
    assert rows["hybrid_physical"]["coefficient_error"] < 0.3 * guess
    alone, together = (
        rows[row]["test/nrmse"] for row in ("synthetic_alone", "hybrid_synthetic")
    )
    assert together < 0.7 * alone
    assert "hybrid synthetic" in capsys.readouterr().out


def write_plate(path):
    """Writes what 80 thermometers read of three waves that decay, κ = 0.5."""
    rng = np.random.default_rng(0)
    places, times = 2 * np.pi * rng.random((2, 80)), 0.1 * np.arange(21)
    phases = 2 * np.pi * rng.random((3, 2))
    lines = ["sensor,x,y,t,temperature"]
    for sensor, (x, y) in enumerate(places.T):
        for t in times:
            u = 0.02 * rng.standard_normal()
            for (k, q), (a, b) in zip([(1, 0), (0, 1), (1, 1)], phases, strict=True):
                decay = np.exp(-0.5 * (k**2 + q**2) * t)
                u += decay * np.sin(k * x + a) * np.cos(q * y + b)
            lines.append(f"s{sensor},{x:.5f},{y:.5f},{t:.3f},{u:.5f}")
    path.write_text("\n".join(lines))


@pytest.mark.slow
def test_ten_lines_take_a_table_of_sensors_to_the_score_of_those_held_out(
    tmp_path, monkeypatch, capsys
):
    text = block("sensors")
    code = [line for line in text.splitlines() if line and "import" not in line]
    assert len(code) <= 10
    write_plate(tmp_path / "plate.csv")
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "plate.py", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert "80 static" in printed and "held out chi²" in printed
    rows = json.loads((tmp_path / "runs/plate/eval.json").read_text())["rows"]
    score = {row: values["held_out/chi2"] for row, values in rows.items()}
    assert score["hybrid_synthetic"] < 1.1 * score["physical_alone"]
    assert score["hybrid_synthetic"] < 0.2 * score["interpolation"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel; its back end is in the environment, nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    # A copy: what an earlier build left in the checkout would be in the wheel.
    source = folder / "source"
    shutil.copytree(ROOT / "hyco_jax", source / "hyco_jax")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--quiet", f"--wheel-dir={folder}"]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_all_of_the_library_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    files = (ROOT / "hyco_jax").rglob("*.py")
    assert names == {path.relative_to(ROOT).as_posix() for path in files}


@pytest.mark.slow
def test_twenty_lines_outside_the_checkout_train_hyco_from_the_wheel(wheel, tmp_path):
    text = block("library")
    code = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(code) <= 20
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    where = "print(hyco_jax.__file__, len(result.history))"
    (tmp_path / "rings.py").write_text(f"{text}\n{where}\n")
    done = subprocess.run(
        [sys.executable, "rings.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stdout and str(ROOT) not in done.stdout
    table, _, found = done.stdout.partition("{'conductivity': array(")
    assert float(found.split(",")[0]) == pytest.approx(0.5, abs=0.01)
    # Nobody knows the truth here: what is not known is not scored.
    assert "| hybrid synthetic" in table and "coef. error" not in table
    assert (tmp_path / "figures/fields_temperature.png").stat().st_size > 0

"""README's example, run as it stands, from the wheel that a user would install."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests import pages

ROOT = pages.ROOT


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
@pytest.mark.usefixtures("optimised")
def test_twenty_lines_outside_the_checkout_train_hyco_from_the_wheel(wheel, tmp_path):
    text = pages.block("README.md", "library")
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

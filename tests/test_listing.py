"""The list of what there is to choose from is complete, wherever it is asked for."""

import importlib
import os
import pathlib
import subprocess
import sys

import pytest

from hyco_jax import listing, pde
from hyco_jax.models.physical import KINDS
from hyco_jax.networks.settings import STEPPERS

ROOT = pathlib.Path(__file__).parents[1]


def test_every_system_network_and_kind_has_its_line():
    assert {*listing.systems()} == {*pde.NAMES}
    assert {*listing.network_lines()} == {"field", *STEPPERS}
    for lines in (listing.systems(), listing.network_lines(), KINDS):
        assert all(lines.values()), lines


def test_every_file_that_makes_a_problem_is_listed():
    files = pathlib.Path(pde.__file__).parent.glob("[!_]*.py")
    made = {path.stem for path in files if "\ndef make_problem(" in path.read_text()}
    assert {*listing.systems()} == made


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.py")), ids=str)
def test_every_variant_is_described(path):
    variants = getattr(importlib.import_module(f"configs.{path.stem}"), "VARIANTS", {})
    text = listing.listing(path.parent)
    own = text[text.find(f"{path}:") :].split("\n\n")[0]
    for name in variants:
        told = name in own or f"{name.partition('_')[0]}_<" in own
        assert told or name == "default", name


def test_outside_of_a_checkout_the_command_says_where_variants_are(tmp_path):
    command = [sys.executable, "-m", "hyco_jax"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    options = {"cwd": tmp_path, "env": environment, "capture_output": True}
    done = subprocess.run([*command, "list"], check=True, text=True, **options)
    assert done.stderr == ""
    assert "only in a checkout" in done.stdout
    assert "burgers" in done.stdout and "transformer" in done.stdout
    assert subprocess.run(command, **options).returncode == 2

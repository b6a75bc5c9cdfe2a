"""The notebooks: each agrees with its source, and runs from top to bottom."""

import os
import pathlib
import shutil
import subprocess
import sys
import tomllib

import jupytext
import nbclient
import nbformat
import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
# What each must show, beside tables and text.
NUM_FIGURES = {"01": 4, "02": 5, "03": 3, "04": 2, "05": 3}

every_notebook = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def cells(notebook):
    """What a reader sees of the cells: kind, text and metadata."""
    return [(c.cell_type, c.source, dict(c.metadata)) for c in notebook.cells]


def first_code(path):
    """The text of the first cell of code."""
    notebook = jupytext.read(path)
    return next(c.source for c in notebook.cells if c.cell_type == "code")


def test_there_are_five_notebooks():
    assert [path.name[:2] for path in SOURCES] == list(NUM_FIGURES)


@every_notebook
def test_a_notebook_is_made_of_its_source_and_has_no_outputs(path):
    made = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    hint = "run `jupytext --update --to ipynb --set-kernel python3 notebooks/*.py`"
    assert cells(made) == cells(jupytext.read(path)), hint
    assert not any(c.outputs for c in made.cells if c.cell_type == "code")


def test_all_notebooks_begin_with_the_same_cell():
    assert len({first_code(path) for path in SOURCES}) == 1


def test_the_first_cell_installs_from_the_address_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    address = project["urls"].get("Repository", "")
    assert f'REPOSITORY = "{address}"' in first_code(SOURCES[0]).splitlines()


def run_first_cell(folder, before="", **environment):
    """Runs the first cell in a process of its own, after some lines."""
    text = f"{before}\n{first_code(SOURCES[0])}"
    return subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


# Tells where hyco_jax is not, without uninstalling it.
MISSING = """
import importlib.util
importlib.util.find_spec = lambda name: None
"""


def test_without_hyco_jax_and_an_address_the_first_cell_says_what_to_set(tmp_path):
    done = run_first_cell(tmp_path, MISSING)
    assert "write the address of its Git repository into REPOSITORY" in done.stderr
    assert "jax" not in done.stdout


@pytest.mark.parametrize(
    "environment",
    [{"COLAB_GPU": "1"}, {"COLAB_GPU": "", "COLAB_TPU_1VM": "1"}],
    ids=["gpu", "tpu"],
)
def test_a_runtime_that_does_not_keep_its_promise_is_an_error(tmp_path, environment):
    environment = {"COLAB_RELEASE_TAG": "x", "JAX_PLATFORMS": "cpu"} | environment
    done = run_first_cell(tmp_path, **environment)
    assert "Runtime > Change runtime type" in done.stderr


def test_what_a_runtime_ships_is_constrained_to_its_own_version(tmp_path):
    source = tmp_path / "hyco_jax_source"
    (source / "constraints").mkdir(parents=True)
    listed = "# a list\njax==0.0.1\nnobody-has-this==1.2\n"
    (source / "constraints/colab.txt").write_text(listed)
    # The address is set, nothing is cloned since the folder is there, and of pip
    # we see what it is to install.
    text = first_code(SOURCES[0]).replace('REPOSITORY = ""', 'REPOSITORY = "x"')
    told = "import subprocess; subprocess.run = lambda words, **_: print(words[-1])"
    done = subprocess.run(
        [sys.executable, "-c", f"{MISSING}\n{told}\n{text}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    # Of a bare name, pip would ask an index.
    assert f"{source.resolve()}[data]" in done.stdout.splitlines()
    import jax

    written = (tmp_path / "constraints.txt").read_text().splitlines()
    assert written == [f"jax=={jax.__version__}", "nobody-has-this==1.2"]


def is_figure(output):
    return any(kind in output.get("data", {}) for kind in ("image/png", "image/gif"))


# See the fixture of that name: the kernel is another process.
WITHOUT_ERROR_BARS = """
from hyco_jax import error_bars
error_bars.add = lambda result, *_: result
"""


@pytest.fixture(scope="module")
def client():
    """One kernel for all notebooks: starting one takes as long as a tiny notebook."""
    client = nbclient.NotebookClient(
        nbformat.v4.new_notebook(),
        timeout=60,  # of a cell
        kernel_name="python3",
    )
    environment = {"HYCO_NOTEBOOK_SIZE": "tiny", "PYTHONPATH": str(ROOT)}
    with client.setup_kernel(env=os.environ | environment):
        yield client


@pytest.mark.slow
@every_notebook
def test_a_notebook_runs_and_shows_figures_and_no_warnings(path, tmp_path, client):
    shutil.copy(ROOT / "experiments/data/soil_temperature.csv", tmp_path)
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    # Names of another notebook are to be missed here.
    fresh = nbformat.v4.new_code_cell(
        f"{WITHOUT_ERROR_BARS}\n%cd -q {tmp_path}\n%reset -f"
    )
    notebook.cells.insert(0, fresh)
    client.nb = notebook
    for index, cell in enumerate(notebook.cells):
        client.execute_cell(cell, index)
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    noise = [o.text for o in outputs if o.get("name") == "stderr"]
    assert noise == [] and not any(o.output_type == "error" for o in outputs)
    assert sum(map(is_figure, outputs)) >= NUM_FIGURES[path.name[:2]]

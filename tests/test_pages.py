"""README and the documentation's pages say what is there; none of them is built."""

import re
import shlex

import pytest

from configs import ablation, published
from hyco_jax import pde
from hyco_jax.config import experiment, flags, tree
from tests import pages

LINK = re.compile(r"\]\(([^)\s]+)\)")
ACROSS_LINES = re.MULTILINE | re.DOTALL
FENCE = re.compile(r"^```.*?^```", ACROSS_LINES)


@pytest.mark.parametrize("page", pages.all_pages(), ids=lambda page: page.name)
def test_relative_links_point_to_files_that_exist(page):
    text = FENCE.sub("", page.read_text("utf-8"))
    targets = {link.partition("#")[0] for link in LINK.findall(text)}
    relative = [t for t in targets if t and not re.match(r"https?:", t)]
    missing = [t for t in relative if not (page.parent / t).exists()]
    assert not missing


def test_every_page_is_in_the_navigation():
    config = (pages.ROOT / "docs/mkdocs.yml").read_text("utf-8")
    folder = pages.ROOT / "docs/pages"
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*.md")]
    assert names and all(re.search(rf"[ :-] {name}$", config, re.M) for name in names)


def _commands():
    """Commands of all pages that run an experiment, but for those of a shell's loop."""
    for page in pages.all_pages():
        for text in re.findall(
            r"^```bash\n(.*?)^```", page.read_text("utf-8"), ACROSS_LINES
        ):
            for line in text.replace("\\\n", "").splitlines():
                found = re.match(r"python -m experiments\.(\w+) (--config=[^#]+)", line)
                if found and not re.search(r"[$<]", line):
                    yield found[1], found[2]


def test_commands_on_pages_have_flags_that_exist(monkeypatch, capsys):
    monkeypatch.chdir(pages.ROOT)
    commands = sorted(set(_commands()))
    assert len(commands) > 3
    tables = {"published": published, "ablation": ablation}
    for name, arguments in commands:
        if name in tables:  # of many runs, with settings of their own
            (config,) = shlex.split(arguments)
            tables[name].get_config(config.rpartition(":")[2])
            continue
        argv = [name, *shlex.split(arguments), "--help_config"]
        flags.main(pde.find(name), argv)
        assert "hybrid.cycles" in capsys.readouterr().out


def test_keys_that_pages_name_exist():
    known = set()
    for name in pde.NAMES:
        settings = experiment.template(pde.find(name))
        known |= {leaf.dotted for leaf in tree.leaves(settings, type(settings)(), "")}
    sections = "hybrid|physical|synthetic|uncertainty|pde|data"
    named = {
        key
        for page in pages.all_pages()
        for key in re.findall(
            rf"`(?:--config\.)?((?:{sections})\.[\w.]+)[=`]", page.read_text("utf-8")
        )
    }
    no_keys = {"data.npz", "hybrid.py", "hybrid.repeat"}
    assert len(named) > 10 and named - no_keys <= known

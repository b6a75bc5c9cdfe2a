"""Links of README and of the documentation's pages, without building these."""

import re

import pytest

from tests import pages

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


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

"""README and the pages of the documentation, for tests that run or check them."""

import pathlib

ROOT = pathlib.Path(__file__).parents[1]


def all_pages() -> list[pathlib.Path]:
    """README and all pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs/pages").rglob("*.md"))]


def block(page: str, marker: str) -> str:
    """The Python block of a page, named from the root, that follows a marker."""
    after = (ROOT / page).read_text("utf-8").split(f"<!-- {marker} -->", 1)[1]
    return after.split("```python\n", 1)[1].split("```", 1)[0]

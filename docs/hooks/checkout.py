"""Lets pages link to files of the checkout, such as figures and notebooks.

A link like `../../experiments/figures/x.png` works where Markdown is read in the
checkout. For the built site the file is copied beside the pages, and the link follows.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

CHECKOUT = Path(__file__).parents[2]
FOLDER = "checkout"
# Up to the page's own folder, docs/pages, and out of it.
_LINK = re.compile(r"(?<=\]\()((?:\.\./)+)([\w./-]+)(?=\))")


def on_page_markdown(markdown, page, config, files):
    """Points links that leave the folder of the pages at copies inside of it."""
    own = posixpath.dirname(page.file.src_uri)

    def follow(match):
        target = posixpath.normpath(posixpath.join("docs/pages", own, match[0]))
        if target.startswith("docs/pages/"):
            return match[0]
        source = CHECKOUT / target
        if not source.is_file():
            raise PluginError(f"{page.file.src_uri} links to {target}: no such file")
        uri = f"{FOLDER}/{target}"
        if files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(source)))
        return posixpath.relpath(uri, own or ".")

    return _LINK.sub(follow, markdown)

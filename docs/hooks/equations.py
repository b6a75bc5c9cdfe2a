"""Turns LaTeX into MathML when pages are built.

Browsers draw MathML themselves: no script runs and nothing is fetched from elsewhere
when a page is read, as MathJax or KaTeX would need. They need a font with a table of
mathematics for it, which Linux often lacks; that of ziamath is put beside the pages.
"""

import html
import re
from importlib import resources

from latex2mathml.converter import convert
from mkdocs.structure.files import File

FONT = "STIXTwoMath-Regular.ttf"

# What pymdownx.arithmatex makes with `generic: true`.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_files(files, config):
    """Adds the font of equations, which extra.css names."""
    font = resources.files("ziamath") / "fonts" / FONT
    files.append(File.generated(config, f"assets/{FONT}", abs_src_path=str(font)))
    return files


def on_page_content(content, **_):
    """Replaces the equations of a page."""
    content = _INLINE.sub(lambda found: _mathml(found[1], "inline"), content)
    block = '<div class="equation">{}</div>'
    return _BLOCK.sub(lambda found: block.format(_mathml(found[1], "block")), content)


def _mathml(latex, display):
    return convert(html.unescape(latex.strip()), display=display)

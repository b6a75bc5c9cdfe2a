"""Turns LaTeX into MathML when pages are built.

Browsers draw MathML themselves: no script runs and nothing is fetched when a page is
read, as MathJax or KaTeX would need.
"""

import html
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex makes with `generic: true`.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_page_content(content, **_):
    """Replaces the equations of a page."""
    content = _INLINE.sub(lambda found: _mathml(found[1], "inline"), content)
    block = '<div class="equation">{}</div>'
    return _BLOCK.sub(lambda found: block.format(_mathml(found[1], "block")), content)


def _mathml(latex, display):
    return convert(html.unescape(latex.strip()), display=display)

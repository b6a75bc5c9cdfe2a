"""Writes the tables of config keys where a page says `<!-- keys: NAME -->`.

Keys, defaults, rules and conditions come from the settings dataclasses, the only place
where they stand.
"""

import dataclasses
import html
import re

from hyco_jax import pde
from hyco_jax.config import experiment, tree
from hyco_jax.data.generate import DataSettings
from hyco_jax.models.physical import CoefficientSettings
from hyco_jax.players.physical import PhysicalSettings
from hyco_jax.players.synthetic import SyntheticSettings
from hyco_jax.problem import GridSettings
from hyco_jax.settings import HybridSettings
from hyco_jax.uncertainty.settings import UncertaintySettings

_SECTIONS = {
    "coefficients": (CoefficientSettings, "coefficients.<name>."),
    "physical": (PhysicalSettings, "physical."),
    "synthetic": (SyntheticSettings, "synthetic."),
    "hybrid": (HybridSettings, "hybrid."),
    "uncertainty": (UncertaintySettings, "uncertainty."),
    "pde": (GridSettings, "pde."),
    "data": (DataSettings, "data."),
}
_MARKER = re.compile(r"<!-- keys: (\w+) -->")
_HEADER = ("key, default", "meaning", "allowed")
# Characters that leave room for the other columns.
_LONG = 28
# Equal to no default.
_NEW = object()


def on_page_markdown(markdown, **_):
    """Replaces the markers of a page."""
    return _MARKER.sub(lambda found: _keys(found[1]), markdown)


def _keys(name):
    if name == "run":
        return _table(_own_keys(experiment.Experiment(), ""))
    if name == "systems":
        return "\n\n".join(_system(name) for name in pde.NAMES)
    cls, prefix = _SECTIONS[name]
    return _table(list(tree.leaves(cls(), cls(), prefix)))


def _own_keys(settings, prefix):
    """Keys of a section without those of the sections in it."""
    leaves = tree.leaves(settings, type(settings)(), prefix)
    return [leaf for leaf in leaves if "." not in leaf.dotted.removeprefix(prefix)]


def _system(name):
    """The keys that a PDE adds, or whose default it changes, and its coefficients."""
    module = pde.find(name)
    first = module.__doc__.strip().partition("\n")[0]
    rows = _differences(module.Settings(), GridSettings(), "pde.")
    rows += _differences(module.DataSettings(), DataSettings(), "data.")
    roles = module.COEFFICIENTS.items()
    coefficients = ", ".join(f"`{c}` ({_role(role)})" for c, role in roles)
    return f"### {name}\n\n{first}\n\nCoefficients: {coefficients}.\n\n{_table(rows)}"


def _differences(settings, shared, prefix):
    known = {f.name: getattr(shared, f.name) for f in dataclasses.fields(shared)}
    return [
        leaf
        for leaf in tree.leaves(settings, type(settings)(), prefix)
        if known.get(leaf.dotted.removeprefix(prefix), _NEW) != leaf.value
    ]


def _role(role):
    words = ["positive" if role.is_positive else "of either sign"]
    words += ["a vector field" if role.is_vector else "a field"] * role.must_vary
    words += ["a number"] * (not role.can_vary)
    words += ["a number or a field"] * (role.can_vary and not role.must_vary)
    return ", ".join([*words, *filter(None, [role.unit])])


def _table(leaves):
    head = "".join(f"<th>{name}</th>" for name in _HEADER)
    body = "\n".join(_row(leaf) for leaf in leaves)
    return (
        f'<div class="keys"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(leaf):
    when = " and ".join(condition.text() for condition in leaf.conditions)
    meaning = f"{leaf.key.doc}."
    if when:
        meaning += f" Read only with {when}."
    cells = (
        f"{_key(leaf.dotted)}<br>{_code(repr(leaf.value))}",
        html.escape(meaning[:1].upper() + meaning[1:], quote=False),
        html.escape(leaf.key.rule.text, quote=False),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _code(text):
    return f"<code>{html.escape(text, quote=False)}</code>"


def _key(dotted):
    """A key, which may break where its parts meet if it is long."""
    text = _code(dotted)
    return text.replace(".", ".<wbr>") if len(dotted) > _LONG else text

"""What there is to choose from, read off the code that has it."""

import ast
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from hyco_jax import networks, pde
from hyco_jax.config import tree
from hyco_jax.models.physical import KINDS
from hyco_jax.networks.settings import NetworkSettings


def listing(configs: Path) -> str:
    """Lists systems, networks, kinds of coefficients and variants, a line for each.

    Args:
        configs: The folder of the config files; without it there are no variants.

    Returns:
        The text, in sections with a title and the flag that chooses.
    """
    sections = [
        _section(
            "Systems (hyco_jax.pde; in a checkout python -m experiments.<name>)",
            systems(),
        ),
        _section("Networks (--config.synthetic.name=)", network_lines()),
        _section("Coefficients (--config.coefficients.<name>.kind=)", KINDS),
        _variants(configs),
    ]
    return "\n\n".join(sections)


def systems() -> dict[str, str]:
    """The first line of each PDE's file, which is not imported: PhiFlow takes long."""
    return {name: _first(_docstring(_source(name))) for name in pde.NAMES}


def network_lines() -> dict[str, str]:
    """The first line of each network that the settings allow."""
    classes = {"field": networks.FieldNetwork, **networks.NETWORKS}
    allows = tree.key_of(NetworkSettings(), "name").rule.allows
    return {name: _first(c.__doc__) for name, c in classes.items() if allows(name)}


def _variants(configs: Path) -> str:
    """What the docstrings of the configs say of their variants, as it stands there."""
    title = "Variants (--config=<file>:<variant>)"
    described = {}
    for path in sorted(configs.glob("*.py")):
        docstring = _docstring(path)
        for paragraph in docstring.split("\n\n"):
            if paragraph.startswith("Variants"):
                lines = paragraph.splitlines()[1:]
                described[path] = "\n".join([f"  {path}: {_first(docstring)}", *lines])
    if not described:
        return f"{title}: only in a checkout of the repository, which has configs/."
    return "\n\n".join([title, *described.values()])


def _section(title: str, lines: Mapping[str, str]) -> str:
    width = max(map(len, lines))
    return "\n".join([title, *(f"  {n.ljust(width)}  {t}" for n, t in lines.items())])


def _source(name: str) -> Path:
    return Path(importlib.util.find_spec(f"hyco_jax.pde.{name}").origin)


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""


def _first(docstring: str) -> str:
    return docstring.strip().partition("\n")[0]

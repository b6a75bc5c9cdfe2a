"""Settings as frozen dataclasses, and all that follows from them mechanically.

    @dataclasses.dataclass(frozen=True)
    class Fit:
        method: str = key("lbfgs", "optimiser of the fit", choice("lbfgs", "adam"))
        learning_rate: float = key(
            1e-2, "step size", positive(1.0), when={"method": "adam"}
        )

A key stands once, beside what consumes it. The ConfigDict of the command line, the
check of a whole config, the texts of errors and the help are derived from here. A
subclass changes a default by assigning it alone, `method: str = "adam"`.

A key with a `when` is only read if its siblings have these values; set without them, it
is refused, since it would be ignored.
"""

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ml_collections import ConfigDict

from hyco_jax.config import tree
from hyco_jax.config.conditions import Condition
from hyco_jax.config.rules import Rule

Settings = TypeVar("Settings")


def key(default: Any, doc: str, rule: Rule, when: Mapping[str, Any] | None = None):
    """Makes a field of a settings dataclass.

    Args:
        default: Its value by default, hashable.
        doc: One line of documentation.
        rule: What is allowed.
        when: Maps keys of the same dataclass to the value, the tuple of values or the
            `Rule` with which alone this key is read.
    """
    return dataclasses.field(
        default=default, metadata={"key": tree.Key(doc, rule, _conditions(when))}
    )


def section(cls: type, when: Mapping[str, Any] | None = None):
    """Makes a field that holds nested settings, of which all keys share a `when`."""
    return dataclasses.field(
        default_factory=cls, metadata={"key": tree.Key(when=_conditions(when))}
    )


def mapping():
    """Makes a field that holds a dict from names to settings, by default empty."""
    return dataclasses.field(default_factory=dict, metadata={"key": tree.Key()})


def check(settings: Any, prefix: str = ""):
    """Checks all values, then that none is set which is not read.

    Args:
        settings: An instance of a settings dataclass.
        prefix: What precedes its keys in errors, such as "physical.".

    Raises:
        ValueError: At the first value that is not allowed.
    """
    leaves = list(tree.leaves(settings, type(settings)(), prefix))
    for leaf in leaves:
        if not leaf.key.rule.allows(leaf.value):
            fail(leaf.dotted, leaf.value, leaf.key.rule.text)
    for leaf in leaves:
        if leaf.unmet and leaf.value != leaf.default:
            raise leaf.unmet.error(leaf.dotted, leaf.value, leaf.default)


def fail(key: str, value: Any, allowed: str):
    """Raises the error of a value that is not allowed."""
    raise ValueError(
        f"config.{key}={value!r} is not allowed: expected {allowed}; set --config.{key}"
    )


def to_dict(settings: Any) -> dict[str, Any]:
    """Makes nested plain dicts; tuples stay tuples."""
    return dataclasses.asdict(settings)


def to_config(settings: Any) -> ConfigDict:
    """Makes the ConfigDict that the command line changes."""
    return ConfigDict(to_dict(settings))


def from_dict(
    template: Settings, values: Mapping[str, Any] | ConfigDict, prefix: str = ""
) -> Settings:
    """Makes settings of nested values, and checks them.

    What the template sets for a choice that the values revoke falls back to its
    default: `{"name": "resnet"}` alone revokes a template's `unet.filters`.

    Args:
        template: Gives the types, the names in mappings, and the missing values.
        values: Nested; may come from JSON, whose lists become tuples.
        prefix: What precedes the keys in errors, such as "physical.".

    Raises:
        ValueError: If a key is unknown or a value not allowed.
    """
    if isinstance(values, ConfigDict):
        values = values.to_dict()
    settings = _merge(template, values, prefix)
    settings = _drop_ignored(settings, template, type(template)(), False)
    check(settings, prefix)
    return settings


def describe(settings: Any) -> str:
    """Lists every key: its value here, what is allowed, and its documentation."""
    rows = []
    for leaf in tree.leaves(settings, type(settings)(), ""):
        doc = leaf.key.doc
        texts = [condition.text() for condition in leaf.conditions]
        if texts:
            doc = f"{doc} (only with {' and '.join(texts)})"
        rows.append((leaf.dotted, repr(leaf.value), leaf.key.rule.text, doc))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _conditions(when: Mapping[str, Any] | None) -> tuple[Condition, ...]:
    return tuple(Condition(*item) for item in (when or {}).items())


def _merge(template: Any, values: Any, prefix: str) -> Any:
    children = tree.children(template)
    if not isinstance(values, Mapping):
        fail(prefix.rstrip("."), values, f"a section with the keys {list(children)}")
    kinds = {} if isinstance(template, dict) else typing.get_type_hints(type(template))
    merged = {}
    for name, value in values.items():
        if name not in children:
            _fail_unknown(name, list(children), prefix)
        if tree.key_of(template, name).rule:
            merged[name] = _cast(value, kinds[name])
        else:
            merged[name] = _merge(children[name], value, f"{prefix}{name}.")
    if isinstance(template, dict):
        return template | merged
    return dataclasses.replace(template, **merged)


def _fail_unknown(name: Any, names: list[str], prefix: str):
    close = difflib.get_close_matches(str(name), names)
    hint = (
        f"did you mean {' or '.join(close)}?" if close else f"expected one of {names}"
    )
    raise ValueError(f"config.{prefix}{name} is not a key: {hint}")


def _cast(value: Any, kind: Any) -> Any:
    """Lists become tuples, and integers floats where the annotation says so."""
    if isinstance(value, list | tuple):
        kind = (*typing.get_args(kind), None)[0]
        return tuple(_cast(x, kind) for x in value)
    # An integer that no float can hold is left to the rule.
    if kind is float and type(value) is int and abs(value) < 2**1023:
        return float(value)
    return value


def _drop_ignored(node: Any, template: Any, default: Any, ignored: bool) -> Any:
    """Gives keys that are not read, and that only the template sets, their default."""
    templates, kept = tree.children(template), {}
    for name, value in tree.children(node).items():
        default_value = tree.child_default(default, name, value)
        unread = ignored or tree.find_unmet(node, name, "") is not None
        if not tree.key_of(node, name).rule:
            value = _drop_ignored(value, templates[name], default_value, unread)
        elif unread and value == templates[name]:
            value = default_value
        kept[name] = value
    return kept if isinstance(node, dict) else dataclasses.replace(node, **kept)

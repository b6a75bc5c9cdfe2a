"""Walks nested settings, to which `schema` gives keys, rules and conditions."""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

from hyco_jax.config.conditions import Condition, Unmet
from hyco_jax.config.rules import Rule


class Key(NamedTuple):
    """What the metadata of a field say; a section and a mapping have no rule."""

    doc: str = ""
    rule: Rule | None = None
    when: tuple[Condition, ...] = ()


class Leaf(NamedTuple):
    """One key of nested settings."""

    dotted: str
    value: Any
    default: Any
    key: Key
    conditions: tuple[Condition, ...]  # under which it is read
    unmet: Unmet | None  # the first of them that does not hold


def leaves(
    node: Any,
    default: Any,
    prefix: str,
    conditions: tuple[Condition, ...] = (),
    unmet: Unmet | None = None,
) -> Iterator[Leaf]:
    """Walks all keys, in the order of their definition.

    Args:
        node: Settings, or a dict from names to settings.
        default: The same with all values by default.
        prefix: What precedes the keys, such as "physical.".
        conditions: Under which the node is read.
        unmet: The first of them that does not hold.

    Raises:
        ValueError: If something else stands in the place of a section.
    """
    for name, value in children(node).items():
        info, dotted = key_of(node, name), prefix + name
        default_value = child_default(default, name, value)
        own = (*conditions, *info.when)
        own_unmet = unmet or find_unmet(node, name, prefix)
        if info.rule:
            yield Leaf(dotted, value, default_value, info, own, own_unmet)
        elif isinstance(value, dict) or dataclasses.is_dataclass(value):
            yield from leaves(value, default_value, f"{dotted}.", own, own_unmet)
        else:
            raise ValueError(
                f"config.{dotted}={value!r} is not allowed: expected a section of "
                "settings; give an instance of its dataclass"
            )


def children(node: Any) -> dict[str, Any]:
    """Maps the names of fields, or of a dict, to their values."""
    if isinstance(node, dict):
        return node
    return {field.name: getattr(node, field.name) for field in dataclasses.fields(node)}


def key_of(node: Any, name: str) -> Key:
    """Finds the metadata of a field, the nearest among a class and its bases."""
    for cls in type(node).__mro__:
        field = vars(cls).get("__dataclass_fields__", {}).get(name)
        if field is not None and "key" in field.metadata:
            return field.metadata["key"]
    return Key()


def child_default(default: Any, name: str, value: Any) -> Any:
    """Gives the default of a value, of the value's own class if that is another."""
    child = children(default).get(name)
    if dataclasses.is_dataclass(value) and type(child) is not type(value):
        return type(value)()
    return child


def find_unmet(node: Any, name: str, prefix: str) -> Unmet | None:
    """Finds the condition among siblings that keeps a key from being read."""
    for condition in key_of(node, name).when:
        value = getattr(node, condition.sibling)
        if not condition.holds(value):
            return Unmet(condition, prefix, value)
        # A sibling that is not read itself selects nothing.
        if unmet := find_unmet(node, condition.sibling, prefix):
            return unmet
    return None

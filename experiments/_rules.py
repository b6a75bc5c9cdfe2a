"""What a value of a config may be: a text for people, and a predicate."""

import math
from collections.abc import Callable
from typing import Any

Rule = tuple[str, Callable[[Any], bool]]


def is_int(value: Any, least: int) -> bool:
    """Whether a value is an integer, and not below a least one."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def integer(least: int) -> Rule:
    """The rule of an integer that has a least value."""
    return f"an integer >= {least}", lambda value: is_int(value, least)


def integers(least: int, length: str = "one or more") -> Rule:
    """The rule of a tuple of integers."""
    return (
        f"a tuple of {length} integers >= {least}, such as ({least}, {least + 1})",
        lambda value: (
            isinstance(value, tuple)
            and len(value) > 0
            and all(is_int(x, least) for x in value)
        ),
    )


def choice(*names: str) -> Rule:
    """The rule of one name of a few."""
    return f"one of {list(names)}", lambda value: value in names


def subset(*names: str) -> Rule:
    """The rule of a tuple of different names."""
    return (
        f"a tuple of one or more of {list(names)}",
        lambda value: (
            isinstance(value, tuple)
            and 0 < len(value) == len(set(value))
            and set(value) <= set(names)
        ),
    )


NUMBER: Rule = "a finite number", is_number
NUMBERS: Rule = (
    "a tuple of finite numbers",
    lambda value: isinstance(value, tuple) and all(map(is_number, value)),
)
POINTS: Rule = (
    "a tuple of points, each a tuple of finite numbers",
    lambda value: (
        isinstance(value, tuple)
        and all(isinstance(p, tuple) and all(map(is_number, p)) for p in value)
    ),
)
NO_BOUNDS: Rule = "(), since it may have any sign", lambda value: value == ()
POSITIVE: Rule = "a finite number > 0", lambda value: is_number(value) and value > 0
NOT_NEGATIVE: Rule = (
    "a finite number >= 0",
    lambda value: is_number(value) and value >= 0,
)
TEXT: Rule = "text", lambda value: isinstance(value, str)
FLAG: Rule = "True or False", lambda value: isinstance(value, bool)
REGION: Rule = (
    "((lower, upper), ...) for each axis with 0 <= lower < upper <= 1",
    lambda value: (
        isinstance(value, tuple)
        and len(value) > 0
        and all(
            isinstance(edge, tuple)
            and len(edge) == 2
            and all(is_number(x) for x in edge)
            and 0 <= edge[0] < edge[1] <= 1
            for edge in value
        )
    ),
)
BOUNDS: Rule = (
    "(lower, upper) with 0 <= lower < upper",
    lambda value: (
        isinstance(value, tuple)
        and len(value) == 2
        and all(is_number(x) for x in value)
        and 0 <= value[0] < value[1]
    ),
)
EXTENT: Rule = (
    "a tuple of finite numbers > 0, one per axis",
    lambda value: (
        isinstance(value, tuple)
        and len(value) > 0
        and all(is_number(x) and x > 0 for x in value)
    ),
)
RESOLUTION_OR_NONE: Rule = (
    "(), or a tuple of integers >= 4, one per axis",
    lambda value: isinstance(value, tuple) and all(is_int(x, 4) for x in value),
)

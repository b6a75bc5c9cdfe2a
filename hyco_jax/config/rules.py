"""What a setting may be: a text for people, and a predicate.

Upper bounds are part of a rule: an absurd but finite number would otherwise end in an
overflow, or in a program that nobody can compile.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

_MOST_CELLS = 2**26


class Rule(NamedTuple):
    """What a setting may be.

    Attributes:
        text: The allowed values in words, which an error and the help show.
        allows: Whether a value, of whatever type, is one of them.
    """

    text: str
    allows: Callable[[Any], bool]


def integer(least: int, most: int) -> Rule:
    """The rule of an integer, both bounds included; True and False are none."""
    return Rule(
        f"an integer from {least} to {most}",
        lambda value: _is_int(value, least, most),
    )


def integers(least: int, most: int) -> Rule:
    """The rule of a tuple of one or more integers."""
    return Rule(
        f"a tuple of one or more integers from {least} to {most}, such as ({least},)",
        _tuple_of(lambda x: _is_int(x, least, most), shortest=1),
    )


def choice(*names: str) -> Rule:
    """The rule of one name of a few."""
    return Rule(
        f"one of {list(names)}",
        lambda value: isinstance(value, str) and value in names,
    )


def subset(*names: str) -> Rule:
    """The rule of a tuple of one or more different names of a few."""
    return Rule(
        f"a tuple of one or more of {list(names)}, each at most once",
        lambda value: NAMES.allows(value) and len(value) > 0 and {*value} <= {*names},
    )


def number(most: float = 1e12) -> Rule:
    """The rule of a number of either sign, up to a magnitude."""
    return Rule(
        f"a number from {-most:g} to {most:g}",
        lambda value: _is_number(value, -most, most),
    )


def positive(most: float = 1e12, least: float = 1e-12) -> Rule:
    """The rule of a positive number, whose inverse is no absurd number either."""
    return Rule(
        f"a number from {least:g} to {most:g}",
        lambda value: _is_number(value, least, most),
    )


def not_negative(most: float = 1e12) -> Rule:
    """The rule of a number that may be 0."""
    return Rule(
        f"a number from 0 to {most:g}", lambda value: _is_number(value, 0, most)
    )


def _is_int(value: Any, least: int, most: int) -> bool:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return is_int and least <= value <= most


def _is_number(value: Any, least: float = -1e12, most: float = 1e12) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and least <= value <= most  # False of a nan


def _tuple_of(
    allows: Callable[[Any], bool], shortest: int = 0, longest: int | None = None
) -> Callable[[Any], bool]:
    def allows_all(value):
        if not isinstance(value, tuple) or len(value) < shortest:
            return False
        return (longest is None or len(value) <= longest) and all(map(allows, value))

    return allows_all


def _is_resolution(value: Any) -> bool:
    if not _tuple_of(lambda x: _is_int(x, 4, 2**16), 1, 3)(value):
        return False
    cells = 1
    for size in value:
        cells *= size
    return cells <= _MOST_CELLS


def _is_interval(value: Any, most: float = 1e12) -> bool:
    pair = _tuple_of(lambda x: _is_number(x, 0, most), 2, 2)(value)
    return pair and value[0] < value[1]


def _is_signed_interval(value: Any) -> bool:
    return _tuple_of(_is_number, 2, 2)(value) and value[0] < value[1]


def _is_set_of(allows: Callable[[Any], bool], shortest: int = 0):
    is_tuple = _tuple_of(allows, shortest)
    return lambda value: is_tuple(value) and len(value) == len(set(value))


def _or_none(rule: Rule) -> Rule:
    return Rule(f"(), or {rule.text}", lambda value: value == () or rule.allows(value))


NUMBER = number()
POSITIVE_PAIR = Rule(
    "a pair of numbers from 1e-12 to 1e+12",
    _tuple_of(lambda x: _is_number(x, 1e-12), 2, 2),
)
NUMBERS = Rule("a tuple of numbers from -1e+12 to 1e+12", _tuple_of(_is_number))
POINTS = Rule(
    "a tuple of points, each a tuple of 1 to 3 numbers from -1e+12 to 1e+12",
    _tuple_of(_tuple_of(_is_number, 1, 3)),
)
TEXT = Rule("text", lambda value: isinstance(value, str))
NAMES = Rule(
    "a tuple of names, each at most once",
    _is_set_of(lambda x: isinstance(x, str)),
)
FLAG = Rule("True or False", lambda value: isinstance(value, bool))
REGION = Rule(
    "((lower, upper), ...) for each of 1 to 3 axes with 0 <= lower < upper <= 1",
    _tuple_of(lambda edge: _is_interval(edge, 1.0), 1, 3),
)
REGION_OR_NONE = _or_none(REGION)
INTERVAL = Rule("(start, end) with -1e+12 <= start < end <= 1e+12", _is_signed_interval)
INTERVAL_OR_NONE = _or_none(INTERVAL)
BOUNDS = Rule("(lower, upper) with 0 <= lower < upper <= 1e+12", _is_interval)
BOUNDS_OR_NONE = _or_none(BOUNDS)
NO_BOUNDS = Rule("(), since it may have any sign", lambda value: value == ())
EXTENT = Rule(
    "a tuple of 1 to 3 numbers from 1e-06 to 1e+06, one per axis",
    _tuple_of(lambda x: _is_number(x, 1e-6, 1e6), 1, 3),
)
RESOLUTION = Rule(
    f"a tuple of 1 to 3 integers from 4 to {2**16}, one per axis, "
    f"whose product is at most {_MOST_CELLS}",
    _is_resolution,
)
RESOLUTION_OR_NONE = _or_none(RESOLUTION)
SIMS = Rule(
    "a tuple of one or more different integers from 0 to 1000000",
    _is_set_of(lambda x: _is_int(x, 0, 10**6), shortest=1),
)
SIMS_OR_NONE = _or_none(SIMS)

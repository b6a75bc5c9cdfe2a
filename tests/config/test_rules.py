"""What settings may be: bounds included, and nothing of another type."""

import math

import pytest

from hyco_jax.config import rules

NO_NUMBERS = (math.nan, math.inf, -math.inf, 1e300, 10**400, "1", None, True, (1.0,))


@pytest.mark.parametrize(
    ("rule", "allowed", "refused"),
    [
        (rules.integer(1, 8), (1, 8), (0, 9, -1, 10**400, 1.0, True, "1", (1,), None)),
        (rules.integers(1, 8), ((1,), (8, 1)), ((), (0,), [1], 1, (True,), (10**400,))),
        (rules.choice("a", "b"), ("a", "b"), ("c", "", ("a",), ["a"], None, 1)),
        (
            rules.subset("a", "b"),
            (("a",), ("b", "a")),
            ((), ("a", "a"), ("c",), "a", ["a"], (["a"],), ({},)),
        ),
        (rules.number(), (0, -1.5, 1e12, -1e12), NO_NUMBERS),
        (rules.positive(2.0), (1e-12, 1, 2.0), (0, -1, 2.1, 1e-300, *NO_NUMBERS)),
        (rules.not_negative(2.0), (0, 0.0, 2), (-1e-9, 2.1, *NO_NUMBERS)),
        (rules.NUMBERS, ((), (1, 2.5)), ([1], 1, (math.nan,), ("1",), (10**400,))),
        (rules.POINTS, ((), ((1,), (2, 3, 4.0))), ((1,), ((),), ((1, 2, 3, 4),))),
        (rules.TEXT, ("", "a"), (1, None, ("a",))),
        (rules.NAMES, ((), ("a", "b")), (("a", "a"), "a", (1,), (["a"],))),
        (rules.FLAG, (True, False), (0, 1, "True", None)),
        (
            rules.REGION,
            (((0, 1),), ((0.25, 0.75), (0.0, 0.5))),
            ((), ((0, 1.5),), ((0.5, 0.5),), (0, 1), ((0, 1),) * 4, ((0, math.nan),)),
        ),
        (
            rules.INTERVAL,
            ((0, 1), (-1.5, -1)),
            ((), (1, 1), (2, -1), (1,), (0, 1, 2), [0, 1], (0, math.inf)),
        ),
        (rules.BOUNDS, ((0, 1), (0.5, 2)), ((), (1, 1), (-1, 1), (1,), (0, math.inf))),
        (rules.BOUNDS_OR_NONE, ((), (0, 1)), ([], None, (2, 1), (0, 1, 2))),
        (rules.NO_BOUNDS, ((),), ([], (0, 1), None)),
        (
            rules.EXTENT,
            ((1,), (1e6, 1.5)),
            ((), (0.0,), (1e9,), (1,) * 4, 1.0, (True,)),
        ),
        (
            rules.RESOLUTION,
            ((4,), (2**16,), (256, 256, 256), (2**13, 2**13)),
            ((), (3,), (2**16 + 1,), (2**14, 2**14), (8,) * 4, 8, (8.0,), (10**400,)),
        ),
        (rules.RESOLUTION_OR_NONE, ((), (4,)), ((3,), [], None)),
        (rules.SIMS, ((0,), (3, 1)), ((), (-1,), (1, 1), (True,), (10**7,), [0])),
        (rules.SIMS_OR_NONE, ((), (0,), (3, 1)), ((-1,), (1, 1), [], None)),
    ],
    ids=lambda value: value.text[:30] if isinstance(value, rules.Rule) else None,
)
def test_a_rule_allows_its_values_and_no_others(rule, allowed, refused):
    assert [value for value in allowed if not rule.allows(value)] == []
    assert [value for value in refused if rule.allows(value)] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (rules.integer(1, 8), "an integer from 1 to 8"),
        (
            rules.integers(4, 8),
            "a tuple of one or more integers from 4 to 8, such as (4,)",
        ),
        (rules.choice("a", "b"), "one of ['a', 'b']"),
        (
            rules.subset("a", "b"),
            "a tuple of one or more of ['a', 'b'], each at most once",
        ),
        (rules.number(10.0), "a number from -10 to 10"),
        (rules.positive(1e3), "a number from 1e-12 to 1000"),
        (rules.not_negative(), "a number from 0 to 1e+12"),
    ],
)
def test_a_rule_says_in_words_what_it_allows(rule, text):
    assert rule.text == text

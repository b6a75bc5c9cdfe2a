"""What still fits before a run's time is up, by a clock of the test's own."""

import math

import pytest

from hyco_jax.running.time_limit import TimeLimit


class Clock:
    """Tells the time that a test sets, in seconds."""

    time = 100.0

    def __call__(self):
        return self.time


def test_a_call_and_a_save_have_to_fit():
    clock = Clock()
    limit = TimeLimit(1.0, clock)
    limit.note("hybrid", 20.0)
    limit.note("hybrid", 10.0)
    limit.note_save(3.0)
    clock.time = 100.0 + 60.0 - 28.0  # 20 for the longest, 3 to save, 5 to end
    assert limit.has_room("hybrid")
    clock.time += 0.001
    assert not limit.has_room("hybrid")


def test_a_part_is_judged_by_its_own_calls_a_new_one_by_the_slowest():
    clock = Clock()
    limit = TimeLimit(1.0, clock)
    limit.note("physical", 1.0)
    limit.note("synthetic", 30.0)
    clock.time = 140.0
    assert limit.has_room("physical")
    assert not limit.has_room("synthetic")
    assert not limit.has_room("hybrid")


def test_there_is_room_for_one_call_however_short_the_time():
    clock = Clock()
    limit = TimeLimit(0, clock)
    clock.time = 1e6
    assert limit.has_room("physical")
    limit.note("physical", 0.0)
    assert not limit.has_room("physical")
    assert limit.minutes_left == 0


@pytest.mark.parametrize("minutes", [None, math.inf])
def test_no_limit_is_never_met(minutes):
    limit = TimeLimit(minutes)
    limit.note("hybrid", 1e9)
    assert limit.has_room("hybrid") and limit.minutes_left is None


@pytest.mark.parametrize("minutes", [-1.0, math.nan])
def test_a_limit_that_is_none_is_refused(minutes):
    with pytest.raises(ValueError, match="max_minutes=.* set --max_minutes"):
        TimeLimit(minutes)

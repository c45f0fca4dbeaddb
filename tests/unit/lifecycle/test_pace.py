"""A bucket that is overloaded is asked half as fast; one that answers, a little faster."""

import pytest

from lifecycle.apply.pace import PATIENCE_SECONDS, Pace, Paces, Struggle


class Time:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def test_turns_are_handed_out_one_after_the_other(time: Time) -> None:
    pace = Pace("s3", time)
    assert [pace.delay(1750) for _ in range(3)] == [0, 0.5, 1.0]
    time.now += 10
    assert pace.delay(1) == 0


def test_turned_away_halves_the_pace_once_for_all_who_meet_the_same_overload(time: Time) -> None:
    pace = Pace("gs", time)
    for _ in range(8):
        pace.turned_away(Struggle())
    assert pace.rate == 500
    time.now += 1
    pace.turned_away(Struggle())
    assert pace.rate == 250


def test_the_pace_never_ends(time: Time) -> None:
    pace = Pace("s3", time)
    for _ in range(100):
        time.now += 60
        pace.turned_away(Struggle())
    assert pace.rate == 1


def test_answers_make_it_faster_by_a_hundred_a_second(time: Time) -> None:
    pace = Pace("s3", time)
    for _ in range(7):
        pace.answered(500)
    assert pace.rate == pytest.approx(3600, abs=2)


def test_pauses_grow_to_a_minute_and_patience_ends(time: Time) -> None:
    pace, struggle = Pace("s3", time), Struggle()
    pauses = []
    while (pause := pace.turned_away(struggle)) is not None:
        pauses.append(pause)
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[7:]) == {60}
    assert PATIENCE_SECONDS <= sum(pauses) < PATIENCE_SECONDS + 60


def test_an_answer_to_anybody_renews_the_patience_and_one_without_effect_does_not(time: Time) -> None:
    pace, struggle = Pace("s3", time), Struggle()
    for _ in range(14):
        assert pace.turned_away(struggle)
    pace.answered(1)
    assert pace.turned_away(struggle) == 60
    for _ in range(9):
        assert pace.turned_away(struggle)
    pace.answered(0)
    assert pace.turned_away(struggle) is None


def test_each_bucket_has_its_own_pace_and_the_same_name_elsewhere_another(time: Time) -> None:
    paces = Paces(time)
    assert paces.of("s3://a") is paces.of("s3://a")
    assert paces.of("s3://a") is not paces.of("gs://a")
    assert (paces.of("s3://a").rate, paces.of("gs://a").rate) == (3500, 1000)

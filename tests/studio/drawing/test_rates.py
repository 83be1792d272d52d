"""Each browser draws at its own rate, and none is remembered for ever."""

from __future__ import annotations

from studio.drawing.rates import Rate, Rates


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def let(rates: Rates, who: str, times: int) -> int:
    return sum(rates.let(who) for _ in range(times))


def test_a_burst_passes_then_as_much_as_is_sustained() -> None:
    clock = Clock()
    rates = Rates(Rate(5, 20), Rate(1000, 1000), clock=clock)

    assert let(rates, "a", 50) == 20
    clock.now += 2
    assert let(rates, "a", 50) == 10
    clock.now += 1000
    assert let(rates, "a", 50) == 20


def test_what_costs_more_passes_less_often() -> None:
    clock = Clock()
    rates = Rates(Rate(5, 20), Rate(1000, 1000), clock=clock)

    assert sum(rates.let("a", 7) for _ in range(10)) == 2
    assert let(rates, "a", 10) == 6


def test_one_that_draws_too_often_does_not_hold_up_another() -> None:
    rates = Rates(Rate(5, 20), Rate(1000, 1000), clock=Clock())
    let(rates, "a", 500)

    assert let(rates, "b", 20) == 20


def test_many_together_are_held_back_too() -> None:
    clock = Clock()
    rates = Rates(Rate(5, 20), Rate(10, 30), clock=clock)

    assert sum(let(rates, str(who), 20) for who in range(10)) == 30
    clock.now += 1
    assert let(rates, "another", 20) == 10


def test_who_came_longest_ago_is_forgotten_first() -> None:
    rates = Rates(Rate(1, 2), Rate(1000, 1000), most=2, clock=Clock())
    for who in ("a", "b", "b", "a", "c"):
        rates.let(who)

    assert not rates.let("a")
    assert let(rates, "b", 3) == 2

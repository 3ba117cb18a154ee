"""What several threads want at the same instant is done by one for all: real threads, no database."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ess.together import Together

PATIENCE_S = 10


class Work:
    """Doubles numbers, remembers in what company, and does so only when it is let."""

    def __init__(self, cannot: Callable[[int], bool] = lambda _: False) -> None:
        self.batches: list[list[int]] = []
        self.alone: list[int] = []
        self.began, self.may_end = threading.Event(), threading.Event()
        self._cannot = cannot

    def at_once(self, numbers: Sequence[int]) -> Mapping[int, int]:
        self.batches.append(list(numbers))
        self.began.set()
        assert self.may_end.wait(PATIENCE_S)
        return {n: 2 * n for n in numbers if not self._cannot(n)}

    def one(self, number: int) -> int:
        self.alone.append(number)
        return 2 * number


def wanted_behind_the_first(work: Work, numbers: Sequence[int]) -> list[int]:
    """0 is wanted first, and while it is worked on all of these are."""
    together = Together(work.at_once, work.one)
    with ThreadPoolExecutor(1 + len(numbers)) as threads:
        first = threads.submit(together, 0)
        assert work.began.wait(PATIENCE_S)
        others = [threads.submit(together, number) for number in numbers]
        while len(together._waiting) < len(numbers):
            threading.Event().wait(0.001)
        work.may_end.set()
        return [wish.result(PATIENCE_S) for wish in (first, *others)]


def test_whoever_is_alone_goes_on_at_once() -> None:
    work = Work()
    work.may_end.set()
    assert Together(work.at_once, work.one)(4) == 8
    assert (work.batches, work.alone) == ([[4]], [])


def test_who_came_meanwhile_is_served_with_all_who_wait() -> None:
    work = Work()
    assert wanted_behind_the_first(work, range(1, 6)) == [0, 2, 4, 6, 8, 10]
    assert [sorted(batch) for batch in work.batches] == [[0], [1, 2, 3, 4, 5]]
    assert work.alone == []


def test_what_cannot_be_done_for_all_is_done_alone() -> None:
    work = Work(cannot=lambda n: n % 2 == 1)
    assert wanted_behind_the_first(work, [1, 2, 3]) == [0, 2, 4, 6]
    assert sorted(work.alone) == [1, 3]


def test_of_two_who_want_the_same_one_is_served_and_the_other_looks_for_itself() -> None:
    work = Work()
    assert wanted_behind_the_first(work, [7, 7]) == [0, 14, 14]
    assert (work.batches, work.alone) == ([[0], [7]], [7])


def test_where_it_fails_for_all_each_is_done_alone_and_meets_its_own_error() -> None:
    def all_fail(_: Sequence[int]) -> Mapping[int, int]:
        raise ConnectionError

    def one(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    together = Together(all_fail, one)
    assert together(2) == 2
    with pytest.raises(ValueError, match="three"):
        together(3)
    assert together(4) == 4, "nobody is kept out by the one before"

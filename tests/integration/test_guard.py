"""A provider that hangs holds its own share of a worker's threads and no more."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from stack import Deployment

from config.settings import Settings
from ess.channels.guard import Guard
from ess.domain.errors import TransientFailure

SHARE, THREADS = 3, 5


@pytest.fixture
def guard(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Guard:
    for name, value in deployment.stack.environment.items():
        if name.startswith("ESS_"):
            monkeypatch.setenv(name, value)
    return Guard("hanging", Settings(provider_calls_at_once=SHARE), rate_per_s=1000)


def test_a_provider_that_hangs_leaves_threads_to_the_others(guard: Guard) -> None:
    answers, begun = threading.Event(), threading.Semaphore(0)

    def hang(words: str) -> str:
        begun.release()
        answers.wait()
        return words

    with ThreadPoolExecutor(THREADS) as pool:
        try:
            hanging = [pool.submit(guard.call, hang, f"call {number}") for number in range(SHARE)]
            for _ in hanging:
                begun.acquire()
            others = [pool.submit(guard.call, hang, "one too many") for _ in range(THREADS - SHARE)]
            for one_too_many in others:
                with pytest.raises(TransientFailure, match="3 calls wait for an answer") as refused:
                    one_too_many.result(timeout=10)
                assert refused.value.after, "it is tried again soon, and nobody doubts that it was not said"
                assert not refused.value.unknown
        finally:
            answers.set()
        assert [call.result() for call in hanging] == ["call 0", "call 1", "call 2"]
    assert guard.call(str.upper, "and then there is room") == "AND THEN THERE IS ROOM"


def test_who_failed_holds_no_room(guard: Guard) -> None:
    def fail(_: str) -> str:
        raise TransientFailure("it stumbled")

    for _ in range(SHARE + 1):
        with pytest.raises(TransientFailure, match="it stumbled"):
            guard.call(fail, "words")

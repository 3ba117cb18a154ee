"""A provider is left alone where it fails, and one that hangs holds its own share of a worker's threads and no more."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from stack import Deployment, wait_for

from config.settings import Settings
from ess.channels.guard import Guard
from ess.domain.errors import ChannelDown, PermanentFailure, TransientFailure
from ess.embedded.processes import free_port

SHARE, THREADS, FAILURES = 3, 5, 2


@pytest.fixture
def settings(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in deployment.stack.environment.items():
        if name.startswith("ESS_"):
            monkeypatch.setenv(name, value)
    return Settings(provider_calls_at_once=SHARE, breaker_failures=FAILURES, channel_pause_s=600)


@pytest.fixture
def guard(settings: Settings) -> Guard:
    return Guard("hanging", settings, rate_per_s=1000)


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
        raise PermanentFailure("it stumbled")

    for _ in range(SHARE + 1):
        with pytest.raises(PermanentFailure, match="it stumbled"):
            guard.call(fail, "words")


def fail(_: str) -> str:
    raise TransientFailure("it stumbled")


def is_refused(guard: Guard) -> bool:
    try:
        guard.call(str.upper, "words")
    except ChannelDown:
        return True
    return False


def test_what_one_worker_finds_out_about_a_provider_all_know_soon(settings: Settings) -> None:
    mine, others = (Guard("failing", settings, rate_per_s=1000) for _ in range(2))
    assert others.call(str.upper, "both know that it works") == "BOTH KNOW THAT IT WORKS"
    for _ in range(FAILURES):
        with pytest.raises(TransientFailure, match="it stumbled"):
            mine.call(fail, "words")
    with pytest.raises(ChannelDown, match="failing failed 2 times in a row"):
        mine.call(str.upper, "who found out, at once")
    wait_for(lambda: is_refused(others), "the other leaves the provider alone, too")


def test_without_redis_nothing_stops_a_message(settings: Settings) -> None:
    nobody = settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{free_port()}/0"})
    guard = Guard("unwatched", nobody, rate_per_s=1)
    assert [guard.call(str.upper, words) for words in ("one", "two")] == ["ONE", "TWO"]

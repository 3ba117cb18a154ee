"""Attempts that begin or end at one instant: real rows and threads, a provider that the test holds in its hand."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from config.settings import Settings
from ess import dispatch
from ess.channels.envelope import Envelope, Message
from ess.domain.duty import Channel
from ess.domain.errors import TransientFailure
from ess.domain.report import IncidentType, Location, Report, Reporter, Source
from ess.embedded.local import whole
from ess.engine import Engine, open_engine
from ess.outbox import queue
from ess.sending import Sending
from ess.store import incidents, tables
from ess.store.crypto import EncryptedJson

PHONE = "+66100000043"  # no Thai number begins with 1
N = 6


class Provider:
    """Takes everything, once it is let; fails where it is told to."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.called: list[UUID] = []
        self.fails = False

    def send(self, envelope: Envelope) -> str:
        self.called.append(envelope.id)
        assert self.may_answer.wait(10)
        if self.fails:
            raise TransientFailure("the provider: too many requests")
        return f"ref-{envelope.id}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("sending").resolve()
    with whole(Settings(database_url=None, broker_url=None, data_dir=folder), throwaway=True) as settings:
        yield settings


@pytest.fixture
def engine(running: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(EncryptedJson, "vault", EncryptedJson.vault)  # other tests of this process have a key of theirs
    monkeypatch.setattr(incidents, "_policies", {})  # and another database, which keeps these already
    opened = open_engine(running, lambda _: [], pool_size=N)
    yield opened
    with opened.store.transaction() as tx:
        tx.session.execute(text("TRUNCATE fact, delivery, deadline, report, incident CASCADE"))
    opened.store.close()


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def sending(engine: Engine, provider: Provider) -> Sending:
    return Sending(engine, {Channel.SMS: provider})


@pytest.fixture
def due(engine: Engine) -> list[int]:
    """Several messages about one incident, to be sent now."""
    report = Report(IncidentType.ASSAULT, Source.API, Location(16.8211, 100.2659), Reporter())
    incident_id = dispatch.accept_report(engine, report, owner="test", idempotency_key=str(uuid4())).incident_id
    with engine.store.transaction() as tx:
        tx.session.execute(text("TRUNCATE deadline, delivery, fact CASCADE"))
        until = tx.now + timedelta(minutes=1)
        for n in range(N):
            queue(tx, Channel.SMS, PHONE, (Message(f"words {n}"),), "received", until, incident_id=incident_id)
    with engine.store.transaction() as tx:
        return list(tx.session.scalars(text("SELECT id FROM deadline WHERE kind = 'send' ORDER BY id")))


def states(engine: Engine) -> dict[str, int]:
    with engine.store.transaction() as tx:
        rows = tx.session.execute(text("SELECT state, count(*) FROM delivery GROUP BY state"))
        return dict(rows.all())  # type: ignore[arg-type]


def count(engine: Engine, table: str) -> int:
    with engine.store.transaction() as tx:
        return int(tx.session.scalars(text(f"SELECT count(*) FROM {table}")).one())


def wait_until(condition: object) -> None:
    end = threading.Event()
    for _ in range(10_000):
        if condition():  # type: ignore[operator]
            return
        end.wait(0.001)
    raise TimeoutError("it never came")


def test_each_is_sent_once_and_all_is_written_down(
    engine: Engine, sending: Sending, provider: Provider, due: list[int]
) -> None:
    with ThreadPoolExecutor(2 * N) as threads:
        sends = [threads.submit(sending.send, deadline_id) for deadline_id in [*due, *due]]  # and each wake-up twice
        wait_until(lambda: len(provider.called) == N)
        assert states(engine) == {"sending": N}, "committed before the provider has answered"
        provider.may_answer.set()
        for send in sends:
            send.result(10)
    assert len(set(provider.called)) == len(provider.called) == N
    assert states(engine) == {"sent": N}
    assert count(engine, "deadline") == 0
    with engine.store.transaction() as tx:
        facts = tx.session.execute(text("SELECT fact, data ->> 'delivery_id', data ->> 'attempt' FROM fact")).all()
        refs = dict(tx.session.execute(text("SELECT id, provider_ref FROM delivery")).all())
    assert sorted(facts) == sorted(("delivery_sent", str(called), "1") for called in provider.called)
    assert refs == {called: f"ref-{called}" for called in provider.called}


def test_a_row_that_somebody_else_holds_keeps_none_of_the_others_waiting(
    engine: Engine, sending: Sending, provider: Provider, due: list[int]
) -> None:
    held, *others = due
    with ThreadPoolExecutor(N) as threads:
        sends = {deadline_id: threads.submit(sending.send, deadline_id) for deadline_id in due}
        wait_until(lambda: len(provider.called) == N)
        with engine.store.transaction() as tx:  # a receipt, say, looks at one of them
            subject = tx.session.get_one(tables.Deadline, held).subject
            tx.session.get_one(tables.Delivery, UUID(subject), with_for_update=True)
            provider.may_answer.set()
            for deadline_id in others:
                sends[deadline_id].result(10)
            assert not sends[held].done()
        sends[held].result(10)
    assert states(engine) == {"sent": N}


def test_one_that_is_no_longer_wanted_holds_up_no_other(
    engine: Engine, sending: Sending, provider: Provider, due: list[int]
) -> None:
    provider.may_answer.set()
    with engine.store.transaction() as tx:
        subject = tx.session.get_one(tables.Deadline, due[0]).subject
        tx.session.get_one(tables.Delivery, UUID(subject)).expires_at = tx.now
    with ThreadPoolExecutor(N) as threads:
        list(threads.map(sending.send, due))
    assert states(engine) == {"sent": N - 1, "expired": 1}
    assert UUID(subject) not in provider.called
    with engine.store.transaction() as tx:
        assert tx.session.get_one(tables.Delivery, UUID(subject)).attempt == 0, "no attempt was made of it"


def test_who_puts_one_back_too_late_leaves_it_to_whoever_has_gone_on(
    engine: Engine, sending: Sending, provider: Provider, due: list[int]
) -> None:
    provider.may_answer.set()
    with engine.store.transaction() as tx:
        subject = tx.session.get_one(tables.Deadline, due[0]).subject
        tx.session.get_one(tables.Delivery, UUID(subject)).message = "which_place"  # of an incident that is over
        tx.session.execute(text("UPDATE incident SET state = 'closed'"))

    def another_goes_on(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "state = 'queued'" in statement:
            with engine.store.transaction() as tx:
                tx.session.execute(text("UPDATE delivery SET attempt = attempt + 1 WHERE state = 'sending'"))

    event.listen(engine.store.engine, "before_cursor_execute", another_goes_on)
    sending.send(due[0])
    assert provider.called == []
    with engine.store.transaction() as tx:
        delivery = tx.session.get_one(tables.Delivery, UUID(subject))
        assert (delivery.state, delivery.attempt) == ("sending", 2), "theirs, and not to be said by a third"


def test_one_that_cannot_be_read_keeps_none_of_the_others_waiting(
    engine: Engine, sending: Sending, provider: Provider, due: list[int]
) -> None:
    provider.may_answer.set()
    broken, *others = due
    with engine.store.transaction() as tx:
        subject = tx.session.get_one(tables.Deadline, broken).subject
        tx.session.get_one(tables.Delivery, UUID(subject)).envelope = {"to": PHONE}
    with ThreadPoolExecutor(N) as threads:
        sends = {deadline_id: threads.submit(sending.send, deadline_id) for deadline_id in due}
        for deadline_id in others:
            sends[deadline_id].result(10)
        with pytest.raises(KeyError, match="messages"):
            sends[broken].result(10)
    assert states(engine) == {"sent": N - 1, "queued": 1}, "it is as it was, and whoever repairs it can send it"


def test_what_a_provider_refuses_is_due_again_and_an_attempt_taken_for_dead_changes_nothing(
    engine: Engine, sending: Sending, provider: Provider, due: list[int]
) -> None:
    provider.may_answer.set()
    provider.fails = True
    sending.send(due[0])
    assert states(engine) == {"queued": N}
    provider.fails = False
    provider.may_answer.clear()
    with ThreadPoolExecutor(1) as threads:
        send = threads.submit(sending.send, due[1])
        wait_until(lambda: len(provider.called) == 2)
        with engine.store.transaction() as tx:  # another worker has gone on meanwhile
            tx.session.execute(text("UPDATE delivery SET attempt = attempt + 1 WHERE state = 'sending'"))
        provider.may_answer.set()
        send.result(10)
    assert states(engine) == {"queued": N - 1, "sending": 1}
    assert count(engine, "deadline") == N

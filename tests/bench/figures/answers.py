"""What comes back: webhooks of providers, and acknowledgements that stand the others down."""

import json
import time
from datetime import datetime
from typing import Any

from figure import Figure, Scale, Spread
from load import Answer, Caller, all_taken, at_rate
from sqlmodel import select
from world import World

from ess.simulator.edge import line_signature
from ess.store import tables

_PER_S = 50


def webhooks(world: World, scale: Scale) -> Figure:
    """LINE messages of as many citizens, each answered by a worker while the next ones come in."""
    edge = Caller(world.engine.stack.url)
    secret = world.engine.stack.environment["ESS_LINE_CHANNEL_SECRET"]

    def message(i: int) -> Answer:
        event = {
            "type": "message",
            "webhookEventId": f"{i:026d}",
            "timestamp": int(time.time() * 1000),
            "source": {"type": "user", "userId": f"U{i:032x}"},
            "message": {"type": "text", "id": str(i), "text": "สวัสดี"},
        }
        body = json.dumps({"destination": "U" + "0" * 32, "events": [event]}).encode()
        return edge.post("/webhooks/line", body, {"X-Line-Signature": line_signature(secret, body)})

    with world.watched() as used:
        answers = at_rate(message, _PER_S, scale.webhooks_s)
        came_in = time.monotonic()
        world.settle()
        drained_s = time.monotonic() - came_in
    all_taken(answers, 200)
    ours = Spread.of_seconds(answer.took_s for answer in answers)
    before = world.floor.n_commits()
    floors = at_rate(lambda _: world.floor.report({}), _PER_S, scale.webhooks_s / 3)
    world.floor.wait_for_incidents(len(floors), before)
    bare = Spread.of_seconds(answer.took_s for answer in floors)
    return Figure(
        f"webhook answered, {_PER_S} events a second for {scale.webhooks_s} s",
        "p99 ≤ 200 ms",
        f"{ours}; the last citizen had their reply {drained_s:.1f} s after the last event",
        f"{bare}: an empty incident begins, at the same rate",
        ours.p99 <= 200,
        f"CPU: {used}",
        {"engine": ours, "floor": bare, "drained_s": drained_s, "cpu": used},
    )


def stand_down(world: World, scale: Scale) -> Figure:
    """Three stations are asked, one accepts by API, LINE or SMS, and all the others that were asked hear of it."""
    ours: dict[str, list[float]] = {"api": [], "line": [], "sms": []}
    bare: list[float] = []
    with world.watched() as used:
        for i in range(scale.acknowledgements):
            via = list(ours)[i % len(ours)]
            ours[via].append(_stood_down_after(world, i, via))
            bare.append(_floor_after(world))
    every = Spread.of_seconds(value for values in ours.values() for value in values)
    by_channel = {via: Spread.of_seconds(values) for via, values in ours.items()}
    floor = Spread.of_seconds(bare)
    return Figure(
        "acknowledgement by any channel → the others are stood down",
        "p99 ≤ 2 s",
        f"{every}; p50 by {', '.join(f'{via} {spread.p50:.0f} ms' for via, spread in by_channel.items())}",
        f"{floor}: one commit, one empty task, two calls",
        every.p99 <= 2000,
        "one at a time; from the request's first byte to the provider's last entry",
        {"engine": every, "by_channel": by_channel, "floor": floor, "cpu": used},
    )


def _stood_down_after(world: World, i: int, via: str) -> float:
    answer = world.report(i, "running_amok")
    all_taken([answer], 202)
    world.settle()
    alert_id, code, phone, line_user = _first_alert(world, answer.body["incident_id"])
    before = world.last_seq()
    match via:
        case "api":
            accepted = world.api.post(f"/v1/alerts/{alert_id}/accept", {})
        case "line":
            accepted = world.phones.post(f"/sim/line/{line_user}/tap", {"label": "รับทราบ"})
        case _:
            accepted = world.phones.post(f"/sim/sms/{phone}/text", {"text": f"{code} 1"})
    all_taken([accepted], 200)
    asked = "SELECT count(*) FROM alert WHERE incident_id = :id AND track = 'police'"
    n_asked = world.count(asked, id=answer.body["incident_id"])
    told = "SELECT id FROM delivery WHERE incident_id = :id AND message = 'stood_down'"
    world.settle()
    wanted = {str(row[0]) for row in world.ask(told, id=answer.body["incident_id"])}
    times = [_at(entry) for entry in world.ledger(before) if entry["retry_key"] in wanted]
    if len(times) != n_asked - 1:
        raise RuntimeError(f"{len(times)} stations were stood down instead of {n_asked - 1}")
    return max(times) - accepted.sent_at


def _first_alert(world: World, incident_id: str) -> tuple[str, str | None, str | None, str | None]:
    """The alert of one of the stations: its id, its code, and the station's phone and LINE account."""
    with world.store.transaction() as tx:
        query = select(tables.Alert).where(tables.Alert.incident_id == incident_id, tables.Alert.track == "police")
        alert = tx.session.exec(query).first()
        if alert is None:
            raise RuntimeError("no station was alerted")
        person = tx.session.get_one(tables.Responder, alert.responder_id)
        return str(alert.id), alert.reply_code, person.phone, person.line_user_id


def _floor_after(world: World) -> float:
    before = world.last_seq()
    answer = world.floor.web.post("/answers", {})
    world.wait_for_push(world.wait_for_push(before)["seq"])
    times = [_at(entry) for entry in world.ledger(before) if entry["kind"] == "push"]
    return max(times) - answer.sent_at


def _at(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["at"]).timestamp()

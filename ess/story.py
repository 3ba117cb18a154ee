"""An incident's story for a person at a terminal: facts in plain words, in order, with who and why."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ess.conversation.texts import Texts

#: How each fact reads; what is not here is told by its name.
SENTENCES: dict[str, str] = {
    "received": "report received",
    "located": "located: province {province}, district {district} (confidence {confidence:.2f}, from the {source})",
    "place_corrected": "place corrected: province {province}, district {district} (from the {source})",
    "place_unsure": "the words fit several places: the reporter is asked, and the national desk too",
    "place_contradicted": "CONTRADICTED: the place is in province {province}, and was said to be in {said}",
    "outside_area": "{track}: the place is outside the area of {who}, who keeps it",
    "place_unknown": "the place is unknown: it goes to the national desk",
    "responders_selected": "{track}, step {step}: chosen",
    "alerted": "alerted: {who}",
    "alerted_again": "alerted again: {who}",
    "not_asked_again": "not alerted again: {who} is not at work any more",
    "informed": "told for their information: {who}",
    "asked_further": "no answer yet: {who} is asked over {channel} too",
    "delivery_sent": "{message} sent over {channel}{to_who}",
    "delivery_delivered": "{message} delivered over {channel}{to_who}",
    "delivery_failed": "{message} failed over {channel}{to_who}: {error}",
    "delivery_retried": "{message} will be tried again over {channel}{to_who}: {error}",
    "delivery_waits": "{message} waits for {channel}{to_who}: {error}",
    "delivery_expired": "{message} over {channel}{to_who} was not sent: {error}",
    "accepted": "accepted: {who}, over {via}",
    "acknowledged": "ACKNOWLEDGED by {who}, expected by {arrival}",
    "declined": "declined: {who}, over {via}",
    "given_back": "given back by {who}",
    "unreachable": "no channel reaches {who}",
    "stood_down": "stood down: {who}",
    "departed": "on the way: {who}",
    "estimated": "expected at {eta}: {who}, over {via}",
    "arrived": "ON THE SCENE: {who}",
    "departure_overdue": "not on the way in time: asked",
    "arrival_overdue": "not there by the expected time: asked",
    "backup_wanted": "BACKUP WANTED by {who}, over {via}",
    "backup_called": "{track}: backup is asked, step {step}",
    "backup_expired": "{track}, step {step}: no backup in time",
    "hand_over_wanted": "{track}: to be handed over to {who}, by {by}",
    "handed_over": "{track}: HANDED OVER to {who}",
    "resolved": "RESOLVED by {who}",
    "step_expired": "{track}, step {step}: nobody acknowledged in time",
    "unanswered": "{track}: UNANSWERED, nobody is left to ask",
    "owned": "taken by {who}",
    "follow_up_opened": "follow-up {plan} promised: {who}, by {due}",
    "follow_up_asked": "follow-up {plan}: {who} is asked, by {due}",
    "follow_up_reassigned": "follow-up {plan}: goes to {who}",
    "follow_up_taken": "follow-up {plan}: TAKEN OVER by {who}, by {due}",
    "follow_up_reached": "follow-up {plan}: the victim was reached",
    "follow_up_moved": "follow-up {plan}: moved to {due}",
    "follow_up_needs_service": "follow-up {plan}: reached, and needs service",
    "follow_up_referred": "follow-up {plan}: referred to another agency",
    "follow_up_service": "follow-up {plan}: {service}",
    "follow_up_no_answer": "follow-up {plan}: no answer",
    "follow_up_waits": "follow-up {plan}: waits for the calling hours",
    "follow_up_reminded": "follow-up {plan}: overdue, reminded",
    "follow_up_overdue": "follow-up {plan}: overdue, supervisors told",
    "follow_up_call_asked": "follow-up {plan}: {who} asks to be connected",
    "follow_up_call_refused": "follow-up {plan}: {who} is not connected: {why}",
    "follow_up_call_connecting": "follow-up {plan}: {who} is connected, the other phone rings",
    "follow_up_call_bridged": "follow-up {plan}: they could talk, {duration_s} s",
    "follow_up_call_unanswered": "follow-up {plan}: the other phone was not reached: {why}",
    "visit_opened": "nobody answers: a visit is promised, by {due}",
    "visit_asked": "{plan}: {who} is asked to visit, by {due}",
    "visit_reassigned": "{plan}: goes to {who}",
    "visit_taken": "{plan}: TAKEN OVER by {who}, by {due}",
    "visit_visited": "{plan}: the victim was visited",
    "visit_could_not": "{plan}: could not be made",
    "visit_waits": "{plan}: waits for the calling hours",
    "visit_reminded": "{plan}: overdue, reminded",
    "visit_overdue": "{plan}: overdue or not possible, supervisors told",
    "personal_data_read": "personal data read by {reader}: {what}",
    "phone_given": "the reporter gave a phone (kept encrypted)",
    "reporter_wrote": "the reporter wrote something (kept encrypted)",
    "reporter_sent": "the reporter sent a photo or a recording (kept encrypted)",
    "attachment_lost": "what the reporter sent could not be fetched from LINE",
    "contact_wished": "the reporter said how they wish to be contacted",
    "reporter_in_danger": "the reporter is in danger themselves: nobody calls back",
    "victim_is_minor": "the reporter says that the victim is under 18",
    "reporter_safe": "the reporter says that they are safe: people check",
    "reporter_cancels": "the reporter asks to cancel: people check",
    "reporter_unsafe": "the reporter says that they are still not safe",
    "reported_again": "nobody was there any more: it is reported anew as {into_code}",
    "responder_wrote": "{who} wrote something (kept encrypted)",
    "closed": "CLOSED by {by}",
    "cancelled": "cancelled by {by}: {reason}",
    "alert_waits": "not asked once more: the alert before still waits to be sent",
    "taken_in_hand": "was in nobody's hand: the audit has it taken up again",
    "escalated": "escalated by {by}: {track}, step {step} is over",
    "assigned": "assigned by {by}: {who}",
    "merged": "merged into {into_code} by {by}",
    "absorbed": "took in another incident",
    "joined": "reported by one more witness",
    "split": "reports split off by {by}: they go on as {into_code}",
    "split_off": "split off from {from_code}",
}

#: As many as a terminal shows at a glance; `ess show --json` and the incident's page have all that were kept.
_PASSED_OVER = 10

_STYLES = {
    "unanswered": "bold red",
    "backup_wanted": "bold red",
    "place_contradicted": "bold red",
    "outside_area": "bold red",
    "step_expired": "yellow",
    "delivery_failed": "red",
    "unreachable": "red",
    "acknowledged": "bold blue",
    "arrived": "bold green",
    "resolved": "bold green",
    "closed": "bold green",
}


def sentence(texts: Texts, fact: Mapping[str, Any]) -> Text:
    """One fact as a line of the story."""
    who = (fact.get("responder") or {}).get("name_th", "")
    values: dict[str, Any] = {
        **dict.fromkeys(("district", "by", "reason", "via", "error", "into_code", "duration_s"), "—"),
        **{key: value for key, value in fact.items() if value is not None},
        "who": who or "nobody yet",
        "reader": who or fact.get("by", "—"),
        "to_who": f" to {who}" if who else " to the reporter",
        "eta": texts.time(datetime.fromisoformat(fact["eta_at"])) if fact.get("eta_at") else "",
        "arrival": texts.time(datetime.fromisoformat(fact["arrival_at"])) if fact.get("arrival_at") else "",
        "due": texts.moment(datetime.fromisoformat(fact["due_at"])) if fact.get("due_at") else "",
    }
    words = SENTENCES.get(fact["fact"], fact["fact"].replace("_", " ")).format(**values)
    return Text(words, style=_STYLES.get(fact["fact"], "dim" if fact["fact"].startswith("delivery_") else ""))


def choice(fact: Mapping[str, Any], key: str, most: int) -> list[Text]:
    """The candidates of a step with their reasons; of those passed over, the last lines say how many are not shown."""
    lines = []
    for item in fact.get(key, [])[:most]:
        name = (item.get("responder") or {}).get("name_th", "?")
        mark, style = ("✓", "green") if key == "chosen" else ("·", "dim")
        lines.append(Text(f"{mark} {name} — {item['reason']}", style=style))
    if key == "passed_over":
        rest = fact.get("rest", [])
        # An earlier release only counted those who were not kept.
        hidden = max(len(fact.get(key, [])) - most, 0) + (0 if rest else fact.get("n_more", 0))
        told = [*([f"{hidden} more"] if hidden else []), *(f"{each['n']} more: {each['reason']}" for each in rest)]
        lines += [Text(f"· and {words}", style="dim") for words in told]
    return lines


def elsewhere(place: Mapping[str, Any] | None, name: str) -> str:
    """The other districts and provinces that may own the place, the likeliest first; empty where there is none."""
    if place is None:
        return ""
    districts = [area for area in place["districts"] if area != place["district"]]
    provinces = [area for area in place["candidates"] if area != place["province"]]
    return ", ".join(area[name] for area in (*districts, *provinces))


def print_story(out: Console, texts: Texts, incident: Mapping[str, Any], timeline: Sequence[Mapping[str, Any]]) -> None:
    """The head, the timeline with every choice and its reasons, and what is still open."""
    place = incident["place"]
    where = f"{(place['district'] or place['province'])['name_th']}, {place['province']['name_th']}" if place else "—"
    if place:
        accuracy = f" ± {place['accuracy_m']:.0f} m" if place["accuracy_m"] else ""
        where += f" (from the {place['source']}{accuracy}, confidence {place['confidence']:.2f})"
    out.print(
        Text.assemble(
            (incident["code"], "bold"),
            f"  {texts.word('types', incident['type'])}  ·  {where}  ·  ",
            (incident["state"].replace("_", " "), "bold"),
        )
    )
    if others := elsewhere(place, "name_th"):
        out.print(Text(f"may also be in {others}", style="yellow"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column()
    began = datetime.fromisoformat(timeline[0]["at"]) if timeline else None
    for fact in timeline:
        at = datetime.fromisoformat(fact["at"])
        since = f"+{(at - began).total_seconds():.2f} s" if began else ""
        table.add_row(texts.clock(at), since, sentence(texts, fact))
        for line in [*choice(fact, "chosen", 10), *choice(fact, "passed_over", _PASSED_OVER)]:
            table.add_row("", "", Text("  ").append_text(line))
    out.print(table)
    for call in incident["follow_ups"]:
        who = (call["responder"] or {}).get("name_th", "nobody yet")
        due = texts.moment(datetime.fromisoformat(call["due_at"]))
        out.print(f"follow-up {call['plan']}: {call['outcome'] or call['state']} — {who}, by {due}")
    for deadline in incident["due"]:
        at = datetime.fromisoformat(deadline["due_at"])
        out.print(f"next: {deadline['kind']} {deadline['subject']} at {texts.moment(at)}".replace("  ", " "))

"""Whether a message is still wanted by whom it is for, when its turn to be sent has come.

It may have waited: for a channel that was down, for a worker, behind a flood.  Meanwhile somebody else has answered,
the incident has ended, or the call was made; a phone that lights up for that is worse than one that stays dark.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, String, case, cast
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from ess.domain.duty import Channel
from ess.domain.follow_up import FollowUpState
from ess.domain.incident import ENDED, OVER, TAKEN, AlertState, State, TrackState
from ess.outbox import WRITTEN
from ess.store import tables
from ess.store.tables import Delivery, DeliveryState

#: Whoever has said no, or was stood down, is not asked; who could not be reached still may be.
WANTED = frozenset({AlertState.OPEN, AlertState.UNREACHABLE, *TAKEN})
#: Nor does a phone ring for somebody who has answered already.
_CALLED = WANTED - TAKEN
#: What tells somebody that an alert needs nothing more from them.
_TAKES_BACK = frozenset({"stood_down", "over", "merged", "handed_over"})
#: While an alert is in one of these states its responder is to hear this; the alert itself as `wanted_by` says.
_HEARD_WHILE = {
    # Who has left, or is there, is not asked whether they have.
    "departed_yet": frozenset({AlertState.ACCEPTED}),
    "arrived_yet": frozenset({AlertState.ACCEPTED, AlertState.DEPARTED}),
    "place_corrected": WANTED,
    "reporter_in_danger": WANTED,
    WRITTEN: TAKEN,  # personal, and for whoever goes there alone
    **dict.fromkeys(("next", "yours_now", "another_report", "backup_called", "backup_comes", "backup_gone"), TAKEN),
    **dict.fromkeys(("reporter_safe", "reporter_cancels", "reporter_unsafe"), TAKEN),
    # Whoever was asked once more meanwhile is needed after all.
    **dict.fromkeys(_TAKES_BACK, frozenset({AlertState.STOOD_DOWN})),
}
#: While an incident is in one of these states nobody is to hear this of it, whoever they are.  The public promises are
#: kept all the same; and whoever is not safe is told of at any time.
_MOOT_WHEN: Mapping[str, Collection[State]] = {
    **dict.fromkeys(("alert", "departed_yet", "arrived_yet", "place_corrected", WRITTEN, "informed"), OVER),
    **dict.fromkeys(("next", "yours_now", "another_report", "backup_called", "backup_comes", "backup_gone"), OVER),
    # To supervisors.
    **dict.fromkeys(("arrival_overdue", "backup_wanted", "backup_alerted", "hand_over_refused"), OVER),
    **dict.fromkeys(("place_contradicted", "outside_area"), OVER),
    **dict.fromkeys(("reporter_safe", "reporter_cancels"), ENDED),
    # To reporters, who hear instead that it is over, or where it goes on.
    **dict.fromkeys(("which_place", "new_arrival", "team_comes", "in_good_hands", "arrived"), OVER),
}
_ITS_OTHERS = aliased(Delivery)
#: Of a message that takes an alert back: whether anything of that alert was said to its responder, or may have been; or
#: they accepted it by radio.  Asked as part of a query that joins the alert.
HAS_HEARD = case(
    (
        col(Delivery.message).in_(_TAKES_BACK),
        select(_ITS_OTHERS.id)
        .where(
            col(_ITS_OTHERS.alert_id) == col(Delivery.alert_id),
            col(_ITS_OTHERS.sent_at).is_not(None)
            | col(_ITS_OTHERS.doubtful_since).is_not(None)
            | (col(_ITS_OTHERS.state) == DeliveryState.SENDING),
        )
        .exists()
        | select(tables.Fact.id)
        .where(
            tables.Fact.incident_id == tables.Alert.incident_id,
            tables.Fact.fact == "accepted",
            col(tables.Fact.data)["alert_id"].as_string() == cast(Delivery.alert_id, String),
        )
        .exists(),
    )
)
#: The cards of a call or a visit that are for whoever has it alone; the others go to supervisors, too.
THEIRS = frozenset({"follow_up", "follow_up_reminder", "visit", "visit_reminder"})


def worse_than_none(delivery: Delivery | Row[Any], found: Row[Any], now: datetime) -> str | None:
    """Why a phone must not light up for a delivery any more; None where it is still wanted.

    `found` is what its alert, its incident and its follow-up say now, and whether `HAS_HEARD`.
    """
    if delivery.expires_at <= now:
        return "older than its message is good for"
    if found.incident_state in _MOOT_WHEN.get(delivery.message, ()):
        return f"{found.incident_state} before it was sent"
    if delivery.alert_id and (delivery.message == "alert" or delivery.message in _HEARD_WHILE):
        why = _not_theirs_to_hear(delivery, found)
        if why:
            return why
    if delivery.alert_id and delivery.message in _TAKES_BACK and not found.has_heard:
        return "they never heard of the incident"
    return _not_theirs_to_call(delivery, found)


def _not_theirs_to_hear(delivery: Delivery | Row[Any], found: Row[Any]) -> str | None:
    """Why its responder is not to hear this about their alert any more; None where they are."""
    track = next((its for its in found.tracks if its["name"] == found.track), None)
    if found.incident_state in OVER and track and track["holder"] == str(delivery.alert_id):
        return None  # stood down with everybody else, and still whom one asks
    if found.alert_state not in (_HEARD_WHILE.get(delivery.message) or wanted_by(delivery)):
        return f"{found.alert_state} before it was sent"
    # Nor is anybody stood down, when another takes it, who could not be reached.
    is_taken = track is not None and track["state"] == TrackState.ACKNOWLEDGED
    late = is_taken and found.alert_state == AlertState.UNREACHABLE and not found.is_backup
    return "somebody else has it" if late else None


def _not_theirs_to_call(delivery: Delivery | Row[Any], found: Row[Any]) -> str | None:
    """Why nobody is to be asked for a call or a visit by this message any more; None for every other message."""
    if delivery.follow_up_id is None:
        return None
    if found.follow_up_state == FollowUpState.DONE or found.incident_state in ENDED:
        return "done before it was sent"
    if delivery.message in THEIRS and found.caller_id != delivery.responder_id:
        return "somebody else's before it was sent"
    return None


def wanted_by(delivery: Delivery | Row[Any]) -> frozenset[AlertState]:
    """The states of its alert in which somebody should still hear it over this channel."""
    return _CALLED if delivery.channel == Channel.VOICE else WANTED

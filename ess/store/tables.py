"""The rows.  Mapping to the domain is in `incidents`; nothing here decides.

Every instant is `timestamptz` in UTC.  Columns that hold personal data are `EncryptedJson`; what must be
looked up beside them has a keyed hash (`*_index`).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from ess.store.crypto import EncryptedJson

_INSTANT: Any = DateTime(timezone=True)
_JSON: Any = JSONB
_SECRET: Any = EncryptedJson
_INDEX: Any = LargeBinary


def _unmapped(*columns: str) -> dict[str, Any]:
    """Leave these columns alone: the table has them, no statement of this release names them.

    Nobody reads them; the next migration drops them.  Until then they stay, empty, for the release before, which still
    names them in what it reads and writes; had this one done so too, the drop would break it while both run.
    """
    return {"exclude_properties": columns}


class Policy(SQLModel, table=True):
    """A policy as some incident began with it; the id is the hash of its text."""

    __tablename__ = "policy"

    id: str = Field(primary_key=True)
    type: str
    body: dict[str, Any] = Field(sa_type=_JSON)


class Incident(SQLModel, table=True):
    """What happened, and needs people."""

    __tablename__ = "incident"
    __mapper_args__: ClassVar[Any] = _unmapped("grade")
    __table_args__ = (
        Column("grade", String),
        Index("incident_open", "received_at", postgresql_where=text("state NOT IN ('closed','cancelled','merged')")),
        Index("incident_listing", "received_at", "id"),
        Index("incident_drill", "received_at", postgresql_where=text("drill")),
        Index("incident_near", "cell", "received_at", postgresql_where=text("cell IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    code: str = Field(unique=True)
    type: str
    state: str
    policy_id: str = Field(foreign_key="policy.id")
    place: dict[str, Any] | None = Field(default=None, sa_type=_JSON)
    province_code: str | None = Field(default=None, index=True)
    #: `[latitude, longitude]`.
    pin: list[float] | None = Field(default=None, sa_type=_SECRET)
    #: Keyed hash of the square of the map that holds the pin, so that neighbours are found without reading any pin.
    cell: bytes | None = Field(default=None, sa_type=_INDEX)
    tracks: list[dict[str, Any]] = Field(sa_type=_JSON)
    merged_into: UUID | None = Field(default=None, foreign_key="incident.id")
    #: A person found that nothing had happened.
    false_report: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    #: Runs through the whole engine and can reach nobody real.
    drill: bool = False
    received_at: datetime = Field(sa_type=_INSTANT)
    updated_at: datetime = Field(sa_type=_INSTANT)


class Report(SQLModel, table=True):
    """What came in; several may tell of one incident."""

    __tablename__ = "report"
    __table_args__ = (
        Index("report_idempotency", "owner", "idempotency_key", unique=True),
        Index("report_phone", "phone_index"),
        Index("report_line", "line_index"),
    )

    id: UUID = Field(primary_key=True)
    incident_id: UUID = Field(foreign_key="incident.id", index=True)
    source: str
    #: Whose idempotency keys these are: the API key's name, `line` or `task`.
    owner: str
    idempotency_key: str
    #: SHA-256 of the report as it came, to tell a repetition from another report under the same key.
    fingerprint: str
    type: str
    contact: str
    victim_is_minor: bool | None = None
    #: Whether the reporter is in danger themselves; None where they did not say.
    in_danger: bool | None = None
    external_id: str | None = None
    #: Location, description, phone, name, LINE user id.
    details: dict[str, Any] = Field(sa_type=_SECRET)
    phone_index: bytes | None = Field(default=None, sa_type=_INDEX)
    line_index: bytes | None = Field(default=None, sa_type=_INDEX)
    reported_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    received_at: datetime = Field(sa_type=_INSTANT)


class Responder(SQLModel, table=True):
    """A person or unit that can be alerted."""

    __tablename__ = "responder"
    __table_args__ = (Index("responder_choice", "role", "province_code", postgresql_where=text("active")),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    #: The number that the agency gave it; the import matches rows by it.
    ref: str = Field(unique=True)
    name_th: str
    name_en: str
    agency: str
    role: str
    province_code: str | None = None
    district_code: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    phone: str | None = Field(default=None, sa_type=_SECRET)
    phone_index: bytes | None = Field(default=None, sa_type=_INDEX, index=True)
    line_user_id: str | None = Field(default=None, sa_type=_SECRET)
    line_index: bytes | None = Field(default=None, sa_type=_INDEX, index=True)
    #: What the unit covers where codes do not say it: a ring of `[latitude, longitude]`, closed or not.
    outline: list[list[float]] | None = Field(default=None, sa_type=_JSON)
    #: What they can beside their role, such as `children` or `sign_language`.
    skills: list[str] = Field(default_factory=list, sa_type=ARRAY(String))
    #: Open incidents that they can hold at once; None: as many as there are.
    capacity: int | None = None
    #: Seconds to rest after a call-out ended, while others are free.
    rest_s: int = 0
    #: In order of preference.
    channels: list[str] = Field(sa_type=ARRAY(String))
    #: Seconds after the alert at which each of `channels` is used while nobody reacts; None: only where one fails.
    channel_after_s: list[int] | None = Field(default=None, sa_type=ARRAY(Integer))
    #: When somebody last answered over LINE, or linked the account.
    line_verified_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    #: When somebody last answered from this phone.
    phone_verified_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    #: Their account has blocked ours: LINE takes every message and shows none.
    line_blocked: bool = False
    #: Exists only to be alerted by drills.
    drill: bool = False
    active: bool = True
    leave_until: datetime | None = Field(default=None, sa_type=_INSTANT)


class Jurisdiction(SQLModel, table=True):
    """One area that a responder may be alerted for; the role stands here too, so that one index finds both."""

    __tablename__ = "jurisdiction"
    __table_args__ = (PrimaryKeyConstraint("role", "area_code", "responder_id", name="jurisdiction_pkey"),)

    role: str
    #: DOPA code of a province (2 digits), district (4) or sub-district (6), or `TH`.  By the C collation, so that a
    #: province's index range holds its districts.
    area_code: str = Field(sa_type=String(collation="C"))
    responder_id: UUID = Field(foreign_key="responder.id", index=True, ondelete="CASCADE")


class Rota(SQLModel, table=True):
    """Who of a group is on duty when: shifts that repeat, and the people who take turns in them."""

    __tablename__ = "rota"

    name: str = Field(primary_key=True)
    #: `TH` or the DOPA code of what it serves, for looking up and for warnings.
    area_code: str = Field(index=True)
    role: str
    #: The shifts, rotation and substitute, as `ess.domain` knows them; responders by their `ref`.
    body: dict[str, Any] = Field(sa_type=_JSON)


class Cover(SQLModel, table=True):
    """Somebody takes a rota's duty between two instants, instead of whoever's turn it is."""

    __tablename__ = "cover"
    __table_args__ = (Index("cover_of_rota", "rota", "ends_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    rota: str = Field(foreign_key="rota.name", ondelete="CASCADE")
    starts_at: datetime = Field(sa_type=_INSTANT)
    ends_at: datetime = Field(sa_type=_INSTANT)
    #: The `ref` of whoever has the duty; None: nobody, on purpose.
    ref: str | None = None
    reason: str = ""
    created_at: datetime = Field(sa_type=_INSTANT)


class LinkCode(SQLModel, table=True):
    """A code that links a LINE account to a responder, once, when it is typed into the chat."""

    __tablename__ = "link_code"

    #: Keyed hash of the code.
    id: bytes = Field(primary_key=True, sa_type=_INDEX)
    responder_id: UUID = Field(foreign_key="responder.id", index=True, ondelete="CASCADE")
    expires_at: datetime = Field(sa_type=_INSTANT)
    used_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class RollCall(SQLModel, table=True):
    """Everybody in the roster is asked to tap once, to learn whom an alert would not reach."""

    __tablename__ = "roll_call"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    asked_at: datetime = Field(sa_type=_INSTANT)
    #: Whoever has not answered by then is reported.
    closes_at: datetime = Field(sa_type=_INSTANT)
    reported_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class RollCallAnswer(SQLModel, table=True):
    """One responder who was asked in a roll call."""

    __tablename__ = "roll_call_answer"

    roll_call_id: UUID = Field(primary_key=True, foreign_key="roll_call.id", ondelete="CASCADE")
    responder_id: UUID = Field(primary_key=True, foreign_key="responder.id", ondelete="CASCADE")
    channel: str | None = None
    answered_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class OutlineSet(SQLModel, table=True):
    """Official outlines that were imported; the newest that is not withdrawn is used."""

    __tablename__ = "outline_set"

    id: int | None = Field(default=None, sa_type=BigInteger, sa_column_args=(Identity(),), primary_key=True)
    #: The file's name, and what is in it.
    source: str
    levels: list[int] = Field(sa_type=ARRAY(Integer))
    body: bytes = Field(sa_type=LargeBinary)
    imported_at: datetime = Field(sa_type=_INSTANT)
    withdrawn_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class Geocode(SQLModel, table=True):
    """What an online geocoder said about an address, so that it is asked once."""

    __tablename__ = "geocode"

    #: Keyed hash of the geocoder's name and the address.
    id: bytes = Field(primary_key=True, sa_type=_INDEX)
    #: `[latitude, longitude]`, or nothing where it found nothing.
    found: list[float] | None = Field(default=None, sa_type=_SECRET)
    asked_at: datetime = Field(sa_type=_INSTANT)


class TravelTime(SQLModel, table=True):
    """How long it takes by road from a responder's base to a neighbourhood, as a router has said."""

    __tablename__ = "travel_time"
    __table_args__ = (PrimaryKeyConstraint("neighbourhood", "responder_id", name="travel_time_pkey"),)

    #: Keyed hash of what `ess.domain.travel` calls it: there is none where nothing happened.
    neighbourhood: str
    responder_id: UUID = Field(foreign_key="responder.id", index=True, ondelete="CASCADE")
    #: The base that was asked about: of another one this says nothing.
    latitude: float
    longitude: float
    #: None where no road leads there.
    minutes: float | None = None
    at: datetime = Field(sa_type=_INSTANT)


class Alert(SQLModel, table=True):
    """One responder asked to act on one incident."""

    __tablename__ = "alert"
    __table_args__ = (
        Index("alert_once_per_step", "incident_id", "track", "responder_id", "step", unique=True),
        Index("alert_reply_code", "phone_index", "created_at"),
        Index("alert_responder", "responder_id", "created_at"),
    )

    id: UUID = Field(primary_key=True)
    incident_id: UUID = Field(foreign_key="incident.id", index=True)
    responder_id: UUID = Field(foreign_key="responder.id")
    role: str
    track: str
    step: int
    state: str
    eta_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    #: Asked beside whoever has the track.
    backup: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    #: Two digits, unique among the phone's open alerts and not used again within a day.
    reply_code: str | None = None
    phone_index: bytes | None = Field(default=None, sa_type=_INDEX)
    created_at: datetime = Field(sa_type=_INSTANT)
    answered_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class FollowUp(SQLModel, table=True):
    """A promised call by a social worker, or a visit by a team."""

    __tablename__ = "follow_up"
    __mapper_args__: ClassVar[Any] = _unmapped("details")
    __table_args__ = (Column("details", _SECRET),)

    id: UUID = Field(primary_key=True)
    incident_id: UUID = Field(foreign_key="incident.id", index=True)
    plan: dict[str, Any] = Field(sa_type=_JSON)
    responder_id: UUID | None = Field(default=None, foreign_key="responder.id", index=True)
    due_at: datetime = Field(sa_type=_INSTANT)
    state: str
    tries: int
    reminders: int
    outcome: str | None = None
    #: When it is to be asked for; None: it has been.
    ask_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    #: By when it was promised at first; None while `due_at` says so.
    promised_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    #: When nobody answered, ISO 8601; None for whatever the release before wrote.
    tried: list[str] | None = Field(default=None, sa_type=_JSON)
    #: Which service is needed, or which agency goes on: a word of the texts, no personal data.
    service: str | None = None


class AnswerLink(SQLModel, table=True):
    """A link by which one responder answers one alert without LINE; it dies with the alert."""

    __tablename__ = "answer_link"

    #: Keyed hash of the secret in the link.
    id: bytes = Field(primary_key=True, sa_type=_INDEX)
    alert_id: UUID = Field(foreign_key="alert.id", index=True)
    expires_at: datetime = Field(sa_type=_INSTANT)


class Attachment(SQLModel, table=True):
    """A photo or a voice note that a citizen sent, kept with their incident."""

    __tablename__ = "attachment"
    __table_args__ = (Index("attachment_waiting", "chat_id", postgresql_where=text("incident_id IS NULL")),)

    #: The provider's id of the message, by which its content is fetched.
    id: str = Field(primary_key=True)
    #: The chat in which it came.
    chat_id: bytes = Field(foreign_key="chat.id", sa_type=_INDEX)
    #: None while the chat has begun no incident.
    incident_id: UUID | None = Field(default=None, foreign_key="incident.id", index=True)
    #: `image`, `audio`, `video` or `file`.
    kind: str
    content_type: str | None = None
    #: `{"base64": …}`; None until it was fetched.
    body: dict[str, Any] | None = Field(default=None, sa_type=_SECRET)
    received_at: datetime = Field(sa_type=_INSTANT)
    fetched_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class DeliveryState(StrEnum):
    """Where one attempt to say something to somebody stands; the last three never change again."""

    QUEUED = "queued"
    #: Committed before the provider is called.
    SENDING = "sending"
    #: The call ended without a word: it may have been sent.
    UNKNOWN = "unknown"
    #: The provider took it.
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    #: Older than its message is good for.
    EXPIRED = "expired"


class Delivery(SQLModel, table=True):
    """One message to one address over one channel; the id is LINE's retry key."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("delivery_provider_ref", "provider_ref", postgresql_where=text("provider_ref IS NOT NULL")),
        Index("delivery_alert", "alert_id", "created_at"),
        Index("delivery_unsent", "created_at", postgresql_where=text("state IN ('queued','sending','unknown')")),
        Index("delivery_follow_up", "follow_up_id", postgresql_where=text("follow_up_id IS NOT NULL")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    incident_id: UUID | None = Field(default=None, foreign_key="incident.id", index=True)
    alert_id: UUID | None = Field(default=None, foreign_key="alert.id")
    follow_up_id: UUID | None = Field(default=None, foreign_key="follow_up.id")
    #: None where the reporter is told.
    responder_id: UUID | None = Field(default=None, foreign_key="responder.id")
    channel: str
    #: Which text of `config/messages`.
    message: str
    #: The address and the composed message, as sent; a repetition sends the very same.
    envelope: dict[str, Any] = Field(sa_type=_SECRET)
    state: str = DeliveryState.QUEUED
    #: From 1; the fence of the claim.
    attempt: int = 0
    #: While it is `sending`: when its worker must have come back, or is taken for dead.
    claimed_until: datetime | None = Field(default=None, sa_type=_INSTANT)
    #: Which run of a worker has the call.
    claimed_by: str | None = None
    #: Since when nobody knows whether an attempt was sent after all; never forgotten, so that it is looked up.
    doubtful_since: datetime | None = Field(default=None, sa_type=_INSTANT)
    #: Twilio's message sid or LINE's request id.
    provider_ref: str | None = None
    #: Why it failed, in the provider's code and words; never an address.
    error: str | None = None
    #: A LINE reply token, good once and for a minute; a push follows where it has lapsed.
    reply_token: str | None = Field(default=None, sa_type=_SECRET)
    expires_at: datetime = Field(sa_type=_INSTANT)
    created_at: datetime = Field(sa_type=_INSTANT)
    sent_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class Outage(SQLModel, table=True):
    """A channel that is down for everyone; the row goes when it works again."""

    __tablename__ = "outage"

    channel: str = Field(primary_key=True)
    reason: str
    began_at: datetime = Field(sa_type=_INSTANT)
    #: It is not tried before this.
    until: datetime = Field(sa_type=_INSTANT)


class Alarm(SQLModel, table=True):
    """Something that the audit found wrong; the row goes when it is right again."""

    __tablename__ = "alarm"

    name: str = Field(primary_key=True)
    detail: str
    began_at: datetime = Field(sa_type=_INSTANT)
    #: When supervisors were last told of it.
    told_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class Deadline(SQLModel, table=True):
    """A promise: something must happen at `due_at`.  Kept, the row is gone."""

    __tablename__ = "deadline"
    __table_args__ = (
        Index("deadline_wake", "wake_at"),
        Index("deadline_subject", "incident_id", "kind", "subject", unique=True),
        # Of new incidents alone, for whoever finds that they wait: few rows, and soon gone.
        Index("deadline_new", "due_at", postgresql_where=text("kind = 'locate'")),
    )

    id: int | None = Field(default=None, sa_type=BigInteger, sa_column_args=(Identity(),), primary_key=True)
    kind: str
    #: None for what came in and has not been understood yet.
    incident_id: UUID | None = Field(default=None, foreign_key="incident.id")
    #: A track's name, or the id of a follow-up, a delivery or an inbound message.
    subject: str = ""
    due_at: datetime = Field(sa_type=_INSTANT)
    #: When the clock publishes it next: `due_at`, and after a wake-up that nobody worked on, the lease's end.
    wake_at: datetime = Field(sa_type=_INSTANT)
    #: Wake-ups that ended in an error; the pause grows with it.
    failures: int = 0


class Fact(SQLModel, table=True):
    """One line of an incident's timeline; no personal data."""

    __tablename__ = "fact"

    id: int | None = Field(default=None, sa_type=BigInteger, sa_column_args=(Identity(),), primary_key=True)
    incident_id: UUID = Field(foreign_key="incident.id", index=True)
    at: datetime = Field(sa_type=_INSTANT)
    fact: str
    data: dict[str, Any] = Field(sa_type=_JSON)


class Note(SQLModel, table=True):
    """What somebody wrote about an incident, kept for the people who work on it."""

    __tablename__ = "note"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    incident_id: UUID = Field(foreign_key="incident.id", index=True)
    #: The report of whoever wrote it; None where a responder did, or nobody knows whose it is.
    report_id: UUID | None = Field(default=None, foreign_key="report.id")
    #: None where the reporter wrote it.
    responder_id: UUID | None = Field(default=None, foreign_key="responder.id")
    text: str = Field(sa_type=_SECRET)
    at: datetime = Field(sa_type=_INSTANT)


class Inbound(SQLModel, table=True):
    """What a provider sent, verbatim, before anybody has understood it."""

    __tablename__ = "inbound"
    __table_args__ = (Index("inbound_unhandled", "received_at", postgresql_where=text("handled_at IS NULL")),)

    #: The provider's own event id, so a repeated webhook is one row.
    id: str = Field(primary_key=True)
    #: `line`, `sms`, `receipt`, or `unreadable` where no person could be told; `answered_by` and `connected` of a
    #: victim's side of a call.
    kind: str
    body: dict[str, Any] = Field(sa_type=_SECRET)
    received_at: datetime = Field(sa_type=_INSTANT)
    handled_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class Chat(SQLModel, table=True):
    """A citizen's LINE conversation: what they have chosen so far."""

    __tablename__ = "chat"

    #: Keyed hash of the LINE user id.
    id: bytes = Field(primary_key=True, sa_type=_INDEX)
    #: The steps so far: type, pin, address.
    draft: dict[str, Any] = Field(sa_type=_SECRET)
    #: The incident that this chat is about, once there is one.
    incident_id: UUID | None = Field(default=None, foreign_key="incident.id")
    updated_at: datetime = Field(sa_type=_INSTANT)


class ApiKey(SQLModel, table=True):
    """A program or person that may call the API; only the key's hash is kept."""

    __tablename__ = "api_key"

    name: str = Field(primary_key=True)
    role: str
    key_hash: str = Field(unique=True)
    created_at: datetime = Field(sa_type=_INSTANT)


class Heartbeat(SQLModel, table=True):
    """When a program was last seen working, for `/readyz`."""

    __tablename__ = "heartbeat"

    #: `clock`, a queue that some worker consumes, or `worker:` and the run of one.
    name: str = Field(primary_key=True)
    seen_at: datetime = Field(sa_type=_INSTANT)
    detail: dict[str, Any] = Field(sa_type=_JSON)

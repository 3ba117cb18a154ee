"""What every program of the engine holds open: the rows, the policies, the texts."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from config.settings import REQUIRED, Settings
from ess.conversation.texts import Texts
from ess.days_off import DaysOff, load_days_off
from ess.domain.calling_hours import CallingHours, read_span
from ess.domain.duty import Channel, read_turns
from ess.domain.errors import Misconfigured
from ess.domain.policy import Policy
from ess.domain.report import IncidentType
from ess.guesses import Guesses
from ess.policies import load_policies
from ess.store import Store, Vault
from ess.store.store import Publish
from ess.wake import Waker


@dataclass(frozen=True)
class DraftWaits:
    """How long a citizen who stopped half-way is left alone, and what becomes of a pin without a type."""

    ask_after: timedelta
    file_after: timedelta
    type: IncidentType


@dataclass(frozen=True)
class BridgeLimits:
    """How a social worker is connected with a victim."""

    #: What both see: the engine's own number in E.164; None where it has none that can call.
    number: str | None = None
    #: How long the victim's phone rings.
    ring: timedelta = timedelta(seconds=25)
    #: How long they can talk at most.
    talk: timedelta = timedelta(minutes=30)


@dataclass(frozen=True)
class Engine:
    """One process's hold on the world, given to each function of `dispatch`, `inbox` and `outbox`."""

    store: Store
    #: This run of the program, so that it is known when it is over.
    run: str
    #: How long a channel that is down for everyone is left alone.
    channel_pause: timedelta
    #: What is done about a report in LINE that was begun and left.
    drafts: DraftWaits
    #: How often a LINE account may try a link code.
    guesses: Guesses
    policies: Mapping[IncidentType, Policy]
    texts: Texts
    days_off: DaysOff
    #: When victims are called.
    calling_hours: CallingHours
    #: Whether a geocoder is asked where words alone said where.
    refines: bool = False
    #: Seconds after the alert at which a channel's turn comes, for whoever's row in the roster does not say.
    turns: Mapping[Channel, int] = field(default_factory=dict)
    bridge: BridgeLimits = field(default_factory=BridgeLimits)
    #: What stands before the secret of a link in an SMS.
    link_base: str = ""
    #: Whether an SMS is answered by SMS; where not, each that asks something carries a link.
    sms_two_way: bool = True


#: Once for each process that was started; forks of it share it, and die with it.
RUN = uuid4().hex


def open_engine(settings: Settings, publish: Publish | None = None, *, pool_size: int = 5) -> Engine:
    """Everything that was checked and opened; Misconfigured names what is missing or wrong.

    Without `publish` whatever is due is told over the broker of the settings.
    """
    missing = settings.missing(*REQUIRED)
    if missing or settings.database_url is None or settings.broker_url is None or settings.encryption_key is None:
        raise Misconfigured(f"set {', '.join(missing)}, or run `ess up` for a machine that has nothing yet")
    check_words(settings)
    # What was imported lives as long as the process: the collector need not look through it with every incident.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    days_off = load_days_off(settings.holiday_file)
    vault = Vault(settings.encryption_key.get_secret_value())
    return Engine(
        store=Store(
            settings.database_url,
            vault,
            publish or Waker(settings.broker_url).publish,
            lease=settings.lease,
            pool_size=pool_size,
            travel_times=settings.router_url is not None,
        ),
        run=RUN,
        channel_pause=timedelta(seconds=settings.channel_pause_s),
        drafts=DraftWaits(
            timedelta(seconds=settings.draft_ask_after_s),
            timedelta(seconds=settings.draft_file_after_s),
            IncidentType(settings.draft_type),
        ),
        guesses=Guesses(settings.broker_url),
        policies=load_policies(settings.policy_dir),
        texts=Texts(settings.message_dir, settings.language),
        days_off=days_off,
        calling_hours=_calling_hours(settings, days_off),
        refines=settings.geocoder is not None,
        turns=_turns(settings.channel_turns),
        bridge=BridgeLimits(
            settings.calling_number,
            timedelta(seconds=settings.bridge_ring_s),
            timedelta(seconds=settings.bridge_talk_s),
        ),
        link_base=f"{settings.outside_url}/a/",
        sms_two_way=settings.sms_two_way,
    )


def check_words(settings: Settings) -> None:
    """Settings that are set are understood; Misconfigured says what is wrong with one."""
    if settings.geocoder in {"google", "longdo"} and settings.geocoder_key is None:
        raise Misconfigured(f"ESS_GEOCODER={settings.geocoder} needs ESS_GEOCODER_KEY: set it, or leave both empty")
    _calling_hours(settings, DaysOff())
    _turns(settings.channel_turns)


def _calling_hours(settings: Settings, days_off: DaysOff) -> CallingHours:
    """ESS_CALLING_HOURS, understood; days off are those on which nobody works in an office."""
    try:
        opens, closes = read_span(settings.calling_hours)
    except ValueError as error:
        raise Misconfigured(f"ESS_CALLING_HOURS: {error}") from error
    return CallingHours(opens, closes, weekends=settings.calling_weekends, days_off=days_off)


def _turns(text: str) -> dict[Channel, int]:
    """ESS_CHANNEL_TURNS, understood."""
    if text == "off":
        return {}
    try:
        channels, after_s = read_turns(text)
    except ValueError as error:
        raise Misconfigured(f"ESS_CHANNEL_TURNS: {error}") from error
    return dict(zip(channels[1:], after_s[1:], strict=True)) if after_s else {}

"""Every variable that the programs read, with its default; the prefix is `ESS_`.

Without `ESS_DATABASE_URL` and `ESS_BROKER_URL` the embedded PostgreSQL and Redis are used, and secrets
are made once in the data folder: that is for trying and for tests.  With them it is production, and a
missing secret is an error at start that names its variable.
"""

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

HERE = Path(__file__).parent

#: How the addresses of the two servers begin: these drivers are installed.
_SCHEMES = {"database_url": ("postgresql+psycopg://",), "broker_url": ("redis://", "rediss://")}


class Settings(BaseSettings):
    """The environment, read once by each program at its start."""

    #: An error does not repeat what was set: it may be a secret.
    model_config = SettingsConfigDict(env_prefix="ESS_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    #: `postgresql+psycopg://…`; unset = embedded PostgreSQL.
    database_url: str | None = None
    #: `redis://…` or `rediss://…`; unset = embedded Redis.
    broker_url: str | None = None
    #: Where the embedded services keep their data and the processes their logs.
    data_dir: Path = Path(".ess")

    #: How the outside reaches the web edge; Twilio signs this URL.  Unset = http://host:port.
    public_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    flower_port: int = 5555
    #: Where `ess up` and `ess demo` run the doubles of LINE and Twilio.
    simulator_port: int = 8010
    #: `name:password` for Flower; unset = Flower listens on loopback only.
    flower_auth: SecretStr | None = None

    line_api_base: str = "https://api.line.me"
    #: Where LINE keeps what people send; unset = LINE's own host, or `line_api_base` where that is not LINE's.
    line_data_api_base: str | None = None
    line_channel_access_token: SecretStr | None = None
    line_channel_secret: SecretStr | None = None

    twilio_api_base: str = "https://api.twilio.com"
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    #: A second token that is accepted on webhooks while the first is being changed.
    twilio_auth_token_next: SecretStr | None = None
    #: The sender: a number in E.164 or a registered alphanumeric name.
    twilio_from: str | None = None
    #: The number that calls, in E.164; unset = ESS_TWILIO_FROM, which must then be a number.
    twilio_voice_from: str | None = None

    #: Whether an SMS to the sender comes back to us.  Where it does not, an alert by SMS carries a link to a page.
    sms_two_way: bool = True
    #: Which channel follows which after how long, for whoever's row in the roster says nothing of it; `off` = the next
    #: channel only where one fails.  Nobody is asked over a channel that their row does not name.
    channel_turns: str = "line sms+20s voice+45s"
    #: A call rings for so long.
    voice_ring_s: int = Field(default=30, ge=5, le=120)
    #: Calls a second, by all workers together: Twilio lets a new account begin one.
    voice_rate_per_s: int = Field(default=1, gt=0)
    #: Who speaks in a call: a voice of Twilio's that speaks the language of the messages; unset = Google's.
    voice_name: str | None = None
    #: Where recorded prompts lie, to be played instead of a machine's voice; docs/deployment.md lists them.
    voice_prompts_url: str | None = None

    #: A victim's phone rings for so long when a social worker is connected with it; shorter than until a voicemail
    #: takes the call.
    bridge_ring_s: int = Field(default=25, ge=5, le=120)
    #: So long they can talk at most.
    bridge_talk_s: int = Field(default=1800, ge=60, le=14_400)

    policy_dir: Path = HERE / "policies"
    message_dir: Path = HERE / "messages"
    #: Days off beside the official calendar, and official ones that are worked.
    holiday_file: Path = HERE / "holidays.yaml"
    #: When victims are called, visited and asked about, in Bangkok; never on days off.
    calling_hours: str = "08:30-18:00"
    #: Whether also on Saturdays and Sundays.
    calling_weekends: bool = True
    #: The language of messages: Thai first, English beside it.
    language: Literal["th", "en"] = "th"

    #: 32 bytes in base64 for personal data at rest; several with commas: the first encrypts, all decrypt.
    encryption_key: SecretStr | None = None

    #: Who began a report in LINE and stopped half-way is asked once after this.
    draft_ask_after_s: float = Field(default=45.0, gt=0)
    #: So long after that question a pin alone becomes a report: somebody may have been stopped.
    draft_file_after_s: float = Field(default=60.0, gt=0)
    #: The type of such a report.
    draft_type: Literal["assault", "confinement", "sexual_abuse_risk", "running_amok", "gathering"] = "assault"

    #: A provider must answer within this; a call may hold a worker's thread no longer.
    provider_timeout_s: float = Field(default=5.0, gt=0)
    #: Calls a second to a provider, by all workers together; LINE allows 2,000.
    line_rate_per_s: int = Field(default=1000, gt=0)
    twilio_rate_per_s: int = Field(default=100, gt=0)
    #: Calls to one provider that wait for its answer, in one worker; its other threads are for the others.
    provider_calls_at_once: int = Field(default=12, gt=0)
    #: So many failures of a provider in a row, and it is left alone; every message goes over the next channel.
    breaker_failures: int = Field(default=5, gt=0)
    #: A channel that is down for everyone is tried again after this.
    channel_pause_s: float = Field(default=30.0, gt=0)
    #: Asked for a point where words alone said where, after the first alert; unset = nobody outside hears an address.
    geocoder: Literal["nominatim", "google", "longdo"] | None = None
    #: Google's or Longdo's.
    geocoder_key: SecretStr | None = None
    #: Another server than the geocoder's own, such as a Nominatim of the ministry's.
    geocoder_url: str | None = None
    geocoder_timeout_s: float = Field(default=2.0, gt=0)
    #: Calls a second, by all workers together; the public Nominatim allows 1.
    geocoder_rate_per_s: int = Field(default=1, gt=0)
    #: An OSRM server that is asked after a choice how long people take by road; unset = as the crow flies.
    router_url: str | None = None
    router_timeout_s: float = Field(default=5.0, gt=0, le=15)
    #: Calls a second, by all workers together.
    router_rate_per_s: int = Field(default=5, gt=0)
    #: A wake-up that nobody worked on is sent again after this.
    lease_s: float = Field(default=5.0, gt=0)
    #: A drill goes through the whole engine this often; 0 = never.
    canary_every_s: float = Field(default=300.0, ge=0)
    #: When everybody in the roster is asked once a week to answer, such as `mon 10:00` in Bangkok; unset = never.
    roll_call: str | None = Field(default=None, pattern=r"^(mon|tue|wed|thu|fri|sat|sun) ([01]\d|2[0-3]):[0-5]\d$")
    #: Called after every audit that found nothing wrong, so that a watch elsewhere hears when that stops.
    heartbeat_url: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("database_url", "broker_url")
    @classmethod
    def _known_scheme(cls, url: str | None, about: ValidationInfo) -> str | None:
        schemes = _SCHEMES[str(about.field_name)]
        if url is not None and not url.startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}")
        return url

    @property
    def lease(self) -> timedelta:
        """How long a published deadline is left to the workers before it is published again."""
        return timedelta(seconds=self.lease_s)

    @cached_property
    def outside_url(self) -> str:
        """The URL of the web edge as the outside knows it, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def calling_number(self) -> str | None:
        """The number that calls; None where the sender is a name."""
        number = self.twilio_voice_from or self.twilio_from
        return number if number and number.startswith("+") else None

    @property
    def line_content_base(self) -> str:
        """Where the content of messages is fetched."""
        derived = self.line_api_base.replace("https://api.line.me", "https://api-data.line.me")
        return (self.line_data_api_base or derived).rstrip("/")

    def missing(self, *names: str) -> list[str]:
        """Which of these fields are unset, as the names of their variables."""
        return [f"ESS_{name.upper()}" for name in names if getattr(self, name) is None]


#: What the programs cannot work without.
REQUIRED = (
    "database_url",
    "broker_url",
    "encryption_key",
    "line_channel_access_token",
    "line_channel_secret",
    "twilio_account_sid",
    "twilio_auth_token",
    "twilio_from",
)

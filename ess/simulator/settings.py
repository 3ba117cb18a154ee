"""What the simulator must know about the deployment that it stands in for."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

#: Variables without which the edge and the simulator could not believe each other.
SECRETS = (
    "ESS_LINE_CHANNEL_SECRET",
    "ESS_LINE_CHANNEL_ACCESS_TOKEN",
    "ESS_TWILIO_ACCOUNT_SID",
    "ESS_TWILIO_AUTH_TOKEN",
)


class SimulatorMisconfigured(RuntimeError):
    """The simulator cannot start; the text names the variables to set."""


@dataclass(frozen=True, kw_only=True)
class SimulatorSettings:
    """Where the edge is, and the secrets that both sides share."""

    #: Base URL at which the dispatch web edge listens for webhooks, such as http://127.0.0.1:8000.
    ess_url: str
    line_channel_secret: str
    line_access_token: str
    twilio_account_sid: str
    twilio_auth_token: str
    #: The URL that the edge believes it has; it enters Twilio's signature.  Empty means `ess_url`.
    public_url: str = ""
    #: The number to which people answer by SMS when nothing has been sent to them yet.
    twilio_from: str = "+15005550006"
    #: Link on the page; empty hides it.
    flower_url: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ess_url", self.ess_url.rstrip("/"))
        object.__setattr__(self, "public_url", (self.public_url or self.ess_url).rstrip("/"))


def settings_from(environment: Mapping[str, str] = os.environ) -> SimulatorSettings:
    """The settings that the `ESS_` variables describe.

    Raises SimulatorMisconfigured naming every secret that is missing.
    """
    missing = [name for name in SECRETS if not environment.get(name)]
    if missing:
        raise SimulatorMisconfigured(
            f"The simulator shares its secrets with the web edge: set {', '.join(missing)} to the same values as there."
        )
    host = environment.get("ESS_HOST", "127.0.0.1")
    if host in {"0.0.0.0", "::", ""}:
        host = "127.0.0.1"  # an address to bind, not one to call
    flower_port = environment.get("ESS_FLOWER_PORT")
    return SimulatorSettings(
        ess_url=f"http://{host}:{environment.get('ESS_PORT', '8000')}",
        public_url=environment.get("ESS_PUBLIC_URL", ""),
        twilio_from=environment.get("ESS_TWILIO_FROM") or SimulatorSettings.twilio_from,
        flower_url=f"http://{host}:{flower_port}" if flower_port else "",
        line_channel_secret=environment["ESS_LINE_CHANNEL_SECRET"],
        line_access_token=environment["ESS_LINE_CHANNEL_ACCESS_TOKEN"],
        twilio_account_sid=environment["ESS_TWILIO_ACCOUNT_SID"],
        twilio_auth_token=environment["ESS_TWILIO_AUTH_TOKEN"],
    )

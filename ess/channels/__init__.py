"""LINE and Twilio through their own SDKs, behind one small interface.

Each channel sends one envelope and either returns the provider's reference or raises what the caller must
do: `TransientFailure` (again later), `PermanentFailure` (the next channel), `ChannelDown` (the next channel,
for everyone).
"""

from typing import Protocol

from config.settings import Settings
from ess.channels.envelope import Button, Envelope, Message
from ess.channels.line import LineChannel
from ess.channels.sms import SmsChannel
from ess.domain.duty import Channel

__all__ = ["Button", "Envelope", "Message", "Sender", "senders"]


class Sender(Protocol):
    """One way to say something to somebody."""

    def send(self, envelope: Envelope) -> str:
        """The provider took it: its reference, such as a message sid."""
        ...


def senders(settings: Settings) -> dict[Channel, Sender]:
    """Every configured channel, each with its own pool of connections."""
    return {Channel.LINE: LineChannel(settings), Channel.SMS: SmsChannel(settings)}

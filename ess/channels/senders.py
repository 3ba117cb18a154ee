"""Every channel that can say something to somebody."""

from config.settings import Settings
from ess.channels.envelope import Sender
from ess.channels.line import LineChannel
from ess.channels.sms import SmsChannel
from ess.domain.duty import Channel


def senders(settings: Settings) -> dict[Channel, Sender]:
    """Every configured channel, each with its own pool of connections."""
    return {Channel.LINE: LineChannel(settings), Channel.SMS: SmsChannel(settings)}

"""Every channel that can say something to somebody."""

from datetime import timedelta

from config.settings import Settings
from ess.channels.envelope import Sender
from ess.channels.guard import Guarded
from ess.channels.line import LineChannel
from ess.channels.sms import SmsChannel
from ess.domain.duty import Channel


def senders(settings: Settings) -> dict[Channel, Sender]:
    """Every channel, each with its own pool of connections, its rate and its breaker."""
    plain: dict[Channel, tuple[Sender, int]] = {
        Channel.LINE: (LineChannel(settings), settings.line_rate_per_s),
        Channel.SMS: (SmsChannel(settings), settings.twilio_rate_per_s),
    }
    return {
        channel: Guarded(
            channel,
            sender,
            str(settings.broker_url),
            rate_per_s=rate_per_s,
            failures=settings.breaker_failures,
            pause=timedelta(seconds=settings.channel_pause_s),
        )
        for channel, (sender, rate_per_s) in plain.items()
    }

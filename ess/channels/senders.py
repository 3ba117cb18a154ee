"""Every channel that can say something to somebody."""

from config.settings import Settings
from ess.channels.envelope import Envelope, Sender
from ess.channels.guard import Guard, Guarded
from ess.channels.line import LineChannel
from ess.channels.sms import SmsChannel
from ess.channels.voice import VoiceChannel
from ess.domain.duty import Channel


def plain_senders(settings: Settings) -> dict[Channel, Sender]:
    """Every channel with its own pool of connections; needs nothing but the provider."""
    return {
        Channel.LINE: LineChannel(settings),
        Channel.SMS: SmsChannel(settings),
        Channel.VOICE: VoiceChannel(settings),
        Channel.DRILL: _Drill(),
    }


def senders(settings: Settings) -> dict[Channel, Sender]:
    """Every channel; those with a provider behind its guard."""
    rates = {
        Channel.LINE: settings.line_rate_per_s,
        Channel.SMS: settings.twilio_rate_per_s,
        Channel.VOICE: settings.voice_rate_per_s,
    }
    return {
        channel: Guarded(sender, Guard(channel, settings, rate_per_s=rates[channel])) if channel in rates else sender
        for channel, sender in plain_senders(settings).items()
    }


class _Drill:
    """Takes every message and shows it to nobody."""

    def send(self, envelope: Envelope) -> str:
        """Taken, by its own id."""
        return str(envelope.id)

"""What the workers tell Flower, and when."""

from typing import Any

from celery import bootsteps
from celery.worker.consumer.events import Events


class GatheredEvents(bootsteps.StartStopStep):
    """What Flower is told of tasks goes once a second, or by the two dozen.

    Celery says it at once, in three messages for each task: a quarter of what a worker that sends has to compute.
    """

    requires = (Events,)
    _EVERY_S = 1.0

    def start(self, consumer: Any) -> None:
        """Begin with each connection, whose end cancels the timer."""
        if consumer.hub:  # without its loop Celery gathers nothing
            consumer.event_dispatcher.on_send_buffered = None
            consumer.hub.call_repeatedly(self._EVERY_S, consumer.event_dispatcher.flush)

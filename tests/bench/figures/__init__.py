"""The figures: one function each, in the order in which they are measured."""

from collections.abc import Callable

from figure import Figure, Scale
from world import World

from figures import alerts, answers, choosing, deadlines, idle, places, recovery, roster

#: Each measures on an empty country and leaves whatever it likes behind.
FIGURES: dict[str, Callable[[World, Scale], Figure]] = {
    "idle": idle.idle,
    "alone": alerts.alone,
    "sustained": alerts.sustained,
    "burst": alerts.burst,
    "lateness": deadlines.lateness,
    "together": deadlines.together,
    "pending": deadlines.pending,
    "webhooks": answers.webhooks,
    "stand_down": answers.stand_down,
    "choice": choosing.choice,
    "roster": roster.enrolling,
    "pins": places.shipped_pins,
    "pins_imported": places.imported_pins,
    "recovery": recovery.recovery,  # last: it leaves the floor's queues forgotten
}

"""How long it takes by road, where that is known: from a base to the neighbourhood of an incident.

Durations are known for neighbourhoods, not for pins: the next incident there has them, and no exact pin is ever sent
to whoever works them out.
"""

from math import floor

from ess.domain.place import Pin

#: The side of a neighbourhood in degrees, about a kilometre.
_SIDE = 0.01
#: Where nothing is known: 30 km/h as the crow flies.
MINUTES_PER_KM = 2.0


def neighbourhood(pin: Pin) -> str:
    """The name of the one that holds the pin."""
    return f"{floor(pin[0] / _SIDE)} {floor(pin[1] / _SIDE)}"


def centre(name: str) -> Pin:
    """The middle of the neighbourhood of that name."""
    row, column = map(int, name.split())
    return (row + 0.5) * _SIDE, (column + 0.5) * _SIDE

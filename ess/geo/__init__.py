"""Where is it: a pin or the words of an address → province, district and sub-district, with official (DOPA) codes.

`outlines.py` reads a pin on a `chart.py`: of the `shipped.py` outlines, or of `official.py` ones that were imported,
whichever are `in_force.py`.  `gazetteer.py` weighs the words of an address, which `mentions.py` finds in it among the
`names.py` of all areas.  All these work without a network; where a deployment wants that, `online.py` asks a geocoder
and `routes.py` a router.

Each is imported when it is first asked: programs that look nothing up do without its 20 MiB, and workers ask at start.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ess.geo.gazetteer import find
    from ess.geo.outlines import district_position, locate, provinces_near

__all__ = ["district_position", "find", "locate", "provinces_near"]

_ROOMS = {"find": "gazetteer", "district_position": "outlines", "locate": "outlines", "provinces_near": "outlines"}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)

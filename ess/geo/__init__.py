"""Where is it: a pin or the words of an address → province and district, with official (DOPA) codes.

`outlines.py` reads a pin.  `gazetteer.py` weighs the words of an address, which `mentions.py` finds in it among the
`names.py` of all areas.  All work without a network, on the files in `data/`.
"""

from ess.geo.gazetteer import find
from ess.geo.outlines import district_position, locate, provinces_near

__all__ = ["district_position", "find", "locate", "provinces_near"]

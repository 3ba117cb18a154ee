"""Where is it: a pin or the words of an address → province, district and sub-district, with official (DOPA) codes.

`outlines.py` reads a pin on a `chart.py`: of the `shipped.py` outlines, or of `official.py` ones that were imported,
whichever are `in_force.py`.  `gazetteer.py` weighs the words of an address, which `mentions.py` finds in it among the
`names.py` of all areas.  All these work without a network; `online.py` asks a geocoder, where a deployment wants that.
"""

from ess.geo.gazetteer import find
from ess.geo.outlines import district_position, locate, provinces_near

__all__ = ["district_position", "find", "locate", "provinces_near"]

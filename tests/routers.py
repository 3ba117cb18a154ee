"""A double of OSRM: it speaks its table service, and keeps a ledger."""

import json
from urllib.parse import parse_qs, urlsplit

from loopback import Double

Pin = tuple[float, float]


class FakeRouter(Double):
    """Knows the minutes from some bases; its ledger says from where to where it was asked, a `body` comes first."""

    def __init__(self) -> None:
        super().__init__()
        #: From these bases, latitude and longitude, to wherever; from no other base does a road lead there.
        self.minutes: dict[Pin, float] = {}

    def hear(self, target: str) -> str:
        asked = urlsplit(target)
        service, _, points = asked.path.rpartition("/")
        assert service == "/table/v1/driving"
        pins = [(float(at.split(",")[1]), float(at.split(",")[0])) for at in points.split(";")]
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        assert query["annotations"] == "duration"
        sources, (to,) = ([pins[int(i)] for i in query[name].split(";")] for name in ("sources", "destinations"))
        self.ledger.append((sources, to))
        took = [self.minutes.get(base) for base in sources]
        return self.body or json.dumps({"code": "Ok", "durations": [[m and m * 60] for m in took]})

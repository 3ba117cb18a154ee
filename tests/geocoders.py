"""Doubles of the online geocoders: one server on loopback that speaks the HTTP of all three, and keeps a ledger."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: Where each geocoder is asked, and in which variable the address stands.
_ASKED = {"/search": "q", "/maps/api/geocode/json": "address", "/mapsearch/json/search": "keyword"}


def said(geocoder: str, pin: tuple[float, float] | None, kind: str = "house") -> Any:
    """What this geocoder answers for a point, or for none."""
    latitude, longitude = pin or (0.0, 0.0)
    match geocoder:
        case "nominatim":
            found = {"lat": str(latitude), "lon": str(longitude), "display_name": "บ้าน", "addresstype": kind}
            return [found] if pin else []
        case "google":
            place = {
                "formatted_address": "บ้าน",
                "geometry": {"location": {"lat": latitude, "lng": longitude}},
                "types": [kind],
            }
            return {"status": "OK" if pin else "ZERO_RESULTS", "results": [place] if pin else []}
        case _:
            return {"data": [{"name": "บ้าน", "lat": latitude, "lon": longitude}] if pin else [], "meta": {}}


class FakeGeocoder:
    """Answers what the test says, and remembers which addresses it was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ledger: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body: str = ""
        #: Clear it, and nothing is answered until it is set.
        self.answers = threading.Event()
        self.answers.set()

    def says(self, answer: Any, *, status: int = 200, **headers: str) -> None:
        """From now on this; a text as it stands, anything else as JSON."""
        self.body = answer if isinstance(answer, str) else json.dumps(answer)
        self.status, self.headers = status, headers


@contextmanager
def fake_geocoder() -> Iterator[FakeGeocoder]:
    """The server, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            fake.ledger.append(parse_qs(asked.query)[_ASKED[asked.path]][0])
            fake.answers.wait(timeout=30)
            content = fake.body.encode()
            self.send_response(fake.status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            for name, value in fake.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked did not wait
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = FakeGeocoder(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        fake.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()

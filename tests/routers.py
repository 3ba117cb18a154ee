"""A double of OSRM: a server on loopback that speaks its table service, and keeps a ledger."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Pin = tuple[float, float]


class FakeRouter:
    """Knows the minutes from some bases, and remembers from where to where it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        #: From these bases, latitude and longitude, to wherever; from no other base does a road lead there.
        self.minutes: dict[Pin, float] = {}
        self.ledger: list[tuple[list[Pin], Pin]] = []
        #: Instead of its answer.
        self.status, self.body = 200, ""
        #: Clear it, and nothing is answered until it is set.
        self.answers = threading.Event()
        self.answers.set()


def _answer(fake: FakeRouter, target: str) -> str:
    asked = urlsplit(target)
    service, _, points = asked.path.rpartition("/")
    assert service == "/table/v1/driving"
    pins = [(float(at.split(",")[1]), float(at.split(",")[0])) for at in points.split(";")]
    query = {name: values[0] for name, values in parse_qs(asked.query).items()}
    assert query["annotations"] == "duration"
    sources, (to,) = ([pins[int(i)] for i in query[name].split(";")] for name in ("sources", "destinations"))
    fake.ledger.append((sources, to))
    took = [fake.minutes.get(base) for base in sources]
    return fake.body or json.dumps({"code": "Ok", "durations": [[m and m * 60] for m in took]})


@contextmanager
def fake_router() -> Iterator[FakeRouter]:
    """The server, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = _answer(fake, self.path).encode()
            fake.answers.wait(timeout=30)
            self.send_response(fake.status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked did not wait
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = FakeRouter(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        fake.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()

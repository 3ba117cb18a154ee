"""Doubles of other people's services: servers on loopback that speak their HTTP, for as long as a block lasts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar


class Double:
    """Answers every GET with what it is told, and keeps a ledger of what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.ledger: list[Any] = []
        self.status, self.body = 200, ""
        self.headers: dict[str, str] = {}
        #: Clear it, and nothing is answered until it is set.
        self.answers = threading.Event()
        self.answers.set()

    def hear(self, target: str) -> str:
        """The body of the answer to a GET of this path and query."""
        self.ledger.append(target)
        return self.body


D = TypeVar("D", bound=Double)


@contextmanager
def served(double: D) -> Iterator[D]:
    """The double answers at its `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = double.hear(self.path).encode()
            double.answers.wait(timeout=30)
            self.send_response(double.status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            for name, value in double.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked did not wait
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield double
    finally:
        double.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()

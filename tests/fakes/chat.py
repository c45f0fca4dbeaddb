"""A chat's incoming webhook on loopback."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

SECRET = "T0KEN/sEcReT-of-the-hook"


@dataclass
class Chat:
    """What was posted, and how the next post is answered; 0 closes the connection instead."""

    url: str
    status: int = 200
    posted: list[str] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        return {"MORAINE_WEBHOOK_URL": self.url}


@contextmanager
def running_chat() -> Iterator[Chat]:
    """Run a chat until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if chat.status == 0:
                self.close_connection = True
                return
            if 200 <= chat.status < 300 and self.path == f"/services/{SECRET}":
                chat.posted.append(body["text"])
            self.send_response(chat.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's name)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        chat = Chat(f"http://127.0.0.1:{server.server_port}/services/{SECRET}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield chat
        finally:
            server.shutdown()
            thread.join()

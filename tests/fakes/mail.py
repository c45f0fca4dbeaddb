"""A mail server on loopback: enough of SMTP to take a mail, to encrypt, to ask for a login, and to refuse."""

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

CLOSE = "close"


@dataclass
class MailServer:
    """What arrived. `answers` replaces the answer to a command, `CLOSE` hangs up."""

    port: int = 0
    certificate: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    answers: dict[str, str] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Commands, in the order they came; after `STARTTLS` with a mark."""


class _Dialogue(StreamRequestHandler):
    """One connection."""

    server: "_Server"

    def handle(self) -> None:
        self.is_secret = False
        self.sender, self.receivers = "", list[str]()
        self._say("220 fake ESMTP")
        while line := self.rfile.readline().decode().strip():
            command = line.split()[0].upper()
            self.server.state.said.append(f"{command}{' (tls)' if self.is_secret else ''}")
            planned = self.server.state.answers.get(command)
            if planned == CLOSE:
                return
            if planned:
                self._say(planned)
            elif getattr(self, f"_{command.lower()}")(line):
                return

    def finish(self) -> None:
        super().finish()
        # After STARTTLS it is another socket than the server knows, and closes.
        self.request.close()

    def _ehlo(self, _: str) -> None:
        lines = ["fake"]
        if self.server.state.certificate and not self.is_secret:
            lines.append("STARTTLS")
        if self.server.state.login and self.is_secret:
            lines.append("AUTH PLAIN")
        self._say(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")

    def _starttls(self, _: str) -> None:
        assert self.server.state.certificate
        self._say("220 go on")
        self.request = self.server.state.certificate.wrap_socket(self.request, server_side=True)
        self.is_secret = True
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)

    def _auth(self, line: str) -> None:
        _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
        good = (user, password) == self.server.state.login
        self._say("235 welcome" if good else f"535 no user {user} with {password}")

    def _mail(self, line: str) -> None:
        self.sender, self.receivers = line.partition(":")[2].split()[0].strip("<>"), []
        self._say("250 fine")

    def _rcpt(self, line: str) -> None:
        address = line.partition(":")[2].strip("<>")
        if address.startswith("nobody@"):
            self._say("550 unknown")
            return
        self.receivers.append(address)
        self._say("250 fine")

    def _data(self, _: str) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        self.server.state.mails.append(message_from_bytes(b"".join(lines), policy=default))
        self.server.state.envelopes.append((self.sender, tuple(self.receivers)))
        self._say("250 kept")

    def _rset(self, _: str) -> None:
        self._say("250 fine")

    def _quit(self, _: str) -> bool:
        self._say("221 bye")
        return True

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


class _Server(ThreadingTCPServer):
    """Takes connections for one `MailServer`."""

    allow_reuse_address = True
    state: MailServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def running_mail_server(
    *, certificate: ssl.SSLContext | None = None, login: tuple[str, str] | None = None
) -> Iterator[MailServer]:
    """Run a mail server until the end of the block."""
    with _Server(("127.0.0.1", 0), _Dialogue) as server:
        server.state = MailServer(server.server_address[1], certificate, login)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.state
        finally:
            server.shutdown()
            thread.join()

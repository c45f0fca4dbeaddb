"""A chat that takes Slack's form of incoming webhooks: Slack itself, Mattermost, Rocket.Chat, Discord."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from pipelines.errors import MoraineError, Terminal, Transient
from pipelines.notify.message import Message

TIMEOUT = httpx.Timeout(10.0, connect=5.0)

_CALLS = re.compile(r"@(?=here|channel|all|everyone)", re.IGNORECASE)
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_WORD_JOINER = "\u2060"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Posts to one URL, which is a secret: it is shown nowhere."""

    name: str
    url: str = field(repr=False)

    def send(self, message: Message) -> None:
        """Post it.

        Raises:
            Transient: nobody answers, or with an error of its own.
            Terminal: the URL is none, or it is refused.
        """
        status = self._post({"text": _marked_up(message)})
        if not 200 <= status < 300:
            kind = Transient if status >= 500 else Terminal
            raise self._failure(kind, f"the webhook answered {status}")

    def _post(self, body: dict[str, str]) -> int:
        try:
            # What it answers is of no use and may be long: it is not read.
            with _unlogged(), httpx.stream("POST", self.url, json=body, timeout=TIMEOUT) as response:
                return response.status_code
        except httpx.TimeoutException:
            raise self._failure(Transient, "the webhook does not answer") from None
        except httpx.UnsupportedProtocol:
            raise self._failure(Terminal, "that is no http:// or https:// address") from None
        except httpx.TransportError as error:
            raise self._failure(Transient, f"the webhook was not reached: {type(error).__name__}") from None
        except (httpx.InvalidURL, ValueError):
            raise self._failure(Terminal, "that is no address") from None

    def _failure(self, kind: type[MoraineError], what: str) -> MoraineError:
        return kind(
            what,
            where=f"moraine.yaml, notify, {self.name}",
            fix="See that the environment variable holds the address of a webhook that still exists.",
        )


def _marked_up(message: Message) -> str:
    """Return text in which a name from a bucket is neither a link nor a call to everybody."""
    text = message.text.translate(_ESCAPED)
    return f"*{message.title.translate(_ESCAPED)}*\n{_CALLS.sub(f'@{_WORD_JOINER}', text)}"


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep httpx's log line for a request out of the log: the address stands in it."""
    logger, mine = logging.getLogger("httpx"), threading.get_ident()

    def is_of_another(record: logging.LogRecord) -> bool:
        return record.thread != mine

    logger.addFilter(is_of_another)
    try:
        yield
    finally:
        logger.removeFilter(is_of_another)

"""One message, and servers on loopback that take it."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from pipelines.notify import Message
from tests.fakes.chat import Chat, running_chat
from tests.fakes.mail import MailServer, running_mail_server


@pytest.fixture
def message() -> Message:
    return Message(
        "refused",
        "abcdef0123456789",
        "Moraine: 2026-11-19 is not published, 1 check failed",
        "- costs: <!channel> @everyone & 3 > 2, expected größer 0.\n\nNext: look.",
        datetime(2026, 11, 20, 6, 30),
    )


@pytest.fixture
def chat() -> Iterator[Chat]:
    with running_chat() as chat:
        yield chat


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server

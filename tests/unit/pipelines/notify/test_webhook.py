"""The webhook gets the message; its address appears nowhere."""

import logging
import socket

import pytest

from pipelines.errors import MoraineError, Terminal, Transient
from pipelines.notify import Message
from pipelines.notify.webhook import Webhook
from tests.fakes.chat import SECRET, Chat


def test_a_message_arrives_in_slacks_form_and_calls_nobody(chat: Chat, message: Message) -> None:
    Webhook("webhook X", chat.url).send(message)

    (text,) = chat.posted
    assert text.startswith("*Moraine: 2026-11-19 is not published, 1 check failed*\n- costs: ")
    assert "&lt;!channel&gt; @\u2060everyone &amp; 3 &gt; 2, expected größer 0" in text


@pytest.mark.parametrize(
    "status, kind", [(500, Transient), (503, Transient), (404, Terminal), (302, Terminal), (0, Transient)]
)
def test_an_answer_that_is_no_yes_is_an_error_without_the_address(
    chat: Chat, message: Message, status: int, kind: type[MoraineError]
) -> None:
    chat.status = status

    with pytest.raises(kind) as caught:
        Webhook("webhook X", chat.url).send(message)
    assert str(status) in caught.value.what or status == 0
    assert "webhook X" in caught.value.where
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "url", ["", "hunter2", "ftp://hunter2/", "http://hunter2:port/", "http://[hunter2", "http://\x00hunter2/"]
)
def test_an_address_that_is_none_is_not_shown(message: Message, url: str) -> None:
    with pytest.raises((Terminal, Transient)) as caught:
        Webhook("webhook X", url).send(message)
    assert "hunter2" not in str(caught.value)


def test_who_does_not_answer_is_waited_for_a_while_only(
    message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.notify.webhook.TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}"
        with pytest.raises(Transient, match="does not answer") as caught:
            Webhook("webhook X", url).send(message)
    assert SECRET not in str(caught.value)


def test_the_address_is_in_no_log_and_in_no_representation(
    chat: Chat, message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    webhook = Webhook("webhook X", chat.url)
    webhook.send(message)

    assert chat.posted
    assert SECRET not in caplog.text
    assert SECRET not in repr(webhook)
    logging.getLogger("httpx").info("somebody else's line")
    assert "somebody else's line" in caplog.text

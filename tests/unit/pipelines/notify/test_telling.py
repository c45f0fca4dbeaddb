"""Everybody is told once; what fails is said in the log and nowhere else."""

import json
import logging
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipelines.domain.configuration import LogRecipient, Recipient, WebhookRecipient
from pipelines.errors import Terminal
from pipelines.notify import Message, open_notifier, tell
from pipelines.stores import LocalStore
from tests.fakes.chat import SECRET, Chat

DAY = date(2026, 11, 19)
KEY = f"notified/{DAY}.json"
HOOK = WebhookRecipient(kind="webhook", url_from="MORAINE_WEBHOOK_URL")
LOG = LogRecipient(kind="log")


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


def told(lake: LocalStore, message: Message, chat: Chat, *recipients: Recipient) -> None:
    tell(lake, DAY, message, recipients or (HOOK,), chat.variables)


def test_the_same_news_is_told_once_and_other_news_again(
    lake: LocalStore, chat: Chat, message: Message
) -> None:
    for _ in range(3):
        told(lake, message, chat)
    assert len(chat.posted) == 1
    told(lake, replace(message, message_id="another"), chat)
    assert len(chat.posted) == 2
    told(lake, replace(message, topic="quarantine"), chat)
    assert len(chat.posted) == 3
    tell(lake, date(2026, 11, 20), message, (HOOK,), chat.variables)
    assert len(chat.posted) == 4
    assert SECRET.encode() not in lake.read(KEY)


def test_who_could_not_be_told_is_told_the_next_time_and_nobody_else_twice(
    lake: LocalStore, chat: Chat, message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    chat.status = 500
    told(lake, message, chat, LOG, HOOK)
    assert "webhook MORAINE_WEBHOOK_URL was not told: the webhook answered 500" in caplog.text
    assert SECRET not in caplog.text

    chat.status = 200
    told(lake, message, chat, LOG, HOOK)
    assert len(chat.posted) == 1
    assert caplog.text.count(message.title) == 1


def test_the_log_gets_title_and_text(
    lake: LocalStore, chat: Chat, message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    told(lake, message, chat, LOG)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == f"{message.title}\n{message.text}"


def test_a_variable_that_is_not_set_is_named(
    lake: LocalStore, message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    tell(lake, DAY, message, (HOOK,), {})
    assert "MORAINE_WEBHOOK_URL is not set" in caplog.text
    with pytest.raises(Terminal, match="MORAINE_WEBHOOK_URL is not set"):
        open_notifier(HOOK, {"MORAINE_WEBHOOK_URL": ""})


@pytest.mark.parametrize("kept", [b"not json", b"[1]", b"\xff"])
def test_notes_that_cannot_be_read_tell_rather_twice_than_never(
    lake: LocalStore, chat: Chat, message: Message, kept: bytes
) -> None:
    lake.write(KEY, kept)
    told(lake, message, chat)
    assert len(chat.posted) == 1
    assert list(json.loads(lake.read(KEY)).values()) == [message.message_id]


def test_notes_that_cannot_be_kept_are_no_error(
    lake: LocalStore, chat: Chat, message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    lake.root.mkdir(parents=True)
    (lake.root / "notified").write_text("a file in the way")
    told(lake, message, chat)
    assert len(chat.posted) == 1
    assert "may be told again" in caplog.text


def test_a_fault_of_ours_is_no_error_either_and_shows_nothing(
    lake: LocalStore,
    chat: Chat,
    message: Message,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(chat.url)

    monkeypatch.setattr("pipelines.notify.webhook.Webhook.send", fail)
    told(lake, message, chat)
    assert "was not told: unexpected RuntimeError" in caplog.text
    assert SECRET not in caplog.text

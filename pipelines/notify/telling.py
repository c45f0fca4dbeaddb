"""Sends a message to everybody who is to hear it, once: the lake remembers who heard what."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

from pipelines.domain.configuration import LogRecipient, Recipient, SmtpRecipient, WebhookRecipient
from pipelines.errors import MoraineError, NotFound, Terminal
from pipelines.notify.mail import Mail
from pipelines.notify.message import Message
from pipelines.notify.webhook import Webhook
from pipelines.stores import Store

_log = logging.getLogger(__name__)


class Notifier(Protocol):
    """One way to reach people."""

    def send(self, message: Message) -> None:
        """Send it.

        Raises:
            Transient: nobody answered; another time may do.
            Terminal: it was refused. Neither error shows a secret.
        """


class Log:
    """The log of whoever runs the night."""

    def send(self, message: Message) -> None:
        """Write it as one error."""
        _log.error("%s\n%s", message.title, message.text)


def tell(
    lake: Store, day: date, message: Message, recipients: Sequence[Recipient], secrets: Mapping[str, str]
) -> None:
    """Tell everybody who has not heard this about `day`. What goes wrong is logged, never raised.

    `notified/<day>.json` in the lake holds who heard what; one process at a time may work on a day.
    """
    key = f"notified/{day.isoformat()}.json"
    heard = _heard(lake, key)
    for recipient in recipients:
        name = f"{message.topic}: {recipient.name}"
        if heard.get(name) != message.message_id and _is_sent(message, recipient, secrets):
            heard[name] = message.message_id
            _keep(lake, key, heard)


def open_notifier(recipient: Recipient, secrets: Mapping[str, str]) -> Notifier:
    """Return the way to a recipient.

    Raises:
        Terminal: an environment variable that it needs is not set.
    """
    for name in recipient.variables:
        if not secrets.get(name):
            raise Terminal(
                f"{name} is not set",
                where=f"moraine.yaml, notify, {recipient.name}",
                fix="Set this environment variable for whoever runs the night.",
            )
    match recipient:
        case LogRecipient():
            return Log()
        case WebhookRecipient():
            return Webhook(recipient.name, secrets[recipient.url_from])
        case SmtpRecipient():
            user, password = (
                secrets.get(name or "", "") for name in (recipient.user_from, recipient.password_from)
            )
            return Mail(recipient, user, password)


def _is_sent(message: Message, recipient: Recipient, secrets: Mapping[str, str]) -> bool:
    try:
        open_notifier(recipient, secrets).send(message)
    except MoraineError as error:
        _log.warning("%s was not told: %s", recipient.name, error)
        return False
    except Exception as error:  # noqa: BLE001  (a night never fails because of this; the text may hold a secret)
        _log.warning("%s was not told: unexpected %s", recipient.name, type(error).__name__)
        return False
    _log.info("told %s: %s", recipient.name, message.title)
    return True


def _heard(lake: Store, key: str) -> dict[str, str]:
    try:
        heard = json.loads(lake.read(key))
    except NotFound:
        return {}
    except (MoraineError, ValueError) as error:
        # Rather twice than never.
        _log.warning("who was told already cannot be read: %s", error)
        return {}
    return heard if isinstance(heard, dict) else {}


def _keep(lake: Store, key: str, heard: Mapping[str, str]) -> None:
    try:
        lake.write(key, json.dumps(heard, indent=2).encode())
    except MoraineError as error:
        _log.warning("who was told cannot be kept, so they may be told again: %s", error)

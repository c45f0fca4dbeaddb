"""Mail, for people without a chat."""

import logging
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import UTC
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from pipelines.domain.configuration import SMTP_OVER_TLS, SmtpRecipient
from pipelines.errors import Terminal, Transient
from pipelines.notify.message import Message

TIMEOUT_SECONDS = 10.0

_log = logging.getLogger(__name__)

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (smtplib.SMTPAuthenticationError, "the mail server refuses the login"),
    (smtplib.SMTPRecipientsRefused, "the mail server takes none of the addresses in 'to'"),
    (smtplib.SMTPSenderRefused, "the mail server refuses the address in 'from'"),
    (smtplib.SMTPServerDisconnected, "the mail server closed the connection"),
    (
        smtplib.SMTPNotSupportedError,
        "the mail server does not offer STARTTLS, or no login",
    ),
    (smtplib.SMTPException, "the mail server refuses"),
    (ssl.SSLCertVerificationError, "the mail server's certificate is not trusted"),
    (TimeoutError, "the mail server does not answer"),
    (OSError, "the mail server was not reached"),
)
"""What a server says may repeat what it was told, a password included: our own words, and its number."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Sends through one mail server."""

    recipient: SmtpRecipient
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def send(self, message: Message) -> None:
        """Hand it to the mail server.

        Raises:
            Transient: the server does not answer, or says to come again.
            Terminal: it refuses.
        """
        try:
            with self._connected() as server:
                refused = server.send_message(self._mail(message))
        except (OSError, UnicodeError) as error:
            raise self._failure(error) from None
        if refused:
            _log.warning("the mail server %s refuses: %s", self.recipient.host, ", ".join(sorted(refused)))

    def _connected(self) -> smtplib.SMTP:
        """Return a connection that is encrypted and logged in, as far as it is to be."""
        host, port = self.recipient.host, self.recipient.port
        trusted = ssl.create_default_context()
        # Without a name of ours smtplib asks the network for it, which may take long.
        ours = self.recipient.sender.rpartition("@")[2]
        if port == SMTP_OVER_TLS:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, ours, timeout=TIMEOUT_SECONDS, context=trusted
            )
        else:
            server = smtplib.SMTP(host, port, ours, timeout=TIMEOUT_SECONDS)
        try:
            if port != SMTP_OVER_TLS and self.recipient.starttls:
                server.starttls(context=trusted)
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server

    def _mail(self, message: Message) -> EmailMessage:
        sender = self.recipient.sender
        mail = EmailMessage(policy=SMTP)
        mail["From"] = sender
        mail["To"] = ", ".join(self.recipient.to)
        mail["Subject"] = message.title
        mail["Date"] = format_datetime(message.at.replace(tzinfo=UTC))
        mail["Message-ID"] = f"<{message.topic}.{message.message_id}@{sender.rpartition('@')[2]}>"
        # No out-of-office answers.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail

    def _failure(self, error: Exception) -> Terminal | Transient:
        reason = next(
            (told for kind, told in _REASONS if isinstance(error, kind)), "user or password is not plain text"
        )
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
        may_pass = 400 <= code < 500 or isinstance(error, TimeoutError | smtplib.SMTPServerDisconnected)
        return (Transient if may_pass else Terminal)(
            f"{reason} ({code})" if code else reason,
            where=f"moraine.yaml, notify, {self.recipient.name}, port {self.recipient.port}",
            fix="See that host, port, 'starttls', the addresses and the login are what the server wants.",
        )

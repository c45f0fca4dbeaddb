"""Mail arrives whole; a password goes only over TLS and is shown nowhere."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipelines.domain.configuration import SmtpRecipient
from pipelines.errors import MoraineError, Terminal, Transient
from pipelines.notify import Message
from pipelines.notify.mail import Mail
from tests.fakes.mail import CLOSE, MailServer, running_mail_server

LOGIN = ("ada", "hunter2")


def recipient(port: int, *to: str, starttls: bool = False) -> SmtpRecipient:
    people = to or ("data@example.org", "finance@example.org")
    values = {
        "host": "127.0.0.1",
        "port": port,
        "starttls": starttls,
        "from": "moraine@example.org",
        "to": people,
    }
    return SmtpRecipient.model_validate({"kind": "smtp", **values})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form))
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_mail_arrives_with_its_title_text_and_people(mail_server: MailServer, message: Message) -> None:
    Mail(recipient(mail_server.port)).send(message)

    (mail,) = mail_server.mails
    assert mail_server.envelopes == [("moraine@example.org", ("data@example.org", "finance@example.org"))]
    assert mail["Subject"] == message.title
    assert mail["To"] == "data@example.org, finance@example.org"
    assert mail["Date"] == "Fri, 20 Nov 2026 06:30:00 +0000"
    assert mail["Message-ID"] == "<refused.abcdef0123456789@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().splitlines() == message.text.splitlines()


def test_a_login_goes_over_tls_only(
    context: ssl.SSLContext, certificate: Path, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with running_mail_server(certificate=context, login=LOGIN) as server:
        Mail(recipient(server.port, starttls=True), *LOGIN).send(message)
        assert len(server.mails) == 1
        assert server.said[:4] == ["EHLO", "STARTTLS", "EHLO (tls)", "AUTH (tls)"]

        with pytest.raises(Terminal, match=r"refuses the login \(535\)") as caught:
            Mail(recipient(server.port, starttls=True), "ada", "hunter3").send(message)
    assert "hunter3" not in str(caught.value)


def test_a_server_whose_certificate_is_not_trusted_gets_neither_login_nor_mail(
    context: ssl.SSLContext, message: Message
) -> None:
    with (
        running_mail_server(certificate=context, login=LOGIN) as server,
        pytest.raises(Terminal, match="certificate is not trusted"),
    ):
        Mail(recipient(server.port, starttls=True), *LOGIN).send(message)
    assert server.mails == []
    assert "AUTH (tls)" not in server.said


def test_a_server_without_tls_gets_neither_login_nor_mail(mail_server: MailServer, message: Message) -> None:
    with pytest.raises(Terminal, match="STARTTLS"):
        Mail(recipient(mail_server.port, starttls=True), *LOGIN).send(message)
    assert mail_server.mails == []
    assert mail_server.said == ["EHLO"]


@pytest.mark.parametrize(
    "command, answer, kind, said",
    [
        ("MAIL", "550 not you", Terminal, "'from'"),
        ("DATA", "554 no", Terminal, "554"),
        ("DATA", "451 come again", Transient, "451"),
        ("DATA", CLOSE, Transient, "closed the connection"),
        ("EHLO", CLOSE, Transient, "closed the connection"),
    ],
)
def test_a_server_that_refuses_is_an_error_in_our_words(
    mail_server: MailServer, message: Message, command: str, answer: str, kind: type[MoraineError], said: str
) -> None:
    mail_server.answers[command] = answer
    with pytest.raises(kind) as caught:
        Mail(recipient(mail_server.port)).send(message)
    assert said in caught.value.what
    assert "smtp 127.0.0.1 to data@example.org" in caught.value.where


def test_one_address_that_is_refused_keeps_it_from_nobody_else(
    mail_server: MailServer, message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    Mail(recipient(mail_server.port, "nobody@example.org", "ada@example.org")).send(message)
    assert mail_server.envelopes == [("moraine@example.org", ("ada@example.org",))]
    assert "nobody@example.org" in caplog.text

    with pytest.raises(Terminal, match="none of the addresses"):
        Mail(recipient(mail_server.port, "nobody@example.org")).send(message)


def test_who_does_not_answer_is_an_error(message: Message) -> None:
    with running_mail_server() as server:
        pass
    with pytest.raises(MoraineError, match="not reached"):
        Mail(recipient(server.port)).send(message)


def test_a_password_is_in_no_representation(mail_server: MailServer) -> None:
    assert "hunter2" not in repr(Mail(recipient(mail_server.port), *LOGIN))


def test_a_password_that_smtp_cannot_carry_is_not_shown(
    context: ssl.SSLContext, certificate: Path, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        running_mail_server(certificate=context, login=LOGIN) as server,
        pytest.raises(Terminal, match="not plain text") as caught,
    ):
        Mail(recipient(server.port, starttls=True), "ada", "hünter").send(message)
    assert "hünter" not in str(caught.value)

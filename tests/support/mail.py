"""A real mail server (aiosmtpd) on loopback, in the loop of the test, and certificates for it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.server import free_port

USER, PASSWORD = "centralita", "correct horse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What the server was given."""

    sender: str
    recipients: tuple[str, ...]
    mail: EmailMessage
    raw: bytes
    encrypted: bool
    signed_in: bool


@dataclass
class Mailroom:
    """What the mail server says, and what it was given.

    `at_mail`, `at_rcpt` and `at_data` are said to the next letters in place of 250. While it is
    `hanging` it takes letters, and does not say so.
    """

    port: int
    at_mail: deque[str] = field(default_factory=deque)
    at_rcpt: deque[str] = field(default_factory=deque)
    at_data: deque[str] = field(default_factory=deque)
    delivered: asyncio.Queue[Delivered] = field(default_factory=asyncio.Queue)
    tries: int = 0
    hanging: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    break_off_after_data: bool = False

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.tries += 1
        if self.at_mail:
            return self.at_mail.popleft()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.at_rcpt:
            return self.at_rcpt.popleft()
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.at_data:
            return self.at_data.popleft()
        raw = envelope.content
        assert isinstance(raw, bytes)
        mail = message_from_bytes(raw, policy=policy.SMTP)
        assert isinstance(mail, EmailMessage)
        self.delivered.put_nowait(
            Delivered(
                sender=envelope.mail_from or "",
                recipients=tuple(envelope.rcpt_tos),
                mail=mail,
                raw=raw,
                encrypted=session.ssl is not None,
                signed_in=bool(session.authenticated),
            )
        )
        self.reached.set()
        if self.hanging is not None:
            await self.hanging.wait()
        if self.break_off_after_data:
            transport = server.transport
            assert isinstance(transport, asyncio.WriteTransport)
            transport.abort()
        return "250 OK"


def _knows(
    server: SMTP, session: Session, envelope: Envelope, how: str, given: object
) -> AuthResult:
    good = isinstance(given, LoginPassword) and (given.login, given.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=good, handled=good)  # what is not handled is answered with 535


@contextlib.asynccontextmanager
async def mail_server(
    *,
    port: int | None = None,
    room: Mailroom | None = None,
    certificate: Certificate | None = None,
    security: str = "none",
    login: bool = False,
) -> AsyncIterator[Mailroom]:
    """Runs until the block ends. With `room`, one that was away is back."""
    room = room or Mailroom(port or free_port())
    context = certificate.server_context() if certificate is not None else None

    def talk() -> SMTP:
        return SMTP(
            room,
            hostname="mail.example.org",
            enable_SMTPUTF8=True,
            tls_context=context if security == "starttls" else None,
            require_starttls=security == "starttls",
            auth_required=login and security == "starttls",
            auth_require_tls=security == "starttls",
            authenticator=_knows,
        )

    server = await asyncio.get_running_loop().create_server(
        talk, "127.0.0.1", room.port, ssl=context if security == "tls" else None
    )
    try:
        yield room
    finally:
        server.close()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate in a file with its key."""

    file: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context

    def client_context(self) -> ssl.SSLContext:
        """One that trusts it."""
        return ssl.create_default_context(cafile=str(self.file))


def certificate_for(name: str, folder: Path) -> Certificate:
    """A new certificate for a host."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Certificate(file)

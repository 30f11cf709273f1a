"""Emails by SMTP (RFC 5321) to a mail server that takes them on from here."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Literal

import aiosmtplib

from centralita.channels.mailbox import Mailbox
from centralita.channels.protocol import Delayed, Letter, NotSent, Refused, Trouble

# For one answer, and for a whole letter, in seconds.
_ANSWER = 20.0
_LETTER = 50.0
_FAREWELL = 2.0
# RFC 5321 4.5.3.1.3, without the brackets.
_LONGEST_ADDRESS = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where emails are handed over. `starttls` and `tls` need a certificate that the machine
    trusts for `host`; an empty `user` signs in nowhere."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    sender: Mailbox
    reply_to: Mailbox | None = None
    user: str = ""
    password: str = field(default="", repr=False)


class EmailSender:
    """One connection for each letter.

    A letter has the same Message-ID and the same text whenever it is tried, so that mail systems
    that look for duplicates find one. RFC 5321, 6.1, asks for no more: a server that takes a letter
    and dies before it says so will be given it again.
    """

    channel = "email"
    repeatable = True

    def __init__(self, server: MailServer, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._tls: ssl.SSLContext | None = None
        if server.security != "none":
            # Made once: it reads all certificates of the machine.
            self._tls = tls or ssl.create_default_context()

    async def send(self, letter: Letter) -> None:
        mail = mail_of(letter, self._server)
        try:
            async with asyncio.timeout(_LETTER):
                await self._hand_over(mail, deliverable(letter.to))
        except TimeoutError as exc:
            raise Delayed(Trouble.UNREACHABLE, f"{self._name} does not answer") from exc
        except (aiosmtplib.SMTPException, OSError, ValueError) as exc:
            raise self._what(exc) from exc

    async def close(self) -> None:
        """There is nothing to let go of."""

    @property
    def _name(self) -> str:
        return f"{self._server.host}:{self._server.port}"

    async def _hand_over(self, mail: EmailMessage, to: str) -> None:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=_ANSWER,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls,
        )
        try:
            await client.connect()
            if server.user:
                await _sign_in(client, server)
            await client.send_message(mail, sender=server.sender.address, recipients=[to])
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=_FAREWELL)  # the letter has gone, whatever comes of this
        finally:
            client.close()

    def _what(self, error: Exception) -> NotSent:
        """The library's errors in the words of the house."""
        for cause in (error, error.__cause__):
            if isinstance(cause, ssl.SSLError):
                return Delayed(Trouble.INSECURE, f"no TLS with {self._name}: {cause}")
        match error:
            case aiosmtplib.SMTPRecipientsRefused():
                first = error.recipients[0]
                return _by_code(first.code, first.message, Trouble.ADDRESS)
            case aiosmtplib.SMTPAuthenticationError():
                # A wrong password is the operator's; no message is lost by it.
                return Delayed(Trouble.LOGIN, f"{error.code} {error.message}")
            case aiosmtplib.SMTPSenderRefused() if error.code >= 500:
                return Delayed(Trouble.SETUP, f"{error.code} {error.message}")
            case aiosmtplib.SMTPDataError():
                return _by_code(error.code, error.message, Trouble.REJECTED)
            case aiosmtplib.SMTPResponseException() if 400 <= error.code < 500:
                return Delayed(Trouble.BUSY, f"{error.code} {error.message}")
            case aiosmtplib.SMTPResponseException():
                return Delayed(Trouble.SETUP, f"{error.code} {error.message}")
            case aiosmtplib.SMTPNotSupported() | ValueError():
                # An address with letters beyond ASCII (RFC 6531), or one that is none.
                return Refused(Trouble.ADDRESS, str(error))
            case OSError():
                return Delayed(Trouble.UNREACHABLE, f"{self._name}: {error}")
            case _:
                # What is left is what the server lacks: STARTTLS, or a way to sign in.
                lacks = "STARTTLS extension" in str(error)
                return Delayed(Trouble.INSECURE if lacks else Trouble.LOGIN, str(error))


async def _sign_in(client: aiosmtplib.SMTP, server: MailServer) -> None:
    """By one method: the library tries all that the server knows, and some servers lock out who is
    wrong a few times."""
    await client.ehlo()
    if "plain" in client.server_auth_methods:
        await client.auth_plain(server.user, server.password)
    else:
        await client.login(server.user, server.password)


def _by_code(code: int, message: str, trouble: Trouble) -> NotSent:
    """4yz is for a while, 5yz for good (RFC 5321, 4.2.1)."""
    if code < 500:
        return Delayed(Trouble.BUSY, f"{code} {message}")
    return Refused(trouble, f"{code} {message}")


def mail_of(letter: Letter, server: MailServer) -> EmailMessage:
    """The letter as a mail (RFC 5322). Raises Refused as `deliverable` does."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["Message-ID"] = f"<{letter.id}@{server.sender.domain}>"
    mail["Date"] = letter.written_at
    mail["From"] = _header(server.sender)
    if server.reply_to is not None:
        mail["Reply-To"] = _header(server.reply_to)
    mail["To"] = deliverable(letter.to)
    # A subject is one line; nobody who writes one can add a header.
    subject = " ".join(letter.subject.split())
    if subject:
        mail["Subject"] = subject
    # Quoted-printable: every server on the way takes it, and nobody breaks its lines.
    mail.set_content(letter.body, charset="utf-8", cte="quoted-printable")
    return mail


def deliverable(address: str) -> str:
    """The address as mail servers know it: its domain in ASCII (RFC 5891). Raises Refused when it
    is none, or more than one."""
    local, _, domain = address.rpartition("@")
    if len(address) > _LONGEST_ADDRESS:
        raise Refused(Trouble.ADDRESS, "not an address: too long")
    try:
        known = f"{local}@{domain.encode('idna').decode('ascii')}"
        # Letters beyond ASCII may stand before the @ (RFC 6531); `Address` is older than that.
        Address(addr_spec="".join(sign if sign.isascii() else "x" for sign in known))
    except Exception as exc:  # the parser of the standard library raises whatever it meets with
        raise Refused(Trouble.ADDRESS, f"not an address: {exc}") from exc
    return known


def _header(mailbox: Mailbox) -> Address:
    return Address(display_name=mailbox.name, addr_spec=mailbox.address)

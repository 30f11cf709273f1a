"""Emails to a real mail server: what it gets, and what its answers mean."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

import pytest

from centralita.channels.email import EmailSender, MailServer
from centralita.channels.mailbox import Mailbox
from centralita.channels.protocol import Delayed, Letter, NotSent, Refused, Trouble
from centralita.core.ids import MessageId
from tests.support.mail import (
    PASSWORD,
    USER,
    Certificate,
    Mailroom,
    certificate_for,
    mail_server,
)
from tests.support.server import free_port

Security = Literal["starttls", "tls", "none"]
SENDER = Mailbox(name="Talleres Núñez, S. L.", address="hola@talleres.example")
LETTER = Letter(
    id=MessageId("msg_1f"),
    to="julia.rios@example.org",
    subject="Su pedido está listo",
    body="Hola, Julia:\n\nSale mañana. ¿Le viene bien?\n\n" + "Una línea muy larga. " * 90,
    written_at=datetime(2026, 1, 5, 12, 0, 7, tzinfo=UTC),
)


def sender(
    port: int, security: Security = "none", trusts: Certificate | None = None, **more: str
) -> EmailSender:
    server = MailServer(
        host="localhost" if security != "none" else "127.0.0.1", port=port, security=security,
        sender=SENDER, **more,  # type: ignore[arg-type]  # user and password
    )  # fmt: skip
    return EmailSender(server, trusts.client_context() if trusts is not None else None)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_for("localhost", tmp_path_factory.mktemp("certificate"))


async def not_sent(sender: EmailSender, letter: Letter = LETTER) -> NotSent:
    with pytest.raises(NotSent) as caught:
        await sender.send(letter)
    return caught.value


async def test_the_mail_is_what_was_written_and_says_whom_it_is_from() -> None:
    async with mail_server() as room:
        await sender(room.port).send(LETTER)
        got = room.delivered.get_nowait()
    assert (got.sender, got.recipients) == (SENDER.address, (LETTER.to,))
    assert got.mail["From"].addresses[0].display_name == SENDER.name
    assert got.mail["From"].addresses[0].addr_spec == SENDER.address
    assert (str(got.mail["To"]), str(got.mail["Subject"])) == (LETTER.to, LETTER.subject)
    assert got.mail["Message-ID"] == "<msg_1f@talleres.example>"
    assert parsedate_to_datetime(got.mail["Date"]) == LETTER.written_at
    assert got.mail.get_content_type() == "text/plain"
    assert got.mail.get_content().replace("\r\n", "\n").rstrip("\n") == LETTER.body.rstrip("\n")
    assert "Reply-To" not in got.mail and "Auto-Submitted" not in got.mail
    assert max(map(len, got.raw.splitlines())) <= 998 and got.raw.isascii()


async def test_answers_go_where_they_are_wanted() -> None:
    async with mail_server() as room:
        server = MailServer(
            host="127.0.0.1", port=room.port, security="none", sender=SENDER,
            reply_to=Mailbox(address="pedidos@talleres.example"),
        )  # fmt: skip
        await EmailSender(server).send(LETTER)
        assert str(room.delivered.get_nowait().mail["Reply-To"]) == "pedidos@talleres.example"


async def test_a_letter_that_is_tried_twice_is_the_same_to_the_last_byte() -> None:
    async with mail_server() as room:
        room.break_off_after_data = True
        lost = await not_sent(sender(room.port))
        assert isinstance(lost, Delayed) and lost.trouble is Trouble.UNREACHABLE
        room.break_off_after_data = False
        await sender(room.port).send(LETTER)
        first, second = room.delivered.get_nowait(), room.delivered.get_nowait()
    assert first.raw == second.raw


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_it_signs_in_by_tls(security: Security, certificate: Certificate) -> None:
    async with mail_server(security=security, certificate=certificate, login=True) as room:
        trusting = sender(room.port, security, certificate, user=USER, password=PASSWORD)
        await trusting.send(LETTER)
        got = room.delivered.get_nowait()
    assert (got.encrypted or security == "tls") and got.signed_in


async def test_a_wrong_password_is_the_operators_and_fails_no_message(
    certificate: Certificate,
) -> None:
    async with mail_server(security="starttls", certificate=certificate, login=True) as room:
        error = await not_sent(
            sender(room.port, "starttls", certificate, user=USER, password="wrong")
        )
        assert isinstance(error, Delayed) and error.trouble is Trouble.LOGIN
        assert "wrong" not in str(error)
        assert room.delivered.empty()


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_trusts_gets_neither_password_nor_letter(
    security: Security, certificate: Certificate
) -> None:
    async with mail_server(security=security, certificate=certificate) as room:
        error = await not_sent(sender(room.port, security, user=USER, password=PASSWORD))
        assert isinstance(error, Delayed) and error.trouble is Trouble.INSECURE
        assert room.delivered.empty()


async def test_a_certificate_of_another_host_is_no_better(tmp_path: Path) -> None:
    other = certificate_for("mail.example.net", tmp_path)
    async with mail_server(security="starttls", certificate=other) as room:
        error = await not_sent(sender(room.port, "starttls", other))
        assert isinstance(error, Delayed) and error.trouble is Trouble.INSECURE


async def test_a_server_without_starttls_gets_nothing(certificate: Certificate) -> None:
    async with mail_server() as room:
        error = await not_sent(sender(room.port, "starttls", certificate))
        assert isinstance(error, Delayed) and error.trouble is Trouble.INSECURE
        assert room.tries == 0


@pytest.mark.parametrize(
    ("where", "answer", "kind", "trouble"),
    [
        ("at_rcpt", "451 4.7.1 Greylisted, come back", Delayed, Trouble.BUSY),
        ("at_rcpt", "452 4.2.2 Mailbox full", Delayed, Trouble.BUSY),
        ("at_rcpt", "550 5.1.1 No such user", Refused, Trouble.ADDRESS),
        ("at_data", "451 4.3.0 Try later", Delayed, Trouble.BUSY),
        ("at_data", "554 5.7.1 Looks like spam", Refused, Trouble.REJECTED),
        ("at_mail", "451 4.3.0 Busy", Delayed, Trouble.BUSY),
        ("at_mail", "550 5.7.1 Not your address", Delayed, Trouble.SETUP),
    ],
)
async def test_what_the_server_says_and_what_it_means(
    where: str, answer: str, kind: type[NotSent], trouble: Trouble
) -> None:
    async with mail_server() as room:
        getattr(room, where).append(answer)
        error = await not_sent(sender(room.port))
        assert (type(error), error.trouble) == (kind, trouble)
        assert answer.split(" ", 1)[1] in str(error)  # the operator reads the server's own words
        await sender(room.port).send(LETTER)
        assert room.delivered.qsize() == 1


async def test_a_server_that_is_away_is_back_later() -> None:
    room = Mailroom(free_port())
    error = await not_sent(sender(room.port))
    assert isinstance(error, Delayed) and error.trouble is Trouble.UNREACHABLE
    async with mail_server(room=room):
        await sender(room.port).send(LETTER)
        assert room.delivered.qsize() == 1


async def test_a_server_that_says_nothing_is_not_waited_for_very_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("centralita.channels.email._ANSWER", 0.2)
    async with mail_server() as room:
        room.hanging = asyncio.Event()
        error = await not_sent(sender(room.port))
        assert isinstance(error, Delayed) and error.trouble is Trouble.UNREACHABLE
        room.hanging.set()


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Hola\r\nBcc: all@example.net\r\n\r\nSpam"},
        {"subject": "Hola\nX-Evil: yes"},
        {"body": "Hola\r\n.\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.net>\r\n"},
    ],
)
async def test_nobody_who_writes_can_add_a_header_or_a_recipient(change: dict[str, str]) -> None:
    async with mail_server() as room:
        await sender(room.port).send(replace(LETTER, **change))  # type: ignore[arg-type]
        got = room.delivered.get_nowait()
        assert room.delivered.empty() and got.recipients == (LETTER.to,)
    assert set(got.mail.keys()) == {
        "Message-ID", "Date", "From", "To", "Subject", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding",
    }  # fmt: skip


@pytest.mark.parametrize(
    "address",
    ["", "julia", "julia@example.org\r\nBcc: x@example.net", "a@example.org, b@example.org",
     "<script>@x", "julia@"],
)  # fmt: skip
async def test_what_is_no_address_is_refused_before_anybody_is_asked(address: str) -> None:
    async with mail_server() as room:
        error = await not_sent(sender(room.port), replace(LETTER, to=address))
        assert isinstance(error, Refused) and error.trouble is Trouble.ADDRESS
        assert room.delivered.empty()


async def test_a_letter_without_a_subject_has_none() -> None:
    async with mail_server() as room:
        await sender(room.port).send(replace(LETTER, subject=""))
        assert "Subject" not in room.delivered.get_nowait().mail


async def test_an_address_beyond_ascii_goes_where_the_server_knows_such() -> None:
    async with mail_server() as room:
        await sender(room.port).send(replace(LETTER, to="josé@example.org"))
        assert room.delivered.get_nowait().recipients == ("josé@example.org",)


async def test_a_domain_beyond_ascii_is_looked_for_under_its_ascii_name() -> None:
    async with mail_server() as room:
        await sender(room.port).send(replace(LETTER, to="ana@viñedo.example"))
        assert room.delivered.get_nowait().recipients == ("ana@xn--viedo-pta.example",)


async def test_one_that_is_cancelled_leaves_no_connection_open() -> None:
    async with mail_server() as room:
        room.hanging = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await sender(room.port).send(LETTER)
        room.hanging.set()
        assert room.tries == 1

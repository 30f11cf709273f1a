"""SMS to a gateway: an imitation of Kannel, and Kannel itself where it is installed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from centralita.channels.protocol import Delayed, Letter, NotSent, Refused, Trouble, Unclear
from centralita.channels.sms import KannelSender, is_gsm, parts
from centralita.core.ids import MessageId
from tests.support.kannel import (
    DENIED,
    Gateway,
    KannelImitation,
    imitation,
    kannel,
    settings,
    why_no_kannel,
)
from tests.support.server import free_port

LETTER = Letter(
    id=MessageId("msg_1"), to="+34600111222", subject="", body="Su caja sale hoy @ 12: 5 + 1 & 2",
    written_at=datetime(2026, 1, 5, 12, 0, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture(params=["imitation", "kannel"])
async def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gateway]:
    if request.param == "imitation":
        async with imitation() as imitated:
            yield imitated
        return
    if missing := why_no_kannel():
        pytest.skip(missing)
    async with kannel(tmp_path) as real:
        yield real


@pytest.fixture
async def room() -> AsyncIterator[KannelImitation]:
    async with imitation() as room:
        yield room


async def not_sent(port: int, letter: Letter = LETTER, password: str | None = None) -> NotSent:
    sender = KannelSender(settings(port, password) if password else settings(port))
    try:
        with pytest.raises(NotSent) as caught:
            await sender.send(letter)
    finally:
        await sender.close()
    return caught.value


async def sent(port: int, letter: Letter = LETTER) -> None:
    sender = KannelSender(settings(port))
    try:
        await sender.send(letter)
    finally:
        await sender.close()


# --- what the imitation and Kannel have in common -----------------------------------------------


async def test_an_sms_goes_out_with_its_text(gateway: Gateway) -> None:
    await sent(gateway.port)
    assert await gateway.got() == ("Talleres", LETTER.to, LETTER.body)


@pytest.mark.parametrize(
    "body", ["Señor ñ € {ok}", "¿Está aquí? Sí: mañana 🙂", "Hola. " * 60, "+%26<&>"]
)
async def test_every_text_arrives_as_it_was_written(gateway: Gateway, body: str) -> None:
    await sent(gateway.port, replace(LETTER, body=body))
    assert (await gateway.got())[2] == body


async def test_a_wrong_password_is_the_operators(gateway: Gateway) -> None:
    error = await not_sent(gateway.port, password="wrong")
    assert isinstance(error, Delayed) and error.trouble is Trouble.LOGIN
    assert "wrong" not in str(error)


async def test_a_number_that_the_gateway_denies_is_refused(gateway: Gateway) -> None:
    error = await not_sent(gateway.port, replace(LETTER, to=DENIED + "111222"))
    assert isinstance(error, Refused) and error.trouble is Trouble.ADDRESS


# --- what only an imitation can be made to do ---------------------------------------------------


@pytest.mark.parametrize(
    ("status", "answer", "kind", "trouble"),
    [
        (403, "Not routable. Do not try again.", Refused, Trouble.ADDRESS),
        (400, "Charset or body misformed, rejected", Refused, Trouble.REJECTED),
        (503, "Temporal failure, try again later.", Delayed, Trouble.BUSY),
        (500, "Sending failed.", Delayed, Trouble.BUSY),
        (404, "Unknown request.", Delayed, Trouble.SETUP),
        (302, "", Delayed, Trouble.SETUP),  # the password follows nobody elsewhere
    ],
)
async def test_what_the_gateway_says_and_what_it_means(
    room: KannelImitation, status: int, answer: str, kind: type[NotSent], trouble: Trouble
) -> None:
    room.answers.append((status, answer))
    error = await not_sent(room.port)
    assert (type(error), error.trouble) == (kind, trouble)
    assert answer in str(error)
    assert len(room.asked) == 1 and not room.strayed


@pytest.mark.parametrize("answer", [(202, "3: Queued for later delivery"), (200, "Sent.")])
async def test_what_is_queued_by_the_gateway_has_gone(
    room: KannelImitation, answer: tuple[int, str]
) -> None:
    room.answers.append(answer)
    await sent(room.port)


async def test_a_gateway_that_is_away_was_asked_nothing() -> None:
    error = await not_sent(free_port())
    assert isinstance(error, Delayed) and error.trouble is Trouble.UNREACHABLE


async def test_a_gateway_that_does_not_answer_may_have_sent_it(
    room: KannelImitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centralita.channels.sms._ANSWER", 0.3)
    room.hanging = asyncio.Event()
    error = await not_sent(room.port)
    assert isinstance(error, Unclear) and error.trouble is Trouble.UNCLEAR
    room.hanging.set()


async def test_seven_bits_where_they_are_enough_and_utf_16_where_not(
    room: KannelImitation,
) -> None:
    for body in ("Señor: 5 € {ok}", "Está"):
        await sent(room.port, replace(LETTER, body=body))
    assert [asked["coding"] for asked in room.asked] == ["0", "2"]
    assert {asked["charset"] for asked in room.asked} == {"UTF-8"}
    assert [asked["text"] for asked in room.asked] == ["Señor: 5 € {ok}", "Está"]


async def test_a_text_of_too_many_sms_is_not_cut_off_but_refused(room: KannelImitation) -> None:
    await sent(room.port, replace(LETTER, body="a" * 1530))
    error = await not_sent(room.port, replace(LETTER, body="a" * 1531))
    assert isinstance(error, Refused) and error.trouble is Trouble.REJECTED
    assert len(room.asked) == 1


async def test_neither_errors_nor_the_log_hold_the_password(
    room: KannelImitation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "s3cr3t-w0rd"
    room.answers.append((500, "Sending failed."))
    said = [str(await not_sent(room.port, password=secret)), str(await not_sent(free_port()))]
    assert secret not in "".join(said) + caplog.text


@pytest.mark.parametrize(
    ("text", "gsm", "count"),
    [
        ("", True, 1),
        ("ñÑüÜ¿¡@€", True, 1),
        ("á", False, 1),
        ("a" * 160, True, 1),
        ("a" * 161, True, 2),
        ("€" * 80, True, 1),
        ("€" * 81, True, 2),
        ("a" * 307, True, 3),
        ("á" * 70, False, 1),
        ("á" * 71, False, 2),
        ("🙂" * 35, False, 1),
        ("🙂" * 36, False, 2),
    ],
)
def test_how_many_sms_a_text_takes(text: str, gsm: bool, count: int) -> None:
    assert (is_gsm(text), parts(text)) == (gsm, count)

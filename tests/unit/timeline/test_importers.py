"""What an import takes in, and what it says of the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centralita.core.clock import ManualClock
from centralita.core.errors import InvalidInput
from centralita.store.store import Store, open_store
from centralita.timeline.csv_files import csv_rows
from centralita.timeline.importers import Importer
from centralita.timeline.model import Direction, IdentityKind
from centralita.timeline.rehearsal import RehearsedCustomers, RehearsedEntries

CUSTOMERS = """external_id,name,phone,email,language
c1,Julia Ríos,600 111 222;910000000,Julia@example.org,es
c2,Paul,12,,en
c3,,600999888,,en
c4,Rosa,600999777,,español
c5,Too,many,fields,es,x
c6,"Two
lines",600555444,,es
"""

MESSAGES = """external_id,channel,at,from,customer,direction,subject,body
m1,sms,2026-01-02T10:00:00,600111222,,in,,¿Y mi pedido?
m2,sms,2026-01-02T10:05:00,,c1,out,,Mañana
m3,fax,2026-01-02T10:05:00,,c1,out,,
m4,sms,yesterday,,c1,out,,
m5,sms,2026-01-02T10:05:00,,c9,out,,
"""

MBOX = """From julia Mon Jan  5 10:00:00 2026
From: Julia =?utf-8?q?R=C3=ADos?= <Julia@example.org>
To: help@centralita.example
Date: Mon, 05 Jan 2026 10:00:00 +0100
Message-ID: <1@example.org>
Subject: =?utf-8?q?=C2=BFPedido=3F?=
Content-Type: text/html; charset=utf-8

<style>p{}</style><p>Hola &amp; gracias</p>

From help Mon Jan  5 11:00:00 2026
From: help@centralita.example
To: julia@example.org
Date: Mon, 05 Jan 2026 11:00:00 +0100
Message-ID: <2@centralita.example>
Subject: Re

Va en camino.

From nobody Mon Jan  5 12:00:00 2026
From: not an address
Subject: lost

x
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(f"sqlite:///{tmp_path}/c.db")
    yield store
    await store.close()


@pytest.fixture
def importer(store: Store) -> Importer:
    return Importer(store.customers, store.interactions, ManualClock(), region="ES")


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


async def test_customers_come_in_once_and_bad_lines_are_named(
    importer: Importer, store: Store, tmp_path: Path
) -> None:
    file = write(tmp_path, "customers.csv", CUSTOMERS)
    result = await importer.customers_csv(file)
    assert result.added == 2
    assert [problem.place for problem in result.problems] == [
        "customers.csv:3: phone",
        "customers.csv:4: name",
        "customers.csv:5: language",
        "customers.csv:6",
    ]
    again = await importer.customers_csv(file)
    assert (again.added, again.known) == (0, 2)
    (julia,) = await store.customers.by_identity(IdentityKind.PHONE, "+34910000000")
    assert (julia.name, julia.language, len(julia.identities)) == ("Julia Ríos", "es", 3)


async def test_messages_find_their_customers(
    importer: Importer, store: Store, tmp_path: Path
) -> None:
    await importer.customers_csv(write(tmp_path, "customers.csv", CUSTOMERS))
    file = write(tmp_path, "messages.csv", MESSAGES)
    result = await importer.messages_csv(file)
    assert result.added == 2
    assert [problem.place for problem in result.problems] == [
        "messages.csv:4: channel",
        "messages.csv:5: at",
        "messages.csv:6: customer",
    ]
    assert (await importer.messages_csv(file)).known == 2
    (julia,) = await store.customers.by_identity(IdentityKind.PHONE, "+34600111222")
    entries = (await store.interactions.timeline(julia.id, limit=9)).items
    assert [(entry.body, entry.direction) for entry in entries] == [
        ("Mañana", Direction.OUT),
        ("¿Y mi pedido?", Direction.IN),
    ]


async def test_mails_come_in_both_directions(
    importer: Importer, store: Store, tmp_path: Path
) -> None:
    await importer.customers_csv(write(tmp_path, "customers.csv", CUSTOMERS))
    file = write(tmp_path, "mail.mbox", MBOX)
    ours = frozenset({"help@centralita.example"})
    result = await importer.mbox(file, ours=ours)
    assert result.added == 2
    assert [problem.place for problem in result.problems] == ["mail.mbox: mail 3: From"]
    assert (await importer.mbox(file, ours=ours)).known == 2
    (julia,) = await store.customers.by_identity(IdentityKind.EMAIL, "julia@example.org")
    sent, received = (await store.interactions.timeline(julia.id, limit=9)).items
    assert (sent.direction, sent.body) == (Direction.OUT, "Va en camino.")
    assert (received.subject, received.body) == ("¿Pedido?", "Hola & gracias")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,phone\n", "no column external_id"),
        ("external_id,colour\n", 'unknown column "colour"'),
        ("", "no column external_id"),
    ],
)
async def test_a_file_with_other_columns_is_refused(
    importer: Importer, tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason) as refused:
        await importer.customers_csv(write(tmp_path, "x.csv", text))
    assert refused.value.place == "x.csv:1"


async def test_a_file_that_cannot_be_read_is_named(importer: Importer, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="none"):
        await importer.customers_csv(tmp_path / "none.csv")
    with pytest.raises(InvalidInput, match="none"):
        await importer.mbox(tmp_path / "none.mbox")
    with pytest.raises(InvalidInput, match="neither an mbox file nor a mail"):
        await importer.mbox(write(tmp_path, "x.mbox", "hello\n"))


COLUMNS = {"external_id": (), "name": ("nombre",), "phone": ("teléfono",)}


def rows_of(folder: Path, raw: bytes) -> list[object]:
    file = folder / "x.csv"
    file.write_bytes(raw)
    return [
        (place.removeprefix("x.csv:"), one.reason if isinstance(one, InvalidInput) else one)
        for place, one in csv_rows(file, COLUMNS)
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "sep=|"])
def test_a_file_of_excel_is_understood_however_it_was_saved(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    first = f"{delimiter}\r\n" if delimiter.startswith("sep=") else ""
    sign = delimiter[-1]
    text = f"{first}External ID{sign}NOMBRE{sign}Telefono\r\n1{sign}Begoña{sign}600111222\r\n"
    line = "3" if first else "2"
    expected = {"external_id": "1", "name": "Begoña", "phone": "600111222"}
    assert rows_of(tmp_path, text.encode(encoding)) == [(line, expected)]


def test_an_open_quote_is_told_at_its_line_and_the_others_come_in(tmp_path: Path) -> None:
    raw = b'external_id,name\n1,Ana\n2,"Luis\n3,Eva\n4,"Sol"\n5,"Leo\n6,Rosa\n'
    told = rows_of(tmp_path, raw)
    assert [one for one in told if isinstance(one[1], dict)] == [  # type: ignore[index]
        (line, {"external_id": ident, "name": name})
        for line, ident, name in (
            ("2", "1", "Ana"), ("4", "3", "Eva"), ("5", "4", "Sol"), ("7", "6", "Rosa")
        )
    ]  # fmt: skip
    assert ("6", "not CSV: a quote is opened here and never closed") in told


def test_a_long_field_and_empty_cells_behind_the_last_column_are_taken(tmp_path: Path) -> None:
    told = rows_of(tmp_path, b"external_id,name\n1," + b"a" * 300_000 + b",,\n,,\n\n")
    assert told == [("2", {"external_id": "1", "name": "a" * 300_000})]


async def test_a_file_is_not_half_in_when_its_end_cannot_be_read(
    importer: Importer, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"external_id,name\n" + b"1,Ana\n" * 3000 + b"2,\x81\n")
    with pytest.raises(InvalidInput, match="is not UTF-8, UTF-16 or Windows-1252") as refused:
        await importer.customers_csv(file)
    assert refused.value.place == "x.csv:3002"
    assert await store.customers.by_external_id("1") is None


async def test_a_column_that_stands_there_twice_is_named(
    importer: Importer, tmp_path: Path
) -> None:
    file = write(tmp_path, "x.csv", "external_id,name,phone,Teléfono\n")
    with pytest.raises(InvalidInput, match='phone stands there twice: "phone" and "Teléfono"'):
        await importer.customers_csv(file)


@pytest.mark.parametrize("between", [", ", ";", " / ", "/", "\n"])
async def test_no_number_of_several_is_lost(
    importer: Importer, store: Store, tmp_path: Path, between: str
) -> None:
    text = f'external_id,name,phone\n1,Ana,"600200013{between}600200014"\n'
    assert (await importer.customers_csv(write(tmp_path, "x.csv", text))).added == 1
    ana = await store.customers.by_external_id("1")
    assert ana is not None
    assert [one.value for one in ana.identities] == ["+34600200013", "+34600200014"]


async def test_a_rehearsal_says_what_would_happen_and_writes_nothing(
    store: Store, tmp_path: Path
) -> None:
    def dry() -> Importer:
        customers, entries = (
            RehearsedCustomers(store.customers),
            RehearsedEntries(store.interactions),
        )
        return Importer(customers, entries, ManualClock(), region="ES")

    people = write(tmp_path, "customers.csv", CUSTOMERS)
    told = await dry().customers_csv(people)
    mail = write(tmp_path, "mail.mbox", MBOX)
    ours = frozenset({"help@centralita.example"})
    assert (await dry().mbox(mail, ours=ours)).added == 2
    assert (await store.customers.search(None, limit=9)).items == ()
    real = Importer(store.customers, store.interactions, ManualClock(), region="ES")
    done = await real.customers_csv(people)
    assert (told.added, list(map(str, told.problems))) == (2, list(map(str, done.problems)))
    assert (await dry().customers_csv(people)).known == 2


async def test_one_id_on_two_channels_is_two_messages(
    importer: Importer, store: Store, tmp_path: Path
) -> None:
    text = (
        "external_id,channel,at,from,body\n"
        "7,sms,2026-01-02T10:00:00,600111222,an SMS\n"
        "7,email,2026-01-02T10:00:00,a@example.org,an email\n"
    )
    file = write(tmp_path, "x.csv", text)
    assert (await importer.messages_csv(file)).added == 2
    assert (await importer.messages_csv(file)).known == 2
    found = [await store.interactions.by_external_id("7", one) for one in ("sms", "email")]
    assert [one.body if one else "" for one in found] == ["an SMS", "an email"]

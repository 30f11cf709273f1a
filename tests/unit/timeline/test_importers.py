"""What an import takes in, and what it says of the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centralita.core.clock import ManualClock
from centralita.core.errors import InvalidInput
from centralita.store.store import Store, open_store
from centralita.timeline.importers import Importer
from centralita.timeline.model import Direction, IdentityKind

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
    latin = tmp_path / "latin.csv"
    latin.write_bytes("external_id,name\nc1,Ríos\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match="not UTF-8"):
        await importer.customers_csv(latin)

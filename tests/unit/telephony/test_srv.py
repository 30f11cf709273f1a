"""Where a name without a port leads."""

from __future__ import annotations

import random

import pytest

from centralita.telephony.edge.srv import places, question, targets
from tests.support.dns import name_server

SERVICES = {
    "_sip._udp.acme.test": [
        (20, 0, 5080, "spare.acme.test"),
        (10, 10, 5070, "small.acme.test"),
        (10, 90, 5060, "large.acme.test"),
    ],
    "_sips._tcp.acme.test": [(10, 0, 5063, "tls.acme.test")],
    "_sip._tcp.acme.test": [(0, 0, 0, "")],
}


async def test_srv_records_are_followed_by_priority_and_weight() -> None:
    async with name_server({}, SERVICES) as (_, server):
        assert await places("acme.test", 0, "udp", servers=[server]) == [
            ("large.acme.test", 5060),
            ("small.acme.test", 5070),
            ("spare.acme.test", 5080),
        ]
        assert await places("acme.test", 0, "tls", servers=[server]) == [("tls.acme.test", 5063)]


@pytest.mark.parametrize(("transport", "port"), [("udp", 5060), ("tcp", 5060), ("tls", 5061)])
async def test_a_name_without_srv_is_there_at_the_usual_port(transport: str, port: int) -> None:
    async with name_server({"beta.test": "192.0.2.1"}, {}) as (_, server):
        found = await places("beta.test", 0, transport, servers=[server])
        assert found == [("beta.test", port)]


async def test_a_port_that_is_named_is_taken_and_nobody_asked() -> None:
    async with name_server({}, SERVICES) as (names, server):
        assert await places("acme.test", 5090, "udp", servers=[server]) == [("acme.test", 5090)]
        assert names.asked == []


async def test_a_server_that_is_silent_is_followed_by_the_next() -> None:
    async with (
        name_server({}, SERVICES) as (first, deaf),
        name_server({}, SERVICES) as (_, server),
    ):
        first.silent = True
        found = await places("acme.test", 0, "tls", servers=[deaf, server])
        assert found == [("tls.acme.test", 5063)]
        assert await places("acme.test", 0, "udp", servers=[deaf]) == [("acme.test", 5060)]


def test_rubbish_is_no_answer() -> None:
    chance = random.Random(3)
    good = bytearray(question(b"\0\1", "acme.test"))
    good[2] |= 0x80
    good[7] = 3
    for _ in range(3000):
        data = bytearray(good) + bytes(chance.randbytes(chance.randrange(60)))
        for _ in range(chance.randrange(8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            targets(bytes(data[: chance.randrange(len(data) + 1)]))
        except ValueError:
            continue
    loop = bytes(good[:12]) + b"\xc0\x0c"
    with pytest.raises(ValueError, match="without an end"):
        targets(loop)

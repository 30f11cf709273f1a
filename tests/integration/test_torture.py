"""The torture messages of RFC 4475, sent to a running server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.server import ServerProcess, lives
from tests.support.torture import TORTURE, Torture, Wants
from tests.support.wire import wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Answers of an element that takes a message for malformed.
_MALFORMED = {400, 414, 416, 493, 505}


# Well-formed, but Kamailio cannot parse them and drops them: a CSeq that is folded, and names of
# headers with signs that only the grammar knows.
_TOO_MUCH_FOR_KAMAILIO = {"wsinv", "intmeth", "esc02"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["udp", "tcp"])
async def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[ServerProcess, str]]:
    """A server for each transport: a message that comes again is the same transaction."""
    async with ServerProcess(tmp_path_factory.mktemp("torture")) as running:
        before = lives(running)
        yield running, request.param
        assert lives(running) == before, running.tail()


async def test_all_messages_of_the_rfc_are_here() -> None:
    assert len(TORTURE) == 49
    assert len({torture.section for torture in TORTURE}) == 49


@pytest.mark.parametrize("torture", TORTURE, ids=lambda torture: torture.name)
async def test_a_torture_message_gets_what_the_rfc_wants(
    served: tuple[ServerProcess, str], torture: Torture
) -> None:
    server, transport = served
    async with wire(server.sip, transport) as stranger, wire(server.sip, transport) as witness:
        stranger.send(torture.data)
        endless = torture.datagram_only and transport == "tcp"
        dropped = torture.name in _TOO_MUCH_FOR_KAMAILIO
        if torture.wants is Wants.ACCEPTED and not endless and not dropped:
            status = await stranger.final()
        else:
            # Nothing has to come: what there is, once others have been served.
            for _ in range(3):
                await witness.probe()
            status = await stranger.final(within=0.2)
        await witness.probe()
        stranger.leave_calls()
        print(torture.section, torture.name, transport, status)
        match torture.wants:
            case _ if endless or dropped:
                assert not 200 <= status < 300
            case Wants.ACCEPTED:
                assert status and status not in _MALFORMED
            case Wants.REFUSED:
                assert not 200 <= status < 300
            case Wants.IGNORED:
                assert not stranger.answers
            case Wants.EITHER:
                pass
        if torture.codes and status:
            assert status in torture.codes

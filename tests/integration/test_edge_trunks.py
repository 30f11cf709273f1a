"""The edge and its trunks: how they call us, and how we register and answer their challenges."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from centralita.core.tasks import Tasks
from centralita.telephony.edge.certificate import self_signed
from centralita.telephony.edge.config import EdgeRegistration, EdgeTrunk
from tests.support.edge import RunningEdge, edge_config, running_edge
from tests.support.provider import PASSWORD, USERNAME, Provider, challenge
from tests.support.sip import SDP, Message, Party, listening_party, stream_party, udp_party


@asynccontextmanager
async def trunk_edge(
    tmp_path: Path, **more: object
) -> AsyncIterator[tuple[RunningEdge, Provider, Party]]:
    """An edge that registers with a provider, and its worker."""
    async with udp_party() as worker, udp_party("127.0.0.3") as party:
        provider = Provider(party)
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(provider.trunk(**more),))
        async with running_edge(config) as edge:
            provider.meets(edge)
            yield edge, provider, worker


# ---- calls that come in ----------------------------------------------------------------------


@pytest.mark.parametrize("source", ["its own", "another"])
async def test_a_registrar_calls_our_contact_with_the_number_in_to(
    tmp_path: Path, source: str
) -> None:
    async with trunk_edge(tmp_path) as (_, provider, worker), udp_party("127.0.0.9") as gateway:
        contact = await provider.registers_us()
        caller = provider.party if source == "its own" else gateway

        async def dialled(uri: str, to: str) -> Message:
            caller.send(caller.request("INVITE", uri, to=to, body=SDP), provider.edge)
            invite = await worker.receive_request("INVITE")
            assert invite["x-centralita-trunk"] == "acme"
            worker.send(worker.answer(invite, 486, "Busy Here"), provider.edge)
            return invite

        invite = await dialled(contact, "sip:+34911234567@acme.example")
        assert invite.uri.startswith("sip:+34911234567@")
        # without a number the account is what was dialled
        invite = await dialled(contact, contact)
        assert invite.uri.startswith(f"sip:{USERNAME}@")
        if source == "its own":
            uri = re.sub(r"^sip:[^@]+", "sip:+34911234568", contact)
            invite = await dialled(uri, "sip:+34911234567@acme.example")
            assert invite.uri.startswith("sip:+34911234568@")


async def test_the_addresses_behind_a_registrars_name_can_change_while_the_edge_runs(
    tmp_path: Path,
) -> None:
    async with trunk_edge(tmp_path) as (edge, provider, worker), udp_party("127.0.0.9") as moved:

        async def calls() -> int:
            request = moved.request("INVITE", f"sip:1@127.0.0.1:{provider.edge[1]}", body=SDP)
            moved.send(request, provider.edge)
            return (await moved.receive_answer("INVITE")).status

        assert await calls() == 407
        edge.edge.write_sources({"acme": ["127.0.0.9"]})
        await edge.control.reload_sources()
        invites = Tasks("worker")

        async def busy() -> None:
            invite = await worker.receive_request("INVITE")
            assert invite["x-centralita-trunk"] == "acme"
            worker.send(worker.answer(invite, 486, "Busy Here"), provider.edge)

        invites.spawn(busy(), name="busy")
        assert await calls() == 486
        edge.edge.write_sources({"acme": ["127.0.0.3"]})
        await edge.control.reload_sources()
        assert await calls() == 407
        await invites.close()


@pytest.mark.parametrize(
    ("number_from", "number"),
    [("auto", "1"), ("uri", "1"), ("to", "2"), ("p-called-party-id", "3")],
)
async def test_the_number_is_read_where_the_trunk_writes_it(
    tmp_path: Path, number_from: str, number: str
) -> None:
    async with trunk_edge(tmp_path, number_from=number_from) as (_, provider, worker):
        party = provider.party
        text = party.request(
            "INVITE",
            f"sip:1@127.0.0.1:{provider.edge[1]}",
            to="sip:2@acme.example",
            extra='P-Called-Party-ID: "Main" <sip:3@acme.example>;x=y',
            body=SDP,
        )
        party.send(text, provider.edge)
        invite = await worker.receive_request("INVITE")
        assert invite.uri.startswith(f"sip:{number}@")


async def test_the_name_we_register_under_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async with udp_party() as worker, udp_party("127.0.0.3") as party:
        provider = Provider(party)
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(provider.trunk(),))
        contacts = []
        for _ in range(2):
            async with running_edge(config) as edge:
                provider.meets(edge)
                contacts.append(await provider.registers_us())
        assert contacts[0] == contacts[1]
        assert re.match(r"sip:acme-[0-9a-f]{24}@", contacts[0])


async def test_a_registrar_on_tcp_is_told_to_call_by_tcp(tmp_path: Path) -> None:
    async with udp_party() as worker, listening_party("127.0.0.3") as party:
        provider = Provider(party)
        trunk = provider.trunk(transport="tcp")
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with running_edge(config) as edge:
            provider.meets(edge)
            contact = await provider.registers_us()
            assert contact.endswith(f"@127.0.0.1:{edge.address[1]};transport=tcp")


# ---- challenges ------------------------------------------------------------------------------

SHA_FIRST = (challenge("SHA-256"), challenge("MD5"))


@dataclass
class Talk:
    """A dialog as the worker has it."""

    worker: Party
    edge: tuple[str, int]
    ours: str
    theirs: str
    call_id: str
    target: str
    routes: tuple[str, ...]
    number: int

    def says(self, method: str, *, number: int | None = None, more: str = "") -> int:
        """Send a request within it; its number in CSeq."""
        if number is None:
            self.number += 1
        number = self.number if number is None else number
        routes = "".join(f"Route: {route}\r\n" for route in self.routes)
        host, port = self.worker.local
        body = SDP if method in {"INVITE", "UPDATE"} else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.worker.send(
            f"{method} {self.target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{secrets.token_hex(8)}\r\n"
            f"Max-Forwards: 70\r\nFrom: {self.ours}\r\nTo: {self.theirs}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {number} {method}\r\n{routes}{more}"
            f"Contact: <sip:us@{host}:{port}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}",
            self.edge,
        )
        return number

    async def hears(self, method: str, number: int) -> Message:
        """The final answer to that request, under the number that it went out with."""
        answer = await self.worker.receive_answer(method)
        assert answer["cseq"] == f"{number} {method}"
        return answer


def count(message: Message) -> int:
    """The number in CSeq."""
    return int(message["cseq"].split()[0])


def _target(contact: str) -> str:
    found = re.search(r"<([^>]+)>", contact)
    assert found is not None
    return found[1]


async def call_out(
    provider: Provider, worker: Party, values: Sequence[str] = (challenge(),)
) -> tuple[Talk, int]:
    """A call by the worker that the provider answers, once challenged; its number there."""
    uri = "sip:+34600111222@acme.trunk.invalid"
    worker.send(worker.request("INVITE", uri, body=SDP), provider.edge)
    first = await provider.request("INVITE", answered=False)
    provider.challenges(first, values)
    second = await provider.request("INVITE", answered=True)
    assert provider.right(second)
    assert count(second) > count(first)
    provider.answers(second, body=SDP)
    ok = await worker.receive_answer("INVITE")
    assert ok.status == 200
    routes = tuple(reversed(ok.all("record-route")))
    ours, theirs, call_id = ok["from"], ok["to"], ok["call-id"]
    target = _target(ok["contact"])
    talk = Talk(worker, provider.edge, ours, theirs, call_id, target, routes, count(ok))
    assert count(ok) == worker.cseq
    talk.says("ACK", number=count(ok))
    ack = await provider.party.receive_request("ACK")
    assert count(ack) == count(second)
    return talk, count(second)


@pytest.mark.parametrize(
    "values",
    [
        SHA_FIRST,
        (challenge("MD5"), challenge("SHA-256")),
        (challenge('"SHA-512-256"'), challenge("SHA-256"), challenge('"MD5"')),
        ("Bearer realm=x", challenge("AKAv1-MD5"), challenge("MD5")),
    ],
    ids=["sha first", "md5 first", "quoted", "others"],
)
async def test_of_several_challenges_the_one_that_we_know_is_answered(
    tmp_path: Path, values: tuple[str, ...]
) -> None:
    async with trunk_edge(tmp_path) as (_, provider, worker):
        await provider.registers_us(values)
        await call_out(provider, worker, values)


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "REFER", "INFO"])
async def test_a_challenge_in_the_middle_of_a_call_is_answered(tmp_path: Path, method: str) -> None:
    async with trunk_edge(tmp_path) as (_, provider, worker):
        await provider.registers_us()
        talk, highest = await call_out(provider, worker)
        for _ in range(2):
            number = talk.says(method)
            for asked in (challenge(nonce="n2"), ""):
                request = await provider.request(method, answered=not asked)
                assert count(request) > highest
                highest = count(request)
                if asked:
                    provider.challenges(request, [asked])
            assert provider.right(request)
            provider.answers(request, body=SDP if method in {"INVITE", "UPDATE"} else "")
            assert (await talk.hears(method, number)).status == 200
            if method == "INVITE":
                talk.says("ACK", number=number)
                assert count(await provider.party.receive_request("ACK")) == highest


async def test_a_nonce_that_is_too_old_is_answered_once_more_and_a_refusal_is_not(
    tmp_path: Path,
) -> None:
    async with trunk_edge(tmp_path) as (edge, provider, worker):
        await provider.registers_us()
        talk, highest = await call_out(provider, worker)
        for final, values in (
            (200, [challenge(nonce="a"), challenge(nonce="b", more=", stale=TRUE")]),
            (407, [challenge(nonce="c"), challenge(nonce="d")]),
            (407, [challenge(nonce=letter, more=", stale=true") for letter in "efg"]),
        ):
            number = talk.says("INFO")
            for place, value in enumerate(values):
                request = await provider.request("INFO", answered=place > 0)
                assert count(request) > highest
                highest = count(request)
                provider.challenges(request, [value])
            if final == 200:
                request = await provider.request("INFO", answered=True)
                assert 'nonce="b"' in request["proxy-authorization"]
                highest = count(request)
                provider.answers(request)
            assert (await talk.hears("INFO", number)).status == final
        await edge.log_has("trunk does not take our password")


async def test_a_trunk_that_called_us_has_its_challenge_to_our_bye_answered(
    tmp_path: Path,
) -> None:
    async with trunk_edge(tmp_path) as (_, provider, worker):
        contact = await provider.registers_us()
        party = provider.party
        party.send(party.request("INVITE", contact, to="sip:100@x", body=SDP), provider.edge)
        invite = await worker.receive_request("INVITE")
        worker.send(worker.answer(invite, 200, "OK", body=SDP), provider.edge)
        ok = await party.receive_answer("INVITE")
        routes, target = tuple(invite.all("record-route")), _target(invite["contact"])
        parties = ok["to"], ok["from"], ok["call-id"]
        talk = Talk(worker, provider.edge, *parties, target, routes, 1)
        number = talk.says("BYE")
        first = await provider.request("BYE", answered=False)
        provider.challenges(first)
        second = await provider.request("BYE", answered=True)
        assert provider.right(second) and count(second) > count(first)
        provider.answers(second)
        assert (await talk.hears("BYE", number)).status == 200


async def test_a_call_outlives_an_edge_that_is_killed_also_with_challenges(tmp_path: Path) -> None:
    async with udp_party() as worker, udp_party("127.0.0.3") as party:
        provider = Provider(party)
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(provider.trunk(),))
        async with running_edge(config) as edge:
            provider.meets(edge)
            await provider.registers_us()
            talk, highest = await call_out(provider, worker)
            os.kill(int((config.folder / "kamailio.pid").read_text()), signal.SIGKILL)
            await asyncio.wait_for(edge.process.wait(), 10)
        async with running_edge(config):
            number = talk.says("BYE")
            first = await provider.request("BYE", answered=False)
            assert count(first) > highest
            provider.challenges(first)
            second = await provider.request("BYE", answered=True)
            assert count(second) > count(first)
            provider.answers(second)
            assert (await talk.hears("BYE", number)).status == 200


async def test_a_provisional_answer_is_acknowledged_by_its_own_number(tmp_path: Path) -> None:
    async with trunk_edge(tmp_path) as (_, provider, worker):
        await provider.registers_us()
        talk, _ = await call_out(provider, worker)
        number = talk.says("INVITE")
        provider.challenges(await provider.request("INVITE", answered=False))
        invite = await provider.request("INVITE", answered=True)
        talk.says("PRACK", more=f"RAck: 7 {number} INVITE\r\n")
        prack = await provider.request("PRACK", answered=False)
        assert prack["rack"] == f"7 {count(invite)} INVITE"


async def test_nobody_but_the_trunk_gets_an_answer_made_with_its_password(tmp_path: Path) -> None:
    async with trunk_edge(tmp_path) as (_, provider, worker), udp_party("127.0.0.9") as other:
        await provider.registers_us()
        talk, _ = await call_out(provider, worker)
        # A phone may show the mark of a call of the trunk in a call of its own.
        target = f"sip:x@{other.local[0]}:{other.local[1]}"
        stolen = replace(talk, call_id="another", target=target)
        number = stolen.says("BYE")
        asking = Provider(other, provider.edge)
        asking.challenges(await asking.request("BYE", answered=False))
        assert (await stolen.hears("BYE", number)).status == 407


# ---- calls out -------------------------------------------------------------------------------


async def test_the_worker_is_told_what_a_trunk_says_and_nothing_that_it_does_not(
    tmp_path: Path,
) -> None:
    async with trunk_edge(tmp_path) as (_, provider, worker):
        await provider.registers_us()

        async def heard() -> list[int]:
            """What the worker was told, up to an answer that must come in order."""
            found = []
            while (message := await asyncio.wait_for(worker.inbox.get(), 5)).status != 599:
                if message.status and message.method == "INVITE":
                    found.append(message.status)
            return found

        uri = "sip:+34600111222@acme.trunk.invalid"
        worker.send(worker.request("INVITE", uri, body=SDP), provider.edge)
        first = await provider.request("INVITE", answered=False)
        provider.challenges(first)
        second = await provider.request("INVITE", answered=True)
        provider.answers(second, 599, "Nothing before this")
        assert await heard() == []
        for status, told in ((100, 100), (503, 503)):
            worker.send(worker.request("INVITE", uri, body=SDP), provider.edge)
            first = await provider.request("INVITE", answered=False)
            provider.answers(first, status, "So Be It")
            message = await asyncio.wait_for(worker.inbox.get(), 5)
            while message.method != "INVITE" or message.status == 599:
                message = await asyncio.wait_for(worker.inbox.get(), 5)
            assert message.status == told


async def test_a_trunk_that_cannot_be_reached_at_all_is_told_at_once(tmp_path: Path) -> None:
    trunk = EdgeTrunk(name="acme", proxy=("nowhere.invalid", 5060))
    async with udp_party() as worker:
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with running_edge(config) as edge:
            uri = "sip:+34600111222@acme.trunk.invalid"
            worker.send(worker.request("INVITE", uri, body=SDP), edge.address)
            assert (await worker.receive_answer("INVITE")).status == 503


async def test_calls_and_registrations_go_to_the_outbound_proxy_and_are_for_the_provider(
    tmp_path: Path,
) -> None:
    async with udp_party() as worker, udp_party("127.0.0.3") as party:
        provider = Provider(party)
        trunk = replace(
            provider.trunk(outbound_proxy=party.local),
            proxy=("acme.example", 5060),
            registration=EdgeRegistration(
                registrar="acme.example", port=5060, username=USERNAME, password=PASSWORD
            ),
        )
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with running_edge(config) as edge:
            provider.meets(edge)
            request = await provider.request("REGISTER", answered=False)
            assert request.uri == "sip:acme.example"
            uri = "sip:+34600111222@acme.trunk.invalid"
            worker.send(worker.request("INVITE", uri, body=SDP), provider.edge)
            invite = await provider.request("INVITE", answered=False)
            assert invite.uri == "sip:+34600111222@acme.example:5060"


# ---- trunks by TLS ---------------------------------------------------------------------------


@asynccontextmanager
async def called_by_tls(
    tmp_path: Path, contact: Party, **more: object
) -> AsyncIterator[tuple[RunningEdge, Talk, Party]]:
    """A call that a trunk made by TLS: the edge, the worker's side, the trunk's connection."""
    trunk = EdgeTrunk(name="acme", addresses=("127.0.0.2",), **more)  # type: ignore[arg-type]
    async with udp_party() as worker:
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with (
            running_edge(config) as edge,
            stream_party(edge.tls_address, tls=True, host="127.0.0.2") as caller,
        ):
            host, port = contact.local
            text = caller.request("INVITE", "sip:100@centralita", body=SDP)
            line = f"Contact: <sip:x@{host}:{port};transport=tls>\r"
            caller.send(re.sub(r"(?m)^Contact: .*\r$", line, text))
            invite = await worker.receive_request("INVITE")
            worker.send(worker.answer(invite, 200, "OK", body=SDP), edge.address)
            ok = await caller.receive_answer("INVITE")
            routes, target = tuple(invite.all("record-route")), _target(invite["contact"])
            parties = ok["to"], ok["from"], ok["call-id"]
            yield edge, Talk(worker, edge.address, *parties, target, routes, 1), caller


def self_signed_listener(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A provider's certificate that no authority knows, and what it listens with."""
    certificate, key = self_signed(tmp_path / "provider", "provider.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


async def test_a_call_by_tls_is_ended_by_the_connection_that_it_came_by(tmp_path: Path) -> None:
    _, context = self_signed_listener(tmp_path)
    async with (
        listening_party("127.0.0.2", tls=context) as contact,
        called_by_tls(tmp_path, contact) as (_, talk, caller),
    ):
        number = talk.says("BYE")
        bye = await caller.receive_request("BYE")
        caller.send(caller.answer(bye, 200, "OK"))
        assert (await talk.hears("BYE", number)).status == 200
        assert contact.inbox.empty()


@pytest.mark.parametrize("trust", ["its certificate", "anybody", "nobody"])
async def test_a_call_by_tls_whose_connection_is_closed_is_ended_at_its_contact(
    tmp_path: Path, trust: str
) -> None:
    certificate, context = self_signed_listener(tmp_path)
    more: dict[str, object] = {}
    if trust == "its certificate":
        more["tls_ca"] = certificate
    elif trust == "anybody":
        more["tls_verify"] = False
    async with (
        listening_party("127.0.0.2", tls=context) as contact,
        called_by_tls(tmp_path, contact, **more) as (edge, talk, caller),
    ):
        caller.close()
        async with asyncio.timeout(10):
            while await edge.control.connections():
                await asyncio.sleep(0.05)  # another process
        number = talk.says("BYE")
        if trust == "nobody":
            await edge.log_has("certificate verify failed")
            assert contact.inbox.empty()
            return
        bye = await contact.receive_request("BYE")
        contact.send(contact.answer(bye, 200, "OK"))
        assert (await talk.hears("BYE", number)).status == 200


@pytest.mark.parametrize("trust", ["its certificate", "anybody"])
async def test_we_register_and_call_by_tls_where_the_certificate_is_the_trunks_own(
    tmp_path: Path, trust: str
) -> None:
    certificate, context = self_signed_listener(tmp_path)
    async with (
        udp_party() as worker,
        listening_party("127.0.0.3", tls=context) as party,
    ):
        provider = Provider(party)
        trunk = (
            provider.trunk(transport="tls", tls_ca=certificate)
            if trust == "its certificate"
            else provider.trunk(transport="tls", tls_verify=False)
        )
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with running_edge(config) as edge:
            provider.meets(edge)
            contact = await provider.registers_us()
            assert contact.endswith(f"@127.0.0.1:{edge.tls_address[1]};transport=tls")
            talk, _ = await call_out(provider, worker)
            # the provider has closed what there was, and is called again
            party.close()
            async with asyncio.timeout(10):
                while await edge.control.connections():
                    await asyncio.sleep(0.05)  # another process
            number = talk.says("BYE")
            provider.answers(await provider.request("BYE", answered=False))
            assert (await talk.hears("BYE", number)).status == 200


async def test_a_trunk_by_tls_does_not_make_the_edge_slow_to_start(tmp_path: Path) -> None:
    trunk = EdgeTrunk(name="acme", proxy=("127.0.0.3", 5061), transport="tls")
    async with udp_party() as worker:
        took = []
        for name, trunks in (("without", ()), ("with", (trunk,))):
            config = replace(edge_config(tmp_path / name, [worker.local]), trunks=trunks)
            began = time.monotonic()
            async with running_edge(config):
                took.append(time.monotonic() - began)
        assert took[1] < 3 * took[0] + 1

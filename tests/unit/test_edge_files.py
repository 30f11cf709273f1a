"""The files of the edge, and what is noticed about phones, without a Kamailio."""

from __future__ import annotations

import re
import stat
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from centralita.core.errors import InvalidInput
from centralita.server.config import load_config
from centralita.server.telephony import edge_config, worker_addresses, worker_settings
from centralita.telephony.edge.certificate import self_signed
from centralita.telephony.edge.config import (
    EdgeConfig,
    EdgePhone,
    EdgeRegistration,
    EdgeTrunk,
    ha1,
)
from centralita.telephony.edge.control import Registration
from centralita.telephony.edge.edge import Edge
from centralita.telephony.edge.events import (
    PageLost,
    PageRegistered,
    PhoneRegistered,
    PhoneUnregistered,
)
from centralita.telephony.edge.peers import peers_cfg
from centralita.telephony.edge.render import (
    accounts_table,
    contact_address,
    escaped,
    listen_lines,
    origins_pattern,
    phones_table,
    sources,
)
from centralita.telephony.edge.watch import changes

CONFIG = EdgeConfig(
    run_dir=Path("/run/c"), state_dir=Path("/var/c"), workers=(("127.0.0.1", 5070),)
)
INTERFACES = ["127.0.0.1", "::1", "192.0.2.2", "2001:db8::2"]


def registration(extension: str) -> Registration:
    """A phone that is there."""
    return Registration(
        extension=extension,
        contact=f"sip:{extension}@192.0.2.50",
        user_agent="desk",
        expires=timedelta(seconds=60),
        transport="udp",
    )


def test_any_address_means_each_ipv4_address_of_the_machine() -> None:
    lines = listen_lines(replace(CONFIG, transports=("udp",)), INTERFACES)
    assert lines == ["listen=udp:127.0.0.1:5060", "listen=udp:192.0.2.2:5060"]


def test_workers_are_reached_on_loopback_even_if_phones_are_not() -> None:
    config = replace(CONFIG, address="192.0.2.2", transports=("tls",))
    assert listen_lines(config, INTERFACES) == [
        "listen=tls:192.0.2.2:5061",
        "listen=udp:127.0.0.1:5060",
    ]


def test_the_public_address_is_told_to_the_outside_only() -> None:
    config = replace(CONFIG, transports=("udp",), public_address="203.0.113.9")
    assert listen_lines(config, INTERFACES) == [
        "listen=udp:127.0.0.1:5060",
        "listen=udp:192.0.2.2:5060 advertise 203.0.113.9:5060",
    ]
    assert contact_address(config, INTERFACES) == "203.0.113.9:5060"
    assert contact_address(config, INTERFACES, "tcp") == "203.0.113.9:5060;transport=tcp"
    assert contact_address(config, INTERFACES, "tls") == "203.0.113.9:5061;transport=tls"


def test_ipv6_addresses_stand_in_brackets() -> None:
    config = replace(CONFIG, address="2001:db8::2", transports=("tcp",))
    assert "listen=tcp:[2001:db8::2]:5060" in listen_lines(config, INTERFACES)


def test_passwords_stand_in_the_table_and_not_in_the_configuration() -> None:
    account = EdgeRegistration(
        registrar="sip.example.org", port=5060, username="us", password="a:b\\c$d"
    )
    trunk = EdgeTrunk(name="acme", proxy=("sip.example.org", 5060), registration=account)
    config = replace(CONFIG, trunks=(trunk,))
    peers = peers_cfg(config, {"acme": "acme-token"}, "secret")
    assert "a:b" not in peers
    assert r"acme/password:0:0:a\:b\\c$d:0" in accounts_table([trunk])
    assert "acme" not in phones_table([])
    assert "a:b" not in repr(trunk)


def test_the_addresses_behind_a_registrars_name_are_its_trunks_in_each_spelling() -> None:
    first = EdgeTrunk(name="acme", asserted=False)
    second = EdgeTrunk(name="beta")
    resolved = {"acme": ["198.51.100.7"], "beta": ["198.51.100.7", "2001:db8::a0"]}
    assert sources([first, second], resolved) == {
        "198.51.100.7": "0 acme",
        "2001:db8:0:0:0:0:0:a0": "1 beta",
        "[2001:db8:0:0:0:0:0:a0]": "1 beta",
    }


async def test_files_that_kamailio_refuses_are_not_left_below_one_that_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kamailio = tmp_path / "kamailio"
    kamailio.write_text('#!/bin/sh\n! grep -q "bad.trunk" "$(dirname "$2")/peers.cfg"\n')
    kamailio.chmod(0o700)
    here = replace(
        CONFIG, run_dir=tmp_path / "run", state_dir=tmp_path / "state", binary=str(kamailio)
    )
    good, bad = (
        replace(here, trunks=(EdgeTrunk(name=name, proxy=("192.0.2.9", 5060)),))
        for name in ("good", "bad")
    )
    await Edge(good).prepare(())
    peers = (good.folder / "peers.cfg").read_text()
    assert (await Edge(good).renew(())) == (frozenset(), False)
    assert (await Edge(bad).renew(())) == (frozenset(), False)
    assert (good.folder / "peers.cfg").read_text() == peers
    assert "edge goes on as it was" in caplog.text
    better = replace(
        good, trunks=(*good.trunks, EdgeTrunk(name="better", addresses=("192.0.2.8",)))
    )
    assert (await Edge(better).renew(())) == (frozenset(), True)
    assert "192.0.2.8" in (good.folder / "peers.cfg").read_text()


@pytest.mark.parametrize("text", ["a\nb", "a\0b", "a\tb"])
def test_a_line_break_cannot_be_smuggled_into_a_table(text: str) -> None:
    with pytest.raises(InvalidInput, match="control character"):
        escaped(text)


@pytest.mark.parametrize("extension", ["", "20 1", "201:x", "trunk/acme/password", "2" * 33])
def test_what_is_no_extension_is_refused(extension: str) -> None:
    with pytest.raises(InvalidInput, match="is not an extension"):
        EdgePhone(extension=extension, ha1="0" * 32)


@pytest.mark.parametrize("text", ['x"y', "x!y", "x\ny", ""])
def test_a_name_cannot_break_out_of_the_configuration(text: str) -> None:
    with pytest.raises(InvalidInput):
        replace(CONFIG, user_agent=text)


def test_ha1_is_the_one_of_the_standard() -> None:
    # the example of RFC 2617, section 3.5
    expected = "939e7578ed9e3c518a452acee763bce9"
    assert ha1("Mufasa", "testrealm@host.com", "Circle Of Life") == expected


def test_who_left_is_told_before_who_came() -> None:
    before = {name: registration(name) for name in ("201", "202")}
    after = {name: registration(name) for name in ("202", "203")}
    assert changes(before, after) == [
        PhoneUnregistered(extension="201"),
        PhoneRegistered(extension="203", user_agent="desk"),
    ]
    assert changes(after, after) == []


def test_the_self_signed_certificate_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "centralita")
    first = certificate.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert self_signed(tmp_path, "centralita") == (certificate, key)
    assert certificate.read_bytes() == first
    shown = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-subject"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "CN = centralita" in shown.stdout or "CN=centralita" in shown.stdout


def test_a_self_signed_certificate_that_soon_ends_or_never_does_is_made_anew(
    tmp_path: Path,
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate, _ = self_signed(tmp_path, "centralita", now)
    first = certificate.read_bytes()
    for later, same in ((timedelta(days=600), True), (timedelta(days=700), False)):
        self_signed(tmp_path, "centralita", now + later)
        assert (certificate.read_bytes() == first) is same
    # one that serves for ten years, as earlier versions made them, seen from its first day
    second = certificate.read_bytes()
    self_signed(tmp_path, "centralita", now - timedelta(days=2000))
    assert certificate.read_bytes() != second


def test_sip_conf_reaches_the_edge(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "secret").chmod(0o600)
    path = tmp_path / "sip.conf"
    path.write_text(
        "[sip]\nport = 5062\n[media]\nworkers = 2\n[limits]\nban = 1m\n"
        "[trunk:acme]\nregistrar = sip.example.org\nusername = us\npassword_file = secret\n"
        "caller_id = from\n"
    )
    config = load_config(path)
    edge = edge_config(config)
    assert worker_addresses(config) == edge.workers == (("127.0.0.1", 5070), ("127.0.0.1", 5071))
    assert (edge.port, edge.ban) == (5062, timedelta(minutes=1))
    (trunk,) = edge.trunks
    assert trunk.registration is not None
    assert trunk.registration.password == "s3cret"
    assert trunk.proxy == ("sip.example.org", 0)  # as its SRV records say
    assert not trunk.asserted


def test_workers_share_the_ports_for_audio_without_overlap(tmp_path: Path) -> None:
    path = tmp_path / "sip.conf"
    path.write_text("[media]\nworkers = 3\nrtp_ports = 20000-20100\n")
    workers = worker_settings(load_config(path))
    ranges = [range(worker.rtp_port, worker.rtp_port + worker.rtp_ports) for worker in workers]
    assert ranges == [range(20000, 20032), range(20032, 20064), range(20064, 20096)]
    assert {worker.edge for worker in workers} == {"sip:127.0.0.1:5060"}
    assert [worker.sip_port for worker in workers] == [5070, 5071, 5072]


def test_without_an_edge_the_worker_listens_on_the_public_port(tmp_path: Path) -> None:
    path = tmp_path / "sip.conf"
    path.write_text("[sip]\nedge = none\naddress = 192.0.2.2\nport = 5080\n")
    (worker,) = worker_settings(load_config(path))
    assert (worker.sip_address, worker.sip_port, worker.edge) == ("192.0.2.2", 5080, "")


def page(extension: str, connection: int) -> Registration:
    """An agent's page that is there."""
    return replace(registration(extension), page=True, transport="ws", connection=connection)


def test_pages_are_reached_with_tls_from_everywhere_and_without_on_this_machine() -> None:
    config = replace(CONFIG, transports=("udp", "tls"), ws_port=5066, wss_port=7443)
    lines = listen_lines(config, INTERFACES)
    assert [line for line in lines if line.endswith((":5066", ":7443"))] == [
        "listen=tls:127.0.0.1:7443",
        "listen=tls:192.0.2.2:7443",
        "listen=tcp:127.0.0.1:5066",
    ]


def test_pages_come_from_exactly_the_origins_that_are_named() -> None:
    pattern = f"^({origins_pattern(['http://127.0.0.1:8080', 'https://a.example.org'])})$"
    assert "\\" not in pattern
    assert re.search(pattern, "http://127.0.0.1:8080")
    assert re.search(pattern, "https://a.example.org")
    for other in ("http://127x0.0.1:8080", "https://a.example.org.evil", "http://a.example.org"):
        assert not re.search(pattern, other)
    assert not re.search(f"^({origins_pattern([])})$", "")
    with pytest.raises(InvalidInput, match="origin"):
        replace(CONFIG, origins=('https://a.example.org"|.*',))


def test_a_page_is_a_phone_of_its_extension_and_is_told_of_its_own() -> None:
    desk, first = registration("201"), page("201", 1)
    assert changes({}, {"201~page": first}) == [
        PhoneRegistered(extension="201", user_agent="desk"),
        PageRegistered(extension="201"),
    ]
    assert changes({"201": desk, "201~page": first}, {"201": desk}) == [PageLost(extension="201")]
    assert changes({"201~page": first}, {}) == [
        PageLost(extension="201"),
        PhoneUnregistered(extension="201"),
    ]


def test_a_page_that_was_away_between_two_looks_is_noticed() -> None:
    assert changes({"201~page": page("201", 1)}, {"201~page": page("201", 2)}) == [
        PageLost(extension="201"),
        PageRegistered(extension="201"),
    ]

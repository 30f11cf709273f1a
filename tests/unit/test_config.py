"""sip.conf: what it takes, what it refuses, and how it says so."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.server.config import (
    NAMED,
    SECTIONS,
    Config,
    ConfigError,
    Overrides,
    load_config,
    parse_config,
)
from centralita.server.settings import name_of
from centralita.server.telephony import edge_config
from centralita.server.values import PortRange, server_address

EXAMPLE = Path(__file__).parents[2] / "sip.conf.example"


def read(text: str, tmp_path: Path) -> Config:
    """The configuration in `text`."""
    path = tmp_path / "sip.conf"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def complaint(text: str, tmp_path: Path) -> str:
    """What is said about a wrong `text`, with the file's folder left out."""
    with pytest.raises(ConfigError) as caught:
        read(text, tmp_path)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_no_file_at_all_is_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config()
    assert config == Config(data=tmp_path / "data")
    assert config.database_url == f"sqlite+aiosqlite:///{tmp_path}/data/centralita.db"


def test_the_example_as_it_stands_changes_nothing(tmp_path: Path) -> None:
    config = parse_config(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE, tmp_path)
    assert config == Config(data=tmp_path, source=EXAMPLE)


def test_the_example_with_all_comments_opened_is_the_defaults(tmp_path: Path) -> None:
    opened = re.sub(
        r"^#(?=\[|[a-z0-9_]+ =)", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    config = parse_config(opened, EXAMPLE, tmp_path)
    defaults = Config(data=tmp_path)
    for name in set(SECTIONS) - set(NAMED):
        assert getattr(config, name) == getattr(defaults, name), name
    (trunk,) = config.trunks
    assert trunk == type(trunk)(name="acme", addresses=trunk.addresses)
    assert [number.pattern for number in config.numbers] == ["+34911234567", "9XX"]


def test_every_setting_is_in_the_example_and_the_other_way_round() -> None:
    section = ""
    shown = set()
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"#?\[([a-z]+)(:.*)?\]", line):
            section = heading[1]
        elif entry := re.match(r"#([a-z0-9_]+) =", line):
            shown.add((section, entry[1]))
    known = {
        (section, name_of(item))
        for section, kind in SECTIONS.items()
        for item in dataclasses.fields(kind)
        if item.metadata
    }
    assert shown == known


def test_values_arrive_with_their_types(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\nmore\n")
    (tmp_path / "secret").chmod(0o600)
    config = read(
        """
        [media]
        rtp_ports = 30000-30999
        codecs = opus, pcma
        rtp_timeout = 90s
        [trunk:acme]
        addresses = 192.0.2.10, 198.51.100.0/24
        registrar = sip.example.org:5080
        username = us
        password_file = secret
        [recordings]
        retention = forever
        announce = no
        [database]
        url = postgresql://centralita@localhost/calls
        password_file = secret
        """,
        tmp_path,
    )
    assert config.media.rtp_ports == PortRange(30000, 30999)
    assert config.media.codecs == ("opus/48000", "PCMA/8000")
    assert config.media.rtp_timeout == timedelta(seconds=90)
    (trunk,) = config.trunks
    assert trunk.addresses == ("192.0.2.10/32", "198.51.100.0/24")
    assert trunk.registrar == ("sip.example.org", 5080)
    assert trunk.password_file == tmp_path / "secret"
    assert config.recordings.retention is None
    assert config.recordings.announce is False
    assert config.database_url == "postgresql+asyncpg://centralita:s3cret@localhost/calls"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[sip]\n[htpp]\nport = 1",
            'sip.conf:2 [htpp]: there is no such section; did you mean "http"?',
        ),
        (
            "[http]\nprot = 80",
            'sip.conf:2 [http] prot: there is no such setting; did you mean "port"?',
        ),
        (
            "[http]\nport = eighty",
            'sip.conf:2 [http] port: "eighty" is not a port; write a number from 1 to 65535',
        ),
        (
            "[http]\nport = 0",
            'sip.conf:2 [http] port: "0" is not a port; write a number from 1 to 65535',
        ),
        (
            "[media]\n\nrtp_timeout = 30 secs",
            'sip.conf:3 [media] rtp_timeout: "30 secs" is not a duration; '
            'write a number and ms, s, m, h or d: "30s"',
        ),
        (
            "[media]\nsrtp = maybe",
            'sip.conf:2 [media] srtp: "maybe" is not known here; '
            "write one of off, optional, mandatory",
        ),
        (
            "[media]\nrtp_ports = 20001-20100",
            "sip.conf:2 [media] rtp_ports: the first port must be even, "
            "since RTP takes pairs; write 20002",
        ),
        (
            "[media]\nmax_calls = 4000",
            'sip.conf:2 [media] max_calls: "4000" is not a number from 1 to 1000; write 1-1000',
        ),
        (
            "[recordings]\nannounce = maybe",
            'sip.conf:2 [recordings] announce: "maybe" is neither yes nor no; write yes or no',
        ),
        (
            "port = 5060",
            'sip.conf:1: "port" stands before the first section; '
            "put it below a heading such as [sip]",
        ),
        ("[sip\nport = 1", 'sip.conf:1: "[sip" is not a section; write [name] or [kind:name]'),
        ("[sip]\nport: 5060", 'sip.conf:2: "port: 5060" is not a setting; write key = value'),
        (
            "[sip]\nport = 1\nport = 2",
            "sip.conf:3 [sip] port: this setting stands twice; the first is in line 2",
        ),
        ("[sip]\n[sip]", "sip.conf:2 [sip]: this section stands twice; join it with line 1"),
        ("[sip:home]", "sip.conf:1 [sip:home]: takes no name; write [sip]"),
        (
            "[trunk:acme]\naddresses = 192.0.2.1/24",
            'sip.conf:2 [trunk:acme] addresses: "192.0.2.1/24" is not an IP address or network '
            "(192.0.2.1/24 has host bits set); "
            "write 192.0.2.10 or 192.0.2.0/24, separated by commas",
        ),
        (
            "[trunk:acme]\nproxy = sip.example.org",
            "sip.conf:1 [trunk:acme] addresses: a trunk needs addresses by which its calls are "
            "known, or a registrar",
        ),
        (
            "[trunk:acme]\naddresses = 192.0.2.1\noutbound_proxy = sbc.example.org",
            "sip.conf:3 [trunk:acme] outbound_proxy: it is on the way to a proxy or registrar; "
            "name one",
        ),
        (
            "[trunk:acme]\naddresses = 192.0.2.1\ncalls_to = 3??",
            'sip.conf:3 [trunk:acme] calls_to: "3??" is neither the beginning of a number nor a '
            "short one; write +34 or 3XX",
        ),
        (
            "[trunk:acme]\naddresses = 192.0.2.1\nnumber = mine",
            'sip.conf:3 [trunk:acme] number: "mine" is not a number; write +34911234567',
        ),
        (
            "[trunk:acme]\naddresses = 192.0.2.1\nfrom_user = us@here",
            'sip.conf:3 [trunk:acme] from_user: "us@here" is not a user name for SIP; '
            "write what stands before the @",
        ),
        (
            "[trunk:acme]\nregistrar = sip.example.org\nusername = us",
            "sip.conf:2 [trunk:acme] registrar: registering needs username and password_file",
        ),
        (
            "[trunk:Ácme]\naddresses = 192.0.2.1",
            'sip.conf:1 [trunk:Ácme]: "Ácme" is not a name for it; '
            "write [trunk:NAME] with small letters, digits, - and _",
        ),
        ("[number:100]", "sip.conf:1 [number:100] flow: say which flow answers: flow = main"),
        (
            "[media]\nsrtp_keys = tls\n[sip]\nedge = none",
            "sip.conf:4 [sip] edge: edge = none: keys would go in the clear; "
            "[media] srtp_keys = tls",
        ),
        (
            "[media]\nsrtp_keys = tls\nsrtp = mandatory\n[sip]\ntransports = udp, tls",
            "sip.conf:5 [sip] transports: transports = udp, tls: keys would go in the clear; "
            "[media] srtp_keys = tls",
        ),
        (
            "[media]\nworkers = 2\n[sip]\nedge = none",
            "sip.conf:2 [media] workers: several workers need [sip] edge = kamailio before them",
        ),
        (
            "[database]\nurl = mysql://root:hunter2@db/x",
            "sip.conf:2 [database] url: it must start with sqlite:// or postgresql://",
        ),
        (
            "[sip]\ntls_key = key.pem",
            "sip.conf:1 [sip] tls_certificate: certificate and key belong together; "
            "name both files or none",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_place_reason_and_cure(
    text: str, said: str, tmp_path: Path
) -> None:
    assert complaint(text, tmp_path).splitlines()[0] == said


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    lines = complaint("[http]\nport = x\nhost = a b\n[nope]\n", tmp_path).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "sip.conf:2 [http] port",
        "sip.conf:3 [http] host",
        "sip.conf:4 [nope]",
    ]


def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o644)
    said = complaint("[database]\npassword_file = secret", tmp_path)
    assert said == (
        "sip.conf:2 [database] password_file: other users can read it; chmod 600 secret"
    )


def test_a_database_password_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sip.conf"
    file.write_text("[database]\nurl = postgresql://us:secret@db/centralita\n", encoding="utf-8")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match=r"sip.conf:2 \[database\] url: a password stands in it"):
        load_config(file)
    file.chmod(0o600)
    assert "secret" in load_config(file).database_url


def test_a_file_that_is_named_but_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.conf: cannot be read"):
        load_config(tmp_path / "nowhere.conf")


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sip.conf"
    path.write_text("[sip]\nport = 5062\n[http]\nport = 81\nhost = 192.0.2.1\n")
    overrides = Overrides(data=tmp_path / "d", sip_port=6060, http_port=90, http_host="127.0.0.1")
    config = load_config(path, overrides)
    assert (config.sip.port, config.http.port, config.http.host) == (6060, 90, "127.0.0.1")
    assert config.data == tmp_path / "d"
    # A second server on one machine must not meet the first one on any port.
    assert (config.sip.tls_port, config.sip.worker_port) == (6061, 6070)


@pytest.mark.parametrize(
    ("dialled", "flow"),
    [
        ("100", "menu"),
        ("101", "three"),
        ("+34911234567", "sales"),
        ("+34911234999", "block"),
        ("5", "rest"),
    ],
)
def test_the_most_specific_pattern_answers(dialled: str, flow: str, tmp_path: Path) -> None:
    config = read(
        "[number:*]\nflow = rest\n[number:1XX]\nflow = three\n[number:100]\nflow = menu\n"
        "[number:+34911234567]\nflow = sales\n[number:+34911234XXX]\nflow = block\n",
        tmp_path,
    )
    number = config.number_for(dialled)
    assert number is not None
    assert number.flow == flow


def test_a_number_without_a_pattern_is_nobodys(tmp_path: Path) -> None:
    assert read("[number:1XX]\nflow = three\n", tmp_path).number_for("2000") is None


def test_workers_follow_the_cores_unless_somebody_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def workers(cores: int, text: str) -> int:
        monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
        return read(text, tmp_path).worker_count

    counts = [workers(cores, "[media]\nworkers = auto\n") for cores in (1, 2, 4, 8, 64)]
    assert counts == [1, 1, 2, 4, 8]
    assert workers(2, "[media]\nworkers = 12\n") == 12
    assert workers(8, "[sip]\nedge = none\n") == 1
    assert complaint("[media]\nworkers = many\n", tmp_path) == (
        'sip.conf:2 [media] workers: "many" is not a number from 1 to 64; write 1-64, or auto'
    )


@pytest.mark.parametrize(("transport", "port"), [("udp", 5060), ("tcp", 5060), ("tls", 5061)])
def test_a_trunk_without_a_port_has_the_usual_one_of_its_transport_or_that_of_dns(
    tmp_path: Path, transport: str, port: int
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    account = f"registrar = sip.example.org\nusername = us\npassword_file = {secret}\n"
    texts = (
        f"[trunk:a]\n{account}transport = {transport}\n"
        f"[trunk:b]\naddresses = 192.0.2.1\nproxy = 192.0.2.1\ntransport = {transport}\n"
        f"[trunk:c]\naddresses = 192.0.2.1\nproxy = 192.0.2.1:5070\ntransport = {transport}\n"
    )
    first, second, third = edge_config(parse_config(texts, tmp_path / "sip.conf", tmp_path)).trunks
    assert first.registration is not None
    # a name may have SRV records
    assert first.registration.port == 0
    assert first.proxy == ("sip.example.org", 0)
    assert second.proxy == ("192.0.2.1", port)
    assert third.proxy == ("192.0.2.1", 5070)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("[2001:db8::1]:5070", ("2001:db8::1", 5070)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("pbx.example.org:5070", ("pbx.example.org", 5070)),
    ],
)
def test_an_ipv6_address_stands_in_brackets_before_its_port(
    written: str, meant: tuple[str, int | None]
) -> None:
    assert server_address(written) == meant


@pytest.mark.parametrize(
    "written", ["[::1]:", "[::1]x", "[pbx.example.org]:5060", "[]:5060", "[::1"]
)
def test_what_is_no_address_in_brackets_is_refused(written: str) -> None:
    with pytest.raises(ValueError):
        server_address(written)

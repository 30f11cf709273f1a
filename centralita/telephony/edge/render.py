"""The files that Kamailio reads, as text. Pure: `edge.py` writes them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from centralita.core.errors import InvalidInput
from centralita.telephony.edge.config import EdgeConfig, EdgePhone, EdgeTrunk

# In bytes: what a worker can read (PJSIP_MAX_PKT_LEN of its build), less room for our own headers.
LONGEST_MESSAGE = 18_000
# The authorities of this machine, each in a file that is found by its hash when it is asked for.
# The bundle of all of them is read by each process for itself: half a minute of starting.
AUTHORITIES = Path("/etc/ssl/certs/")
# What TLS 1.2 may use: forward secrecy and authenticated encryption. TLS 1.3 has nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
# Flags of a destination in the dispatcher's list.
_TAKES_CALLS, _DISABLED = 0, 4
# Loopback, private, link-local and carrier-grade NAT (RFC 1918, 3927, 4193, 4291, 6598), as an
# address of either kind is written in a SIP URI. Without backslashes, which the file would read.
PRIVATE = (
    "^(127|10|192[.]168|172[.](1[6-9]|2[0-9]|3[01])|169[.]254"
    "|100[.](6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))[.]"
    "|^[^0-9a-z]?(::1|f[cd][0-9a-f][0-9a-f]:|fe[89ab][0-9a-f]:)"
)
SECRETS_HEADER = (
    "id(int,auto) key_name(string) key_type(int) value_type(int) key_value(string) expires(int)"
)


def settings_cfg(config: EdgeConfig, interfaces: Sequence[str], nobodys: str) -> str:
    """settings.cfg: names that kamailio.cfg uses, and where to listen.

    `interfaces` are this machine's addresses: Kamailio must know each one it answers from.
    `nobodys` is an HA1 that stands for users whom there are not, new at each start.
    """
    names = {
        "EDGE_DIR": str(config.folder),
        "EDGE_REGISTRATIONS": str(config.registrations),
        "EDGE_DOMAIN": config.domain,
        "EDGE_USER_AGENT": config.user_agent,
        "EDGE_FLOOD_REQUESTS": str(config.flood_requests),
        "EDGE_FLOOD_INTERVAL": str(max(1, round(config.flood_interval.total_seconds()))),
        "EDGE_FLOOD_MEMORY": str(max(10, round(3 * config.flood_interval.total_seconds()))),
        "EDGE_BAN": str(max(1, round(config.ban.total_seconds()))),
        "EDGE_LONGEST_MESSAGE": str(LONGEST_MESSAGE),
        "EDGE_UNPROVEN": str(max(1, round(config.unproven.total_seconds()))),
        # The longer name first: each is replaced wherever it stands.
        "EDGE_GUESSES_OF_ADDRESS": str(config.guesses_of_address),
        "EDGE_GUESSES": str(config.guesses),
        "EDGE_NONCE": str(max(1, round(config.nonce.total_seconds()))),
        "EDGE_NO_PASSWORD": nobodys,
        "EDGE_CONTACT": contact_address(config, interfaces),
        # Longer than a nonce is good, by whatever seconds are rounded to.
        "EDGE_ANSWERS": str(max(1, round(config.nonce.total_seconds())) + 5),
        "EDGE_PAGE_SECRET": str(round(config.page_secret.total_seconds())),
        "EDGE_WS_PORT": str(config.ws_port),
        "EDGE_WSS_PORT": str(config.wss_port),
        "EDGE_PRIVATE": PRIVATE,
        "EDGE_ORIGINS": origins_pattern(config.origins),
    }
    lines = [f'#!substdef "!{name}!{value}!g"' for name, value in names.items()]
    if "tls" in config.transports:
        lines.append("#!define WITH_TLS")
    if config.guarded_keys:
        lines.append("#!define GUARDED_KEYS")
    if config.takes_pages:
        lines.append("#!define WITH_PAGES")
    if config.rtpengine is not None:
        host, port = config.rtpengine
        scheme = "udp6" if ":" in host else "udp"
        lines.append(f'#!substdef "!EDGE_RTPENGINE!{scheme}:{bracketed(host)}:{port}!g"')
        lines.append("#!define WITH_RTPENGINE")
        if config.rtpengine_for_all:
            lines.append("#!define RTPENGINE_FOR_ALL")
    if any(trunk.registration for trunk in config.trunks):
        lines.append("#!define WITH_TRUNK_REGISTRATION")
    lines.append(f"children={config.processes}")
    lines.append(f"tcp_children={config.processes}")
    if config.modules:
        lines.append(f'mpath="{config.modules}"')
    lines.extend(listen_lines(config, interfaces))
    return "\n".join(lines) + "\n"


def listen_lines(config: EdgeConfig, interfaces: Sequence[str]) -> list[str]:
    """One `listen=` for each transport and address; loopback always has UDP, for the workers."""
    addresses = listen_addresses(config.address, interfaces)
    lines = []
    for address in addresses:
        loopback = ipaddress.ip_address(address).is_loopback
        for transport in config.transports:
            port = config.tls_port if transport == "tls" else config.port
            advertised = ""
            if config.public_address and not loopback:
                advertised = f" advertise {bracketed(config.public_address)}:{port}"
            lines.append(f"listen={transport}:{bracketed(address)}:{port}{advertised}")
        if config.wss_port and "tls" in config.transports:
            lines.append(f"listen=tls:{bracketed(address)}:{config.wss_port}")
    if config.ws_port:
        lines.append(f"listen=tcp:127.0.0.1:{config.ws_port}")
    if "udp" not in config.transports or "127.0.0.1" not in addresses:
        lines.append(f"listen=udp:127.0.0.1:{config.port}")
    return lines


def origins_pattern(origins: Iterable[str]) -> str:
    """A regular expression for exactly these origins, without backslashes: the file reads those."""
    return "|".join(re.sub(r"[.\[\]]", r"[\g<0>]", origin) for origin in origins) or "none"


def listen_addresses(address: str, interfaces: Sequence[str]) -> list[str]:
    """The addresses behind 0.0.0.0 or ::, or the one that was named."""
    match address:
        case "0.0.0.0":
            return [item for item in interfaces if ":" not in item]
        case "::":
            return list(interfaces)
        case _:
            return [address]


def contact_address(config: EdgeConfig, interfaces: Sequence[str], transport: str = "udp") -> str:
    """Where registrars find us: the public address, or the first that is not loopback."""
    addresses = listen_addresses(config.address, interfaces)
    outward = [item for item in addresses if not ipaddress.ip_address(item).is_loopback]
    host = config.public_address or (outward or addresses or ["127.0.0.1"])[0]
    port = config.tls_port if transport == "tls" else config.port
    # RFC 3261 19.1.1: what is not said is UDP.
    return f"{bracketed(host)}:{port}" + ("" if transport == "udp" else f";transport={transport}")


def bracketed(host: str) -> str:
    """A host as it stands before a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def place(host: str, port: int) -> str:
    """A host and port as they stand in a URI; without a port DNS is asked for it."""
    return f"{bracketed(host)}:{port}" if port else bracketed(host)


def workers_list(config: EdgeConfig) -> str:
    """The dispatcher's list: set 1 is the media workers; those that retire get no new calls."""
    uris = {worker_uri(address): _TAKES_CALLS for address in config.workers}
    uris |= {worker_uri(address): _DISABLED for address in config.retiring}
    return "".join(f"1 {uri} {flags} 0\n" for uri, flags in uris.items())


def worker_uri(address: tuple[str, int]) -> str:
    """A media worker as the dispatcher knows it."""
    host, port = address
    return f"sip:{bracketed(host)}:{port}"


def tls_cfg(certificate: Path, key: Path, trunks: Iterable[EdgeTrunk]) -> str:
    """tls.cfg: the certificate for phones, and whose certificate we believe when we connect."""
    sections = [
        "[server:default]\n"
        "method = TLSv1.2+\n"
        f"cipher_list = {CIPHERS}\n"
        "verify_certificate = no\n"
        "require_certificate = no\n"
        f"certificate = {certificate}\n"
        f"private_key = {key}\n",
        _client_section("default", f"ca_path = {AUTHORITIES}/\n", verify=True),
    ]
    for number, trunk in enumerate(trunks, start=1):
        if trunk.own_tls:
            # An address that there is not: peers.cfg names the section.
            authority = f"ca_list = {trunk.tls_ca}\n" if trunk.tls_ca is not None else ""
            lines = f"server_id = {trunk.name}\n{authority}"
            sections.append(_client_section(f"0.0.0.1:{number}", lines, verify=trunk.tls_verify))
    return "\n".join(sections)


def _client_section(name: str, lines: str, *, verify: bool) -> str:
    word = "yes" if verify else "no"
    return (
        f"[client:{name}]\n"
        "method = TLSv1.2+\n"
        f"cipher_list = {CIPHERS}\n"
        f"verify_certificate = {word}\n"
        f"require_certificate = {word}\n"
        f"{lines}"
    )


def phones_table(phones: Iterable[EdgePhone]) -> str:
    """The table of phones: HA1 by extension."""
    return _secrets_table((phone.extension, phone.ha1) for phone in phones)


def accounts_table(trunks: Iterable[EdgeTrunk]) -> str:
    """The table of our accounts at trunks.

    Not in the table of phones: whoever signs in names the entry that he is compared with.
    """
    pairs = []
    for trunk in trunks:
        if trunk.registration is not None:
            pairs.append((f"{trunk.name}/username", trunk.registration.username))
            pairs.append((f"{trunk.name}/password", trunk.registration.password))
    return _secrets_table(pairs)


def sources(trunks: Iterable[EdgeTrunk], resolved: dict[str, list[str]]) -> dict[str, str]:
    """Whose calls come from which of the addresses behind registrars' names, as peers.cfg reads it:
    whether the trunk's P-Asserted-Identity is believed, and its name. The first trunk counts."""
    found: dict[str, str] = {}
    for trunk in trunks:
        for address in resolved.get(trunk.name, []):
            for spelling in _spellings(address):
                found.setdefault(spelling, f"{int(trunk.asserted)} {trunk.name}")
    return found


def sources_table(found: dict[str, str]) -> str:
    """`sources` as the file that is read at the start."""
    return _secrets_table(found.items())


def sources_in(table: str) -> dict[str, list[str]]:
    """The addresses of each trunk in a table as `sources_table` makes it."""
    found: dict[str, list[str]] = {}
    for row in table.splitlines()[1:]:
        fields = re.split(r"(?<!\\):", row)
        address = fields[1].replace("\\", "")
        if not address.startswith("["):
            found.setdefault(fields[4].partition(" ")[2], []).append(address)
    return found


def _spellings(address: str) -> list[str]:
    """Kamailio writes IPv6 out in full, without leading zeros; with brackets in some places."""
    known = ipaddress.ip_address(address)
    if known.version == 4:
        return [str(known)]
    full = ":".join(f"{int(part, 16):x}" for part in known.exploded.split(":"))
    return [full, f"[{full}]"]


def _secrets_table(pairs: Iterable[tuple[str, str]]) -> str:
    rows = [
        ":".join((str(number), escaped(key), "0", "0", escaped(value), "0"))
        for number, (key, value) in enumerate(pairs, start=1)
    ]
    return "\n".join([SECRETS_HEADER, *rows]) + "\n"


def phones_in(table: str) -> dict[str, str]:
    """The extensions of a table as `phones_table` makes it, with their HA1."""
    found = {}
    for row in table.splitlines()[1:]:
        # A trunk's user name may have any signs; neither an extension nor an HA1 has a colon.
        fields = row.split(":")
        if len(fields) == 6 and "/" not in fields[1]:
            found[fields[1]] = fields[4]
    return found


def registrations_table(
    header: str, config: EdgeConfig, tokens: dict[str, str], interfaces: Sequence[str]
) -> str:
    """The table of trunks that want us to register, in the columns of the installed version."""
    columns = [column.split("(")[0] for column in header.split()]
    # An empty field is read as no value at all.
    header = header.replace("(string)", "(string,null)")
    rows = []
    for number, trunk in enumerate(config.trunks, start=1):
        account = trunk.registration
        if account is None:
            continue
        host, port = trunk.outbound_proxy or (account.registrar, account.port)
        row = {
            "id": str(number),
            "l_uuid": tokens[trunk.name],
            "l_username": tokens[trunk.name],
            "l_domain": config.domain,
            "r_username": account.username,
            "r_domain": account.registrar,
            "realm": "",
            "auth_username": account.username,
            "auth_password": account.password,
            "auth_ha1": "",
            "auth_proxy": f"sip:{place(host, port)};transport={trunk.transport}",
            "expires": str(round(account.expires.total_seconds())),
            "flags": "0",
            "reg_delay": "0",
            "contact_addr": contact_address(config, interfaces, trunk.transport),
            "socket": "",
        }
        missing = set(row) - set(columns)
        if missing:
            raise InvalidInput(
                f"the installed Kamailio is too old: its uacreg table lacks {sorted(missing)}"
            )
        rows.append(":".join(escaped(row.get(column, "")) for column in columns))
    return "\n".join([header, *rows]) + "\n"


def escaped(text: str) -> str:
    """A field of a text table."""
    if any(sign in text for sign in "\r\n\t\0"):
        raise InvalidInput("a name or password has a line break or another control character")
    return text.replace("\\", "\\\\").replace(":", "\\:")

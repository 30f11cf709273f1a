"""peers.cfg: the routes of Kamailio that know who is who. Pure: `edge.py` writes them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from centralita.telephony.edge.config import EdgeConfig, EdgeTrunk
from centralita.telephony.edge.render import bracketed, place


def peers_cfg(config: EdgeConfig, tokens: dict[str, str], secret: str) -> str:
    """The file.

    `tokens` are the secret names under which we registered with trunks, by trunk. By `secret`
    dialogs of trunks are marked.
    """
    who = [
        "route[WHO] {",
        "    $var(worker) = 0;",
        '    $var(trunk) = "";',
        "    $var(asserted) = 0;",
        "    $var(exempt) = 0;",
        # The dispatcher's list, which is read anew when a worker is added. 2: by any transport;
        # theirs is UDP.
        '    if (proto == UDP && ds_is_from_list("1", "2")) {',
        "        $var(worker) = 1;",
        "        return;",
        "    }",
    ]
    if config.exempt:
        conditions = " || ".join(f"src_ip == {_network(source)}" for source in config.exempt)
        who += [f"    if ({conditions}) {{", "        $var(exempt) = 1;", "    }"]
    # A page comes from where its reverse proxy stands, which may be a trunk's address.
    who += ['    if ($proto =~ "^wss?$") {', "        return;", "    }"]
    for trunk in config.trunks:
        who += _trunk_block(trunk, [f"src_ip == {_network(item)}" for item in trunk.addresses])
        if trunk.name in tokens:
            who += _trunk_block(trunk, [f'$rU == "{tokens[trunk.name]}"'])
    # The addresses behind registrars' names, which may become others at any time.
    who += [
        "    if ($sht(sources=>$si) != $null) {",
        "        $var(asserted) = $(sht(sources=>$si){s.select,0, }{s.int});",
        "        $var(trunk) = $(sht(sources=>$si){s.select,1, });",
        "    }",
    ]
    who += ["    return;", "}", ""]

    to_worker = [
        "route[IS_TO_WORKER] {",
        "    $var(to_worker) = 0;",
        '    $var(next) = $rd + ":" + $rp;',
        "    if ($du != $null) {",
        '        $var(next) = $dd + ":" + $dp;',
        "    }",
        # Addresses only: a name would be looked up, and the one who sent it chooses how long.
        r'    if ($var(next) =~ "^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]+$") {',
        '        $var(next) = "sip:" + $var(next);',
        '        if (ds_is_from_list("1", "2", "$var(next)")) {',
        "            $var(to_worker) = 1;",
        "        }",
        "    }",
        "    return;",
        "}",
        "",
    ]

    numbers = ["route[TRUNK_NUMBER] {"]
    for trunk in config.trunks:
        numbers += _number_block(trunk, tokens.get(trunk.name, ""))
    numbers += ["    return;", "}", ""]

    # Whose certificates we believe is a matter of the trunk: `line` names a section of tls.cfg.
    lines = ["route[TRUNK_LINE] {", '    $var(line) = "";']
    registering = ["route[REGISTERING_LINE] {", '    $var(line) = "none";']
    for trunk in config.trunks:
        if trunk.own_tls:
            known = f'$var(trunk) == "{trunk.name}"'
            lines += [f"    if ({known}) {{", f'        $var(line) = "{trunk.name}";', "    }"]
            if trunk.name in tokens:
                known = f'$hdr(Contact) =~ "{tokens[trunk.name]}@"'
                registering += [f"    if ({known}) {{", *lines[-2:-1], "    }"]
    lines += ["    return;", "}", ""]
    registering += ["    return;", "}", ""]

    proxies = ["route[TRUNK_PROXY] {", '    $var(mark) = "";', '    $var(line) = "";']
    for trunk in config.trunks:
        proxies += _proxy_block(trunk, secret)
    proxies += ["    return;", "}", ""]

    # Which trunk's password a dialog may ask for stands in our Record-Route, for whoever is started
    # anew. Who sends it back is not always the trunk: the mark is of this call only.
    marks = ["route[TRUNK_MARK] {", '    $var(mark) = "";']
    dialogs = [
        "route[TRUNK_OF_DIALOG] {",
        '    $var(mark) = "";',
        "    $var(shown) = $(route_uri{uri.param,trunk});",
    ]
    for trunk in config.trunks:
        if trunk.registration is not None:
            mark = _mark_lines(trunk, secret)
            marks += [f'    if ($var(trunk) == "{trunk.name}") {{', *mark, "    }"]
            dialogs += [
                f'    if ($var(shown) =~ "^{trunk.name}[.]") {{',
                *mark,
                "        if ($var(shown) != $var(mark)) {",
                '            $var(mark) = "";',
                "            return;",
                "        }",
                *_account_lines(trunk),
                "        return;",
                "    }",
            ]
    marks += ["    return;", "}", ""]
    dialogs += ["    return;", "}", ""]
    return "\n".join([*who, *to_worker, *numbers, *lines, *registering, *proxies, *marks, *dialogs])


def _trunk_block(trunk: EdgeTrunk, conditions: Iterable[str]) -> list[str]:
    condition = " || ".join(conditions)
    if not condition:
        return []
    return [
        f"    if ({condition}) {{",
        f'        $var(trunk) = "{trunk.name}";',
        f"        $var(asserted) = {int(trunk.asserted)};",
        "        return;",
        "    }",
    ]


def _number_block(trunk: EdgeTrunk, token: str) -> list[str]:
    """The dialled number goes into the request URI, wherever the trunk writes it."""
    lines = []
    if trunk.number_from == "to":
        lines += ["        $rU = $tU;"]
    elif trunk.number_from == "p-called-party-id":
        lines += [
            '        if (is_present_hf("P-Called-Party-ID")) {',
            "            $rU = $(hdr(P-Called-Party-ID){tobody.user});",
            "        }",
        ]
    # A registrar calls us by the name under which we registered, and says the number in To; or it
    # has none but that of the account.
    if token and trunk.number_from != "uri":
        lines += [f'        if ($rU == "{token}") {{', "            $rU = $tU;", "        }"]
    if token:
        lines += [
            f'        if ($rU == "{token}" || $rU == $null || $rU == "") {{',
            f"            $rU = $sht(accounts=>{trunk.name}/username);",
            "        }",
        ]
    if not lines:
        return []
    return [f'    if ($var(trunk) == "{trunk.name}") {{', *lines, "        return;", "    }"]


def _proxy_block(trunk: EdgeTrunk, secret: str) -> list[str]:
    if trunk.proxy is None:
        return []
    host, port = trunk.proxy
    following = place(*(trunk.outbound_proxy or trunk.proxy))
    lines = [
        f'    if ($rd == "{trunk.name}.trunk.invalid") {{',
        f'        $rd = "{bracketed(host)}";',
        f'        $du = "sip:{following};transport={trunk.transport}";',
    ]
    if port:
        lines.append(f'        $rp = "{port}";')
    if trunk.own_tls:
        lines.append(f'        $var(line) = "{trunk.name}";')
    if trunk.registration is not None:
        lines += [*_account_lines(trunk), *_mark_lines(trunk, secret)]
    return [*lines, "        return;", "    }"]


def _account_lines(trunk: EdgeTrunk) -> list[str]:
    return [
        '        $avp(trunk_realm) = "";',
        f"        $avp(trunk_user) = $sht(accounts=>{trunk.name}/username);",
        f"        $avp(trunk_password) = $sht(accounts=>{trunk.name}/password);",
    ]


def _mark_lines(trunk: EdgeTrunk, secret: str) -> list[str]:
    return [
        f'        $var(text) = "{trunk.name} {secret} " + $ci;',
        f'        $var(mark) = "{trunk.name}." + $(var(text){{s.md5}});',
    ]


def _network(text: str) -> str:
    network = ipaddress.ip_network(text)
    if network.version == 6:
        return f"[{network.network_address}]/{network.prefixlen}"
    return str(network) if network.prefixlen < 32 else str(network.network_address)

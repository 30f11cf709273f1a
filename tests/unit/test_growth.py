"""No parser of ours takes longer than in proportion to what comes from outside.

Another parser is one more line in PARSERS: a name, what reads a text, and where it is read in
pieces that it never sees alone, more texts by size.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec
import pytest

from centralita.api.auth import within
from centralita.api.bodies import decode
from centralita.api.endpoints import ENDPOINTS
from centralita.api.http import cursor
from centralita.api.live_messages import LiveSignIn
from centralita.api.page_phone import websocket_url
from centralita.api.ports import LOOPBACK, ApiSettings
from centralita.api.sign_in_guard import network_of
from centralita.asr.vosk.grammar import normalise as in_grammar
from centralita.audit.entry import Action, Actor, Draft, Tip, chained
from centralita.channels.email import MailServer, deliverable, mail_of
from centralita.channels.mailbox import Mailbox
from centralita.channels.protocol import Letter
from centralita.channels.sms import parts
from centralita.core.errors import InvalidInput
from centralita.core.ids import MessageId, TemplateId
from centralita.ivr.flow import references
from centralita.ivr.loader import load
from centralita.ivr.nodes.words import normalise as as_spoken
from centralita.ivr.nodes.words import spoken_digits
from centralita.outbound.numbers import read_number
from centralita.server.live_transcript.secret import masked
from centralita.server.log import JsonFormatter, TextFormatter
from centralita.telephony.worker.addresses import media_peer, rewrite
from centralita.telephony.worker.page_sdp import wide_first, with_public_candidate
from centralita.telephony.worker.refer import wanted
from centralita.telephony.worker.sip_message import (
    addresses_of,
    invite_facts,
    parse_address,
    user_of_uri,
)
from centralita.telephony.worker.sip_uri import name_addr, sip_uri
from centralita.telephony.worker.targets import targets_of
from centralita.telephony.worker.wire_text import wire_message
from centralita.timeline.csv_files import csv_rows, several
from centralita.timeline.html_text import text_of_html
from centralita.timeline.identity import caller_identity, is_withheld, normal_identity
from centralita.timeline.importers import CUSTOMER_COLUMNS
from centralita.timeline.mail_files import mails, read_mail
from centralita.timeline.model import Channel
from centralita.timeline.templates import Template, TemplateText, check, fill
from centralita.timeline.words import folded, index_of, snippet, terms_of
from tests.support.growth import Maker, Parser, grows, nasty

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SETTINGS = ApiSettings(region="ES", version="1", recordings_dir=Path(), ws_port=5066)


@dataclass(frozen=True, slots=True)
class Subject:
    """A parser, and texts of its own by size."""

    name: str
    parse: Parser
    more: Sequence[Maker] = ()


def _bodies(raw: str) -> None:
    for endpoint in ENDPOINTS:
        if endpoint.body is not None:
            with contextlib.suppress(InvalidInput):
                decode(raw.encode("utf-8", "surrogatepass"), endpoint.body)


def _flow_document(name: str) -> dict[str, object]:
    return {
        "flow": "main",
        "start": name,
        name: 1,
        "variables": {name: name},
        "nodes": {
            name: {"type": name},
            "play": {"type": "play", "prompt": name, "next": name},
            "hours": {"type": "hours", "week": {"mon": [name]}, "open": name, "closed": name},
            "menu": {"type": "menu", "prompt": name, "choices": [{"say": [name], "next": name}],
                     "turn": {"first_word": name}},
            "set": {"type": "set", "values": {name: name}, "next": name},
            "transfer": {"type": "transfer", "to": name},
        },
    }  # fmt: skip


def _many_nodes(kind: str) -> Maker:
    """A flow of many nodes, as JSON."""

    def made(size: int) -> str:
        count = size // 60
        targets = {
            "wrong": lambda number: f"m{number}",
            "ring": lambda number: f"n{(number + 1) % count}",
            "chain": lambda number: f"n{number + 1}",
            "itself": lambda number: f"n{number}",
            "back": lambda number: f"n{max(0, number - 1)}",
        }
        nodes: dict[str, object] = {
            f"n{number}": {"type": "play", "prompt": "x", "next": targets[kind](number)}
            for number in range(count)
        }
        nodes[f"n{count}"] = {"type": "hangup"}
        return json.dumps({"flow": "main", "start": "n0", "nodes": nodes})

    return made


def _one_menu(size: int) -> str:
    choices = [
        {"say": [f"uno {number}"], "key": "1", "next": "bye"} for number in range(size // 60)
    ]
    menu = {"type": "menu", "prompt": "x", "choices": choices}
    nodes = {"menu": menu, "bye": {"type": "hangup"}}
    return json.dumps({"flow": "main", "start": "menu", "nodes": nodes})


def _template(text: str) -> None:
    texts = (TemplateText(language="es", subject=text, body=text),)
    check(Template(id=TemplateId("t"), channel=Channel.EMAIL, name="t", texts=texts))


def _letter(text: str) -> None:
    sender = Mailbox(name="Casa", address="casa@example.org")
    server = MailServer(host="x", port=25, security="none", sender=sender)
    letter = Letter(
        id=MessageId("m"), to="a@example.org", subject=text[:1000], body=text, written_at=NOW
    )
    mail_of(letter, server).as_bytes()


def _audited(text: str) -> None:
    actor = Actor(who=text, name=text, address=text)
    chained(Tip(), Draft(at=NOW, actor=actor, action=Action.SIGN_IN, object=text,
                         details={"username": text}))  # fmt: skip


_ADDRESSED = ("From", "P-Asserted-Identity", "Remote-Party-ID", "Diversion", "History-Info")


def _invited(text: str) -> None:
    lines = [f"INVITE sip:{text}@centralita SIP/2.0", "X-Centralita-Trunk: acme"]
    lines += [f"{name}: {text}" for name in (*_ADDRESSED, "Privacy", "X-Note", text)]
    invite_facts("\r\n".join(lines) + "\r\n\r\n" + text, behind_edge=True)


def _many_headers(size: int) -> str:
    """A text that begins another header with each line."""
    return "\r\n".join(["Diversion: <sip:1@x>,<sip:2@x>"] * (size // 32))


def _logged(text: str) -> None:
    record = logging.makeLogRecord({"msg": "call refused", "levelname": "INFO", "error": text})
    for formatter in (TextFormatter, JsonFormatter):
        formatter(personal_data=False).format(record)


def _csv(text: str) -> None:
    with NamedTemporaryFile("w", encoding="utf-8", errors="replace", newline="") as file:
        file.write("external_id,name\n" + text)
        file.flush()
        for _ in csv_rows(Path(file.name), CUSTOMER_COLUMNS):
            pass


def _mbox(text: str) -> None:
    with NamedTemporaryFile("w", encoding="utf-8", errors="replace", newline="") as file:
        file.write("From a Mon Jan  5 12:00:00 2026\n" + text)
        file.flush()
        for _ in mails(Path(file.name)):
            pass


def _mail(where: str) -> Parser:
    return lambda text: read_mail(where.replace("{}", text).encode("utf-8", "replace"))


PARSERS = (
    # the API
    Subject("bodies", _bodies),
    Subject("cursor", cursor),
    Subject("live sign-in", lambda text: msgspec.json.decode(text, type=LiveSignIn)),
    Subject("forwarded for", network_of),
    Subject("trusted proxies", lambda text: within(text, LOOPBACK)),
    Subject("host", lambda text: websocket_url(SETTINGS, text, https=True)),
    Subject("audit", _audited),
    Subject("log", _logged),
    # customers
    Subject("identity", lambda text: normal_identity(text, "ES")),
    Subject("caller", lambda text: caller_identity(text, "ES")),
    Subject("withheld", is_withheld),
    Subject("number to dial", lambda text: read_number(text, "ES")),
    Subject("search", terms_of),
    Subject("search index", index_of),
    Subject("snippet", lambda text: snippet(text, ("nothing",))),
    Subject("names", folded),
    # files
    Subject("CSV", _csv),
    Subject("mbox", _mbox),
    Subject("mail", _mail("{}")),
    Subject("body of a mail", _mail("From: a@b.c\n\n{}")),
    Subject("sender of a mail", _mail("From: {}\n\n")),
    Subject("subject of a mail", _mail("Subject: {}\n\n")),
    Subject("date of a mail", _mail("Date: {}\nReceived: x; {}\n\n")),
    Subject("kind of a mail", _mail("Content-Type: {}\n\nhola")),
    Subject("charset of a mail", _mail('Content-Type: text/plain; charset="{}"\n\nhola')),
    Subject("HTML", text_of_html),
    Subject("several in a cell", lambda text: list(several(text))),
    # messages
    Subject("template", _template),
    Subject("draft", lambda text: fill(text, {"name": "Ana"})),
    Subject("letter", _letter),
    Subject("address to write to", deliverable),
    Subject("parts of an SMS", parts),
    # flows
    Subject("flow", lambda text: load(_flow_document(text))),
    Subject(
        "nodes of a flow",
        lambda text: load(json.loads(text)),
        (*map(_many_nodes, ("wrong", "ring", "chain", "itself", "back")), _one_menu),
    ),
    Subject("variables in a prompt", references),
    Subject("answers", as_spoken),
    Subject("spoken digits", spoken_digits),
    Subject("grammar", in_grammar),
    Subject("numbers to mask", masked),
    # SDP and SIP in the worker
    Subject("media peer", media_peer),
    Subject("our address", lambda text: rewrite(text, "192.0.2.1")),
    Subject("codecs for pages", wide_first),
    Subject("candidates", lambda text: with_public_candidate(text, "192.0.2.1")),
    Subject("targets", targets_of),
    Subject("INVITE", _invited, (_many_headers,)),
    Subject("address", parse_address),
    Subject("addresses", lambda text: addresses_of([text])),
    Subject("user of a URI", user_of_uri),
    Subject("Refer-To", wanted),
    Subject("text from the wire", wire_message),
    Subject("our From", lambda text: name_addr(text, sip_uri(text, "centralita"))),
)


@pytest.mark.parametrize("subject", PARSERS, ids=lambda subject: subject.name)
def test_a_parser_takes_time_in_proportion_to_what_it_reads(subject: Subject) -> None:
    makers = (*nasty(), *((f"own {at}", own) for at, own in enumerate(subject.more)))
    slow = {name: how for name, make in makers if (how := grows(subject.parse, make))}
    assert slow == {}


def test_what_grows_faster_is_noticed() -> None:
    blanks = re.compile(" +,")
    # Eight times the size: a square is 64, so far from 9 that no other work on this core hides it.
    assert grows(blanks.search, lambda size: " " * size, 8_000, 64_000)
    assert grows(sorted, lambda size: "ab" * (size * 10)) == ""

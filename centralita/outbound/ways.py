"""By which trunks a call to the outside is tried, and what each is told of who calls. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from phonenumbers import PhoneNumberFormat

from centralita.outbound.numbers import Number
from centralita.telephony.attempts import PATIENCE, Attempt, CallingParty, Srtp

_ANONYMOUS = "Anonymous"
_NOWHERE = "anonymous.invalid"  # RFC 3323 4.1.1.3
_NUMBER = re.compile(r"\+?[0-9]{2,20}")


class Identity(StrEnum):
    """The header that says the number shown, where From is an account of ours."""

    NONE = "none"
    PAI = "pai"
    PPI = "ppi"
    RPID = "rpid"


class NumberFormat(StrEnum):
    """How a trunk wants numbers: +34911234567, 34911234567, 0034911234567 or 911234567."""

    E164 = "e164"
    WITHOUT_PLUS = "e164-without-plus"
    ZEROS = "00"
    NATIONAL = "national"


class Forwarded(StrEnum):
    """What is shown for a caller who is sent on: the caller's number and, in Diversion, by whom it
    is sent on; or a number of our own."""

    DIVERSION = "diversion"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """A trunk by which calls go out.

    `host` is its domain, as it stands in To; `from_user` is the user of From, empty for the number
    shown; `from_domain` is empty for ours. `number` is the one shown when nobody knows a better
    one. Trunks of a lower `priority` come first; `calls_to` are beginnings of numbers (`+34`) and
    short numbers (`3XX`) that it is for, none is for all.
    """

    name: str
    uri: Callable[[str], str]
    host: str
    region: str
    transport: str = "udp"
    from_user: str = ""
    from_domain: str = ""
    keeps_from: bool = False
    identity: Identity = Identity.PAI
    number_format: NumberFormat = NumberFormat.E164
    number: str = ""
    hide_number: bool = False
    forwarded: Forwarded = Forwarded.DIVERSION
    srtp: Srtp = Srtp.OPTIONAL
    priority: int = 10
    calls_to: tuple[str, ...] = ()


def ways_out(
    number: Number, trunks: Sequence[WayOut], usable: Callable[[str], bool] = lambda _: True
) -> list[WayOut]:
    """The trunks to try, in this order. One that is known to be down comes last.

    A short number has a meaning only where it is dialled: it goes by the trunks whose `calls_to`
    fits it best, and by no other.
    """
    fits = {trunk.name: _fit(trunk.calls_to, number.text) for trunk in trunks}
    known = [trunk for trunk in trunks if fits[trunk.name] is not None]
    if number.is_short and known:
        best = max(fits[trunk.name] or 0 for trunk in known)
        known = [trunk for trunk in known if fits[trunk.name] == best]
    return sorted(
        known,
        key=lambda trunk: (not usable(trunk.name), -(fits[trunk.name] or 0), trunk.priority),
    )


def attempts(
    number: Number,
    party: CallingParty,
    trunks: Sequence[WayOut],
    usable: Callable[[str], bool] = lambda _: True,
) -> tuple[Attempt, ...]:
    """How to call `number` for `party`; none when no trunk is for it."""
    return tuple(
        _attempt(number, party, trunk, encrypted=encrypted)
        for trunk in ways_out(number, trunks, usable)
        for encrypted in trunk.srtp.offers(secret=trunk.transport == "tls")
    )


def written(number: str, form: NumberFormat, region: str) -> str:
    """A number in E.164 as a trunk wants it. What is no such number stays as it is."""
    if not number.startswith("+") or form is NumberFormat.E164:
        return number
    digits = number.removeprefix("+")
    match form:
        case NumberFormat.WITHOUT_PLUS:
            return digits
        case NumberFormat.ZEROS:
            return f"00{digits}"
        case NumberFormat.NATIONAL:
            try:
                parsed = phonenumbers.parse(number)
            except phonenumbers.NumberParseException:
                return number
            text = phonenumbers.format_out_of_country_calling_number(parsed, region)
            return re.sub(r"[^0-9]", "", text) or number


def in_e164(number: str, region: str) -> str:
    """A number as somebody wrote it, in E.164 when it is one of a country."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return number
    if not phonenumbers.is_possible_number(parsed):
        return number
    return str(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))


def _fit(calls_to: Sequence[str], number: str) -> int | None:
    """How well a number fits: by how many signs, 0 for a trunk that takes all; None if not."""
    if not calls_to:
        return 0
    found: int | None = None
    for pattern in calls_to:
        expression = pattern.replace("+", r"\+").replace("X", "[0-9]")
        whole = not pattern.startswith("+")
        fits = re.fullmatch(expression, number) if whole else re.match(expression, number)
        if fits:
            found = max(found or 0, len(pattern))
    return found


def _attempt(number: Number, party: CallingParty, trunk: WayOut, *, encrypted: bool) -> Attempt:
    dialled = written(number.text, trunk.number_format, trunk.region)
    shown, diverted_by = _shown(party, trunk)
    hidden = party.hidden or trunk.hide_number or (party.forwarded and not _is_number(party.caller))
    shown, diverted_by = (
        written(in_e164(text, trunk.region), trunk.number_format, trunk.region)
        for text in (shown, diverted_by)
    )
    user, domain, name = trunk.from_user or shown, trunk.from_domain, ""
    if party.forwarded and diverted_by and not trunk.from_user:
        name = party.caller_name
    headers: dict[str, str] = {}
    if hidden:
        name = _ANONYMOUS
        headers["Privacy"] = "id"
        if not trunk.keeps_from:
            user, domain = "", _NOWHERE
    if shown and (hidden or user != shown):
        headers |= _identity(trunk, shown, hidden=hidden)
    if diverted_by:
        own = f"<sip:{diverted_by}@{trunk.from_domain or trunk.host}>"
        headers["Diversion"] = f"{own};reason=unconditional"
    return Attempt(
        uri=trunk.uri(dialled),
        to=f"sip:{dialled}@{trunk.host}",
        caller=user,
        caller_name=name,
        domain=domain,
        headers=headers,
        way=trunk.name,
        encrypted=encrypted,
        patience=PATIENCE,
    )


def _shown(party: CallingParty, trunk: WayOut) -> tuple[str, str]:
    """The number that is shown, and the one in Diversion, if any."""
    own = party.number or trunk.number
    if party.forwarded and trunk.forwarded is Forwarded.DIVERSION and _is_number(party.caller):
        sent_on_by = party.dialled if _is_number(party.dialled) else own
        return party.caller, sent_on_by
    if own or not party.forwarded:
        return own or party.caller, ""
    return (party.dialled if _is_number(party.dialled) else ""), ""


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _identity(trunk: WayOut, shown: str, *, hidden: bool) -> Mapping[str, str]:
    address = f"<sip:{shown}@{trunk.from_domain or trunk.host}>"
    match trunk.identity:
        case Identity.PAI:
            return {"P-Asserted-Identity": address}
        case Identity.PPI:
            return {"P-Preferred-Identity": address}
        case Identity.RPID:
            privacy = "full" if hidden else "off"
            return {"Remote-Party-ID": f"{address};party=calling;privacy={privacy};screen=yes"}
        case Identity.NONE:
            return {}

"""Text from the wire: whatever bytes came, this is a string that everything behind can hold."""

from __future__ import annotations

# C0 and C1 controls, halves of surrogate pairs, and what turns the direction of the text after it.
_UNWANTED = dict.fromkeys(
    [*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), *range(0x202A, 0x202F),
     *range(0x2066, 0x206A)]
)  # fmt: skip
_UNWANTED_IN_MESSAGES = {code: None for code in _UNWANTED if chr(code) not in "\t\r\n"}


def wire_text(text: str) -> str:
    """One value as pjsua2 hands it over, in characters.

    RFC 3261 wants UTF-8, and old exchanges send Latin-1: what is not the one is read as the other.
    SWIG keeps bytes that are not UTF-8 as lone surrogates, which no encoder takes. Control
    characters go. Never raises.
    """
    return _characters(text).translate(_UNWANTED)


def wire_message(message: str) -> str:
    """A whole message, each line for itself: one odd header spoils no other. Keeps line ends."""
    if message.isascii():
        return message.translate(_UNWANTED_IN_MESSAGES)
    lines = message.split("\n")
    return "\n".join(map(_characters, lines)).translate(_UNWANTED_IN_MESSAGES)


def _characters(text: str) -> str:
    try:
        octets = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no byte made this
        return text.encode("utf-8", "replace").decode()
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")

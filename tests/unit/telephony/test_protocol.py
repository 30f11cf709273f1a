"""What travels between the brain and a media worker comes out as it went in."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from centralita.core.errors import InvalidInput
from centralita.core.wire import Wire
from centralita.telephony import call, protocol
from centralita.telephony.protocol import COMMANDS, EVENTS, MAX_FRAME, Deframer, Done, frame


def messages(module: types.ModuleType, *bases: type) -> Iterator[type]:
    for kind in vars(module).values():
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            continue
        if issubclass(kind, bases) and kind not in bases:
            yield kind


TRAVELLING = [
    *((EVENTS, kind) for kind in messages(call, call.LegEvent)),
    *((EVENTS, kind) for kind in (protocol.Hello, protocol.Done)),
    *((COMMANDS, kind) for kind in messages(protocol, protocol.Command)),
]

st.register_type_strategy(Mapping, st.dictionaries(st.text(), st.text(), max_size=3))
st.register_type_strategy(
    timedelta, st.integers(0, 10**12).map(lambda n: timedelta(microseconds=n))
)

st.register_type_strategy(
    call.AudioSink, st.builds(call.AudioSink, path=st.text(), stream=st.integers(0, 2**32 - 1))
)


def any_of(kind: type) -> st.SearchStrategy[object]:
    hints = typing.get_type_hints(kind)
    fields = {
        field.name: st.integers(0, 2**32)
        if hints[field.name] is int
        else st.from_type(hints[field.name])
        for field in dataclasses.fields(kind)
    }
    return st.builds(kind, **fields)


@pytest.mark.parametrize(("wire", "kind"), TRAVELLING, ids=lambda v: getattr(v, "__name__", ""))
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_message_survives_the_journey(wire: Wire, kind: type, data: st.DataObject) -> None:
    message = data.draw(any_of(kind))
    again = wire.decode(wire.encode(message))
    if "nan" not in repr(message):
        assert again == message
    assert type(again) is kind


def test_a_message_of_another_link_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Done is not a message of this link"):
        COMMANDS.encode(Done(seq=1))
    with pytest.raises(InvalidInput, match="unknown message 'Done'"):
        COMMANDS.decode(EVENTS.encode(Done(seq=1)))


@example(b"\x92\xa1\xff\xc0")  # a name that is not UTF-8
@given(st.binary(max_size=60))
def test_nonsense_is_refused_and_never_more(data: bytes) -> None:
    try:
        EVENTS.decode(data)
    except InvalidInput:
        pass


@given(st.lists(st.binary(max_size=50), max_size=8), st.data())
def test_frames_survive_any_cutting(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    deframer = Deframer()
    assert [body for piece in pieces for body in deframer.push(piece)] == bodies


def test_an_absurd_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match="longer than"):
        list(Deframer().push((MAX_FRAME + 1).to_bytes(4, "big")))

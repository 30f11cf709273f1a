"""A worker keeps room for the agents of those who wait in it."""

from __future__ import annotations

from centralita.core.ids import CallId
from centralita.telephony.worker.room import room_for

A, B = CallId("call_a"), CallId("call_b")


def test_each_call_keeps_two_legs_or_as_many_as_it_has() -> None:
    assert room_for([]) == 0
    assert room_for([A]) == room_for([A, A]) == 2
    assert room_for([A, B]) == room_for([A, B, B]) == 4
    assert room_for([A, B, A, A]) == 5

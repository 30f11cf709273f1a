"""When a phone has fallen silent."""

from __future__ import annotations

from centralita.telephony.worker.heard import Heard

LIMIT = 8.0


def test_a_phone_is_silent_when_neither_sound_nor_reports_come() -> None:
    phone = Heard(0.0)
    assert not phone.notice(50, 0, 1.0, LIMIT)
    assert not phone.notice(50, 0, 9.0, LIMIT)
    assert phone.notice(50, 0, 9.1, LIMIT) and phone.silent
    assert not phone.notice(50, 0, 20.0, LIMIT) and phone.silent  # told once
    assert phone.notice(51, 0, 21.0, LIMIT) and not phone.silent


def test_one_that_saves_sound_and_reports_is_there() -> None:
    phone = Heard(0.0)
    for second in range(60):
        assert not phone.notice(50, second // 6, float(second), LIMIT)
    assert not phone.silent


def test_one_that_never_sent_is_not_missed() -> None:
    phone = Heard(0.0)
    assert not phone.notice(0, 3, 60.0, LIMIT)
    assert not phone.silent


def test_the_wait_begins_anew_when_told() -> None:
    phone = Heard(0.0)
    phone.notice(50, 0, 1.0, LIMIT)
    phone.begin(100.0)
    assert not phone.notice(50, 0, 107.0, LIMIT)
    assert phone.notice(50, 0, 108.1, LIMIT)

"""Which agents are outside, by the address of their phone or page."""

from __future__ import annotations

import re

import pytest

from centralita.telephony.edge.render import PRIVATE


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.7", "172.16.0.1", "172.31.9.9", "169.254.1.1"),
        *("100.64.0.1", "100.127.255.1", "::1", "[::1]", "fd12:3456::1", "[fd12::1]", "fe80::1"),
    ],
)
def test_private_addresses_are_inside(address: str) -> None:
    assert re.search(PRIVATE, address)


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "11.0.0.1", "172.15.0.1", "172.32.0.1", "192.169.1.1", "100.63.0.1"),
        *("100.128.0.1", "203.0.113.9", "2001:db8::1", "[2001:db8::1]", "fc.example"),
    ],
)
def test_all_others_are_outside(address: str) -> None:
    assert not re.search(PRIVATE, address)

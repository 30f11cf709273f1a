"""Which event loop a test runs in, and what must not outlive it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.support.flakes import Ledger
from tests.support.server import ServerProcess
from tests.support.virtual_time import VirtualLoop


def pytest_configure(config: pytest.Config) -> None:
    """One process keeps the ledger, whoever runs the tests."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Ledger(), "ledger of tests that were tried twice")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Modules that say `VIRTUAL_TIME = True` own the time."""
    module = item.getparent(pytest.Module)
    if module is not None and getattr(module.obj, "VIRTUAL_TIME", False):
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture(scope="module", autouse=True)
def servers_that_failing_tests_leave_behind() -> Iterator[None]:
    """They would cost the tests that follow the time of the machine."""
    yield
    ServerProcess.kill_those_left()

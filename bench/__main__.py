"""`python -m bench NAME [options]`."""

from __future__ import annotations

import asyncio
import sys

from bench import asr, browser_leg, erlang, first_call, live, long_call, routing
from bench.load import main as load

_BENCHES = {
    "asr": asr.main,
    "browser-leg": browser_leg.main,
    "erlang": erlang.main,
    "first-call": first_call.main,
    "live": live.main,
    "load": load.main,
    "long-call": long_call.main,
    "routing": routing.main,
}


def main() -> int:
    """Run the bench that is named."""
    if len(sys.argv) < 2 or sys.argv[1] not in _BENCHES:
        print(f"usage: ./dev bench {{{','.join(_BENCHES)}}} [--help]", file=sys.stderr)
        return 2
    return asyncio.run(_BENCHES[sys.argv[1]](sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())

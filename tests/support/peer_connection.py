"""What a page's WebRTC connection does: scripts that keep hold of it and ask it."""

from __future__ import annotations

from typing import Literal


def kept(*, only_relays: bool = False) -> str:
    """Before a call: what the page opens from now on is `window.connection`. It may be told to use
    nothing but relays."""
    how = '{ ...how, iceTransportPolicy: "relay" }' if only_relays else "how"
    return f"""
    (() => {{
      const Plain = RTCPeerConnection;
      window.RTCPeerConnection = class extends Plain {{
        constructor(how) {{ super({how}); window.connection = this; }}
      }};
    }})()
    """


def used(end: Literal["local", "remote"], what: Literal["candidateType", "port"]) -> str:
    """Of the pair of candidates by which the audio goes."""
    return f"""
    connection.getStats().then((stats) => {{
      const pairs = [...stats.values()].filter((one) => one.type === "candidate-pair");
      const pair = pairs.findLast((one) => one.nominated && one.state === "succeeded");
      return stats.get(pair.{end}CandidateId).{what};
    }})
    """

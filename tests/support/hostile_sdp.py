"""Offers that nobody means well with."""

from __future__ import annotations

from collections.abc import Iterator

_HEAD = "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
_AUDIO = "m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"


def _offer(media: str = _AUDIO, host: str = "127.0.0.1", more: str = "") -> bytes:
    return (_HEAD.format(host=host) + media + more).encode()


# 200: a working call; 4xx: a clear refusal. Where both are right, both stand here.
_REFUSED = frozenset({400, 406, 415, 488, 606})
_EITHER = _REFUSED | {200}


def hostile_offers() -> Iterator[tuple[str, bytes, frozenset[int]]]:
    """A name, the body, and the answers that are right."""
    for name, media in {
        "port 0": "m=audio 0 RTP/AVP 8\r\n",
        "port 65535": "m=audio 65535 RTP/AVP 8\r\n",
        "port 65536": "m=audio 65536 RTP/AVP 8\r\n",
        "port 99999999999": "m=audio 99999999999 RTP/AVP 8\r\n",
        "port negative": "m=audio -1 RTP/AVP 8\r\n",
        "port not a number": "m=audio x RTP/AVP 8\r\n",
        "port count": "m=audio 40000/9999999 RTP/AVP 8\r\n",
        "no payload types": "m=audio 40000 RTP/AVP\r\n",
        "payload type 128": "m=audio 40000 RTP/AVP 128\r\na=rtpmap:128 PCMA/8000\r\n",
        "payload type 99999": "m=audio 40000 RTP/AVP 99999\r\na=rtpmap:99999 PCMA/8000\r\n",
        "payload type negative": "m=audio 40000 RTP/AVP -8\r\n",
        "payload type text": "m=audio 40000 RTP/AVP pcma\r\n",
        "a thousand payload types": f"m=audio 40000 RTP/AVP {' '.join(map(str, range(1000)))}\r\n",
        "one type a thousand times": f"m=audio 40000 RTP/AVP {'8 ' * 1000}\r\n",
        "unknown transport": "m=audio 40000 RTP/EVIL 8\r\n",
        "unknown medium": "m=evil 40000 RTP/AVP 8\r\n",
        "no audio": "m=video 40000 RTP/AVP 31\r\n",
        "two hundred audios": _AUDIO * 200,
        "three hundred refused audios": "m=audio 0 RTP/AVP 8\r\n" * 300,
        "a dozen media": _AUDIO + "m=video 40000 RTP/AVP 31\r\nm=text 40002 RTP/AVP 98\r\n" * 6,
        "no media": "",
    }.items():
        yield name, _offer(media), _EITHER
    for name, more in {
        "a thousand attributes": "a=x-nothing:1\r\n" * 700,
        "a thousand rtpmaps": "".join(f"a=rtpmap:{n % 128} PCMA/8000\r\n" for n in range(400)),
        "line of 10 kB": f"a=x-long:{'x' * 10_000}\r\n",
        "rtpmap without codec": "a=rtpmap:8\r\n",
        "rtpmap cut off": "a=rtpmap:8 PCMA/\r\n",
        "rtpmap of 4 kB": f"a=rtpmap:8 {'P' * 4000}/8000\r\n",
        "clock rate 0": "a=rtpmap:8 PCMA/0\r\n",
        "clock rate huge": "a=rtpmap:8 PCMA/4294967296\r\n",
        "clock rate negative": "a=rtpmap:8 PCMA/-8000\r\n",
        "channels huge": "a=rtpmap:8 PCMA/8000/99999999\r\n",
        "ptime 0": "a=ptime:0\r\n",
        "ptime negative": "a=ptime:-20\r\n",
        "ptime huge": "a=ptime:4294967295\r\n",
        "ptime 7": "a=ptime:7\r\n",
        "ptime text": "a=ptime:soon\r\n",
        "maxptime 0": "a=maxptime:0\r\n",
        "maxptime 1": "a=maxptime:1\r\n",
        "maxptime huge": "a=ptime:20\r\na=maxptime:99999999999\r\n",
        "fmtp of nothing": "a=fmtp:101\r\n",
        "fmtp huge": f"a=fmtp:101 {'0-15,' * 1500}\r\n",
        "rtcp port huge": "a=rtcp:99999999\r\n",
        "rtcp elsewhere": "a=rtcp:40001 IN IP4 255.255.255.255\r\n",
        "both directions": "a=sendonly\r\na=recvonly\r\na=inactive\r\n",
        "crypto broken": "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n",
        "ssrc broken": "a=ssrc:\r\na=ssrc:x cname\r\na=ssrc:1 cname:\r\n",
        "candidates": "a=candidate:1 1 UDP 1 0.0.0.0 0 typ host\r\n" * 60,
        "fingerprint broken": "a=fingerprint:sha-256 zz\r\na=setup:nobody\r\n",
        "group of nobody": "a=group:BUNDLE 0 1 2 3\r\na=mid:9\r\n",
        "bandwidth negative": "b=AS:-1\r\nb=TIAS:99999999999999\r\n",
        "NUL inside": "a=x\0y:1\r\n",
        "opus absurd": "m=audio 40002 RTP/AVP 96\r\na=rtpmap:96 opus/1/9\r\n",
    }.items():
        yield name, _offer(more=more), _EITHER
    yield "everywhere", _offer(host="0.0.0.0"), _EITHER
    for name, host in {
        "multicast": "224.2.1.1",
        "multicast with ttl": "224.2.1.1/127/3",
        "broadcast": "255.255.255.255",
        "no address": "",
        "a long name": "x" * 3000,
        "a name that is nowhere": "nowhere.invalid",
        "numbers beyond": "999.999.999.999",
    }.items():
        yield name, _offer(host=host), _REFUSED
    yield "IPv6 alone", _offer().replace(b"IN IP4 127.0.0.1", b"IN IP6 ::1"), _REFUSED
    yield "IPv6 in the medium", _offer(more="c=IN IP6 2001:db8::1\r\n"), _REFUSED
    yield "no session connection", _offer().replace(b"c=IN IP4 127.0.0.1\r\n", b""), _REFUSED
    yield "unknown network", _offer().replace(b"c=IN IP4", b"c=XX IP9"), _EITHER
    yield "not SDP at all", b"\xff\xfe\x00 nothing of the kind", _REFUSED
    yield "lines end in LF", _offer().replace(b"\r\n", b"\n"), _EITHER
    yield "cut off", _offer()[:-9], _EITHER
    yield (
        "origin with huge numbers",
        _offer().replace(b"1 1", b"9" * 60 + b" " + b"9" * 60),
        _EITHER,
    )
    yield "version 9", _offer().replace(b"v=0", b"v=9"), _EITHER

"""RFC 4475 3.1.1: messages that are well-formed, and hardly look it."""

from __future__ import annotations

from tests.support.torture.message import Torture, Wants, crlf, sdp

_LONG = "long" * 20
_CYRILLIC = "работающий".encode().decode("latin-1")
_BIG_STOP = "\ufeff大停電".encode().decode("latin-1")
_NINES = "но сто девяносто девять - простое".encode().decode("latin-1")
# The S/MIME signature of the multipart message, as it stands in the RFC.
_SIGNATURE = bytes.fromhex(
    "3082015206092a864886f70d010702a08201433082013f02"
    "01013109300706052b0e03021a300b06092a864886f70d010701318201203082"
    "011c020101307c3070310b300906035504061302555331133011060355040813"
    "0a43616c69666f726e69613111300f0603550407130853616e204a6f7365310e"
    "300c060355040a1305736970697431293027060355040b132053697069742054"
    "65737420436572746966696361746520417574686f7269747902080195007102"
    "330113300706052b0e03021a300d06092a864886f70d01010105000481808ef4"
    "66f948f0522dd2e5978e9d95aae9f2fe15a06659716292e8da2aa8d8350a68ce"
    "ffae3cbd2bff1675ddd5648e593dd64728f26220f7e941749e330d9a15edabdb"
    "93d10c42102e7b7289d29cc0c9ae2efbc7c0cff9172f3b027e4fc027e1546de4"
    "b6aa3abb3e66cccb5dd6c64b8383149cb8e6ff182d944fe57b65bc99d005"
)


def _wsinv() -> bytes:
    return crlf(
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\n"
        "TO :\n"
        " sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\n"
        'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\n'
        "  ;\n"
        "  tag = 98asjd8\n"
        "MaX-fOrWaRdS: 0068\n"
        "Call-ID: wsinv.ndaksdj@192.0.2.1\n"
        "Content-Length   : 150\n"
        "cseq: 0009\n"
        "  INVITE\n"
        "Via  : SIP  /   2.0\n"
        " /UDP\n"
        "    192.0.2.2;branch=390skdjuw\n"
        "s :\n"
        "NewFangledHeader:   newfangled value\n"
        " continued newfangled value\n"
        "UnknownHeaderWithUnusualValue: ;;,,;;,;\n"
        "Content-Type: application/sdp\n"
        "Route:\n"
        " <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\n"
        "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n"
        "  branch  =   z9hG4bK9ikj8  ,\n"
        " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n"
        " z9hG4bK30239\n"
        'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\n'
        "      newvalue ;\n"
        "  secondparam ; q = 0.33\n"
        "\n" + sdp("192.0.2.3", connection="192.0.2.4")
    )


def _intmeth() -> bytes:
    method = "!interesting-Method0123456789_*+`.%indeed'~"
    user = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    return crlf(
        f"{method} sip:{user}:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\n"
        "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\n"
        f'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:{user}@example.com>\n'
        "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>"
        f";fromParam''~+*_!.-%=\"{_CYRILLIC}\";tag=_token~1'+`*%!-.\n"
        "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\n"
        f"CSeq: 139122385 {method}\n"
        "Max-Forwards: 255\n"
        f"extensionHeader-!.%*+_`'~:{_BIG_STOP}\n"
        "Content-Length: 0\n\n"
    )


def _esc01() -> bytes:
    return crlf(
        "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\n"
        "To: sip:%75se%72@example.com\n"
        "From: <sip:I%20have%20spaces@example.net>;tag=938\n"
        "Max-Forwards: 87\n"
        "i: esc01.239409asdfakjkn23onasd0-3234\n"
        "CSeq: 234234 INVITE\n"
        "Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw\n"
        "C: application/sdp\n"
        "Contact:\n"
        "  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>\n"
        "Content-Length: 150\n"
        "\n" + sdp("192.0.2.1")
    )


def _escnull() -> bytes:
    return crlf(
        "REGISTER sip:example.com SIP/2.0\n"
        "To: sip:null-%00-null@example.com\n"
        "From: sip:null-%00-null@example.com;tag=839923423\n"
        "Max-Forwards: 70\n"
        "Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd\n"
        "CSeq: 14398234 REGISTER\n"
        "Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw\n"
        "Contact: <sip:%00@host5.example.com>\n"
        "Contact: <sip:%00%00@host5.example.com>\n"
        "L:0\n\n"
    )


def _esc02() -> bytes:
    return crlf(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0\n"
        'To: "%Z%45" <sip:resource@example.com>\n'
        'From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23\n'
        "Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf\n"
        "Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234\n"
        "CSeq: 29344 RE%47IST%45R\n"
        "Max-Forwards: 70\n"
        "Contact: <sip:alias1@host1.example.com>\n"
        "C%6Fntact: <sip:alias2@host2.example.com>\n"
        "Contact: <sip:alias3@host3.example.com>\n"
        "l: 0\n\n"
    )


def _lwsdisp() -> bytes:
    return crlf(
        "OPTIONS sip:user@example.com SIP/2.0\n"
        "To: sip:user@example.com\n"
        "From: caller<sip:caller@example.com>;tag=323\n"
        "Max-Forwards: 70\n"
        "Call-ID: lwsdisp.1234abcd@funky.example.com\n"
        "CSeq: 60 OPTIONS\n"
        "Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw\n"
        "l: 0\n\n"
    )


def _longreq() -> bytes:
    vias = "".join(
        f"{name}SIP/2.0/TCP sip{number}.example.com\n"
        for name, number in zip(
            ("Via: ", "v: ", "V: ", "Via: ", "ViA: ", "VIa: ", "VIA: ", "via: ", "viA: ", "vIa: ",
             "vIA: ", "V :  ", "v :  ", "V  : ", "v  : ", "Via : ", "Via  : ", *["Via: "] * 16),
            range(33, 0, -1),
            strict=True,
        )
    )  # fmt: skip
    caller = "amazinglylongcallername" * 5
    return crlf(
        "INVITE sip:user@example.com SIP/2.0\n"
        f'To: "I have a user name of {"extreme " * 10}proportion" <sip:user@example.com:6000'
        f";unknownparam1=very{_LONG}value"
        f";longparam{'name' * 25}=shortvalue"
        f";very{'long' * 24}ParameterNameWithNoValue>\n"
        f"F: sip:{caller}@example.net;tag=12{'982' * 50}424"
        f";unknownheaderparam{'name' * 20}=unknowheaderparam{'value' * 15}"
        f";unknownValueless{'paramname' * 10}\n"
        f"Call-ID: longreq.one{'really' * 20}longcallid\n"
        "CSeq: 3882340 INVITE\n"
        f"Unknown-{'Long' * 20}-Name:unknown-{_LONG}-value"
        f";unknown-{_LONG}-parameter-name =unknown-{_LONG}-parameter-value\n"
        f"{vias}"
        "Via: SIP/2.0/TCP host.example.com;received=192.0.2.5"
        f";branch=very{'long' * 50}branchvalue\n"
        "Max-Forwards: 70\n"
        f"Contact: <sip:{caller}@host5.example.net>\n"
        "Content-Type: application/sdp\n"
        "l: 150\n"
        "\n" + sdp("192.0.2.1")
    )


def _dblreq() -> bytes:
    return crlf(
        "REGISTER sip:example.com SIP/2.0\n"
        "To: sip:j.user@example.com\n"
        "From: sip:j.user@example.com;tag=43251j3j324\n"
        "Max-Forwards: 8\n"
        "I: dblreq.0ha0isndaksdj99sdfafnl3lk233412\n"
        "Contact: sip:j.user@host.example.com\n"
        "CSeq: 8 REGISTER\n"
        "Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492\n"
        "Content-Length: 0\n"
        "\n"
        "INVITE sip:joe@example.com SIP/2.0\n"
        "t: sip:joe@example.com\n"
        "From: sip:caller@example.net;tag=141334\n"
        "Max-Forwards: 8\n"
        "Call-ID: dblreq.0ha0isnda977644900765@192.0.2.15\n"
        "CSeq: 8 INVITE\n"
        "Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw380234\n"
        "Content-Type: application/sdp\n"
        "Content-Length: 150\n"
        "\n" + sdp("192.0.2.15").replace("m=video", "m =video")
    )


def _semiuri() -> bytes:
    return crlf(
        "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0\n"
        "To: sip:j_user@example.com\n"
        "From: sip:caller@example.org;tag=33242\n"
        "Max-Forwards: 3\n"
        "Call-ID: semiuri.0ha0isndaksdj\n"
        "CSeq: 8 OPTIONS\n"
        "Accept: application/sdp, application/pkcs7-mime,\n"
        "        multipart/mixed, multipart/signed,\n"
        "        message/sip, message/sipfrag\n"
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw\n"
        "l: 0\n\n"
    )


def _transports() -> bytes:
    return crlf(
        "OPTIONS sip:user@example.com SIP/2.0\n"
        "To: sip:user@example.com\n"
        "From: <sip:caller@example.com>;tag=323\n"
        "Max-Forwards: 70\n"
        "Call-ID:  transports.kijh4akdnaqjkwendsasfdj\n"
        "Accept: application/sdp\n"
        "CSeq: 60 OPTIONS\n"
        "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\n"
        "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf\n"
        "Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj\n"
        "Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en\n"
        "Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee\n"
        "l: 0\n\n"
    )


def _mpart01() -> bytes:
    body = (
        crlf(
            "--7a9cbec02ceef655\n"
            "Content-Type: text/plain\n"
            "Content-Transfer-Encoding: binary\n"
            "\n"
            "Hello\n"
            "--7a9cbec02ceef655\n"
            "Content-Type: application/octet-stream\n"
            "Content-Transfer-Encoding: binary\n"
            "\n"
        )
        + _SIGNATURE
        + crlf("\n--7a9cbec02ceef655--\n")
    )
    return (
        crlf(
            "MESSAGE sip:kumiko@example.org SIP/2.0\n"
            "Via: SIP/2.0/UDP 127.0.0.1:5070"
            ";branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport\n"
            "Max-Forwards: 70\n"
            "Route: <sip:127.0.0.1:5080>\n"
            "Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7hHuLIK0YWVKZhKv9Mj8UeXqkMVbnVq"
            "37CD+813gvYjcBUaZngQmXc9WNZSDNGCzA+fWl9MEUHWIZo1CeJebdY/XlgKeTa0Olvq0rt70Q5jiSfbqMJm"
            "QFteeivUhkMWYUA=\n"
            "Contact: <sip:fluffy@127.0.0.1:5070>\n"
            "To: <sip:kumiko@example.org>\n"
            "From: <sip:fluffy@example.com>;tag=2fb0dcc9\n"
            "Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..\n"
            "CSeq: 1 MESSAGE\n"
            "Content-Transfer-Encoding: binary\n"
            "Content-Type: multipart/mixed;boundary=7a9cbec02ceef655\n"
            "Date: Sat, 15 Oct 2005 04:44:56 GMT\n"
            "User-Agent: SIPimp.org/0.2.5 (curses)\n"
            "Content-Length: 553\n"
            "\n"
        )
        + body
    )


def _unreason() -> bytes:
    return crlf(
        f"SIP/2.0 200 = 2**3 * 5**2 {_NINES}\n"
        "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\n"
        "Call-ID: unreason.1234ksdfak3j2erwedfsASdf\n"
        "CSeq: 35 INVITE\n"
        "From: sip:user@example.com;tag=11141343\n"
        "To: sip:user@example.edu;tag=2229\n"
        "Content-Length: 154\n"
        "Content-Type: application/sdp\n"
        "Contact: <sip:user@host198.example.com>\n"
        "\n" + sdp("192.0.2.198")
    )


def _noreason() -> bytes:
    return crlf(
        "SIP/2.0 100 \n"
        "Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\n"
        "Call-ID: noreason.asndj203insdf99223ndf\n"
        "CSeq: 35 INVITE\n"
        "From: <sip:user@example.com>;tag=39ansfi3\n"
        "To: <sip:user@example.edu>;tag=902jndnke3\n"
        "Content-Length: 0\n"
        "Contact: <sip:user@host105.example.com>\n\n"
    )


VALID = (
    Torture("3.1.1.1", "wsinv", Wants.ACCEPTED, _wsinv()),
    Torture("3.1.1.2", "intmeth", Wants.ACCEPTED, _intmeth(), (404, 405, 407, 501)),
    Torture("3.1.1.3", "esc01", Wants.ACCEPTED, _esc01()),
    Torture("3.1.1.4", "escnull", Wants.ACCEPTED, _escnull(), (401,)),
    Torture("3.1.1.5", "esc02", Wants.ACCEPTED, _esc02(), (404, 405, 407, 501)),
    Torture("3.1.1.6", "lwsdisp", Wants.ACCEPTED, _lwsdisp(), (200,)),
    Torture("3.1.1.7", "longreq", Wants.ACCEPTED, _longreq()),
    Torture("3.1.1.8", "dblreq", Wants.ACCEPTED, _dblreq(), (401,)),
    Torture("3.1.1.9", "semiuri", Wants.ACCEPTED, _semiuri(), (200,)),
    Torture("3.1.1.10", "transports", Wants.ACCEPTED, _transports(), (200,)),
    Torture("3.1.1.11", "mpart01", Wants.ACCEPTED, _mpart01(), (405, 415)),
    Torture("3.1.1.12", "unreason", Wants.IGNORED, _unreason()),
    Torture("3.1.1.13", "noreason", Wants.IGNORED, _noreason()),
)

"""Mails as they are, and not as they should be."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from centralita.core.errors import InvalidInput
from centralita.timeline.html_text import text_of_html
from centralita.timeline.mail_files import Mail, mails, read_mail

DATE = b"Date: Mon, 05 Jan 2026 10:00:00 +0100\n"
NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def mail(headers: bytes, body: bytes = b"hola", date: bytes = DATE) -> Mail:
    read = read_mail(b"From: a@example.org\n" + date + headers + b"\n" + body)
    assert isinstance(read, Mail)
    return read


@pytest.mark.parametrize(
    "header",
    [
        b"Message-ID: <[x@y]>\n", b"Message-ID: <\n", b"Message-ID: <a b@c d>\n", b'To: "\n',
        b'To: ""\n', "To: ana@exámple.com\n".encode(), b"To: \xff\xfe@x\n", b"To: a@b,,;:\n",
        b"Content-Type: text/plain; charset=\"a\x00b\"\n", b"Content-Type: multipart/mixed\n",
        b"Content-Type: text/plain; charset=zip\n", b"Content-Type: ;;;\n",
        b"Subject: =?utf-7?q?+2D0-?=\n", b"Subject: =?x?b?!!!?=\n", b"Subject: =?utf-8?b?a?=\n",
        b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: uuencode\n",
        b"Date: Mon, 05 Jan 99999999999 10:00:00 +0100\n", b"Date:\n", b"Subject:\n",
    ],
)  # fmt: skip
def test_no_header_ends_the_reading_of_a_mail(header: bytes) -> None:
    read = mail(header)
    assert read.sender == "a@example.org" and read.at == NINE
    for text in (read.subject, read.body, read.id):
        text.encode()


def test_what_no_charset_is_told_for_is_utf8_or_windows_1252() -> None:
    for charset in ("utf-8", "cp1252"):
        read = mail("Subject: Reclamación\n".encode(charset), "acción €".encode(charset))
        assert (read.subject, read.body) == ("Reclamación", "acción €")


@pytest.mark.parametrize(
    ("date", "first", "at"),
    [
        (b"Date: Mon, 05 Jan 2026 10:00:00 CET\n", b"", NINE),
        (b"Date: Mon, 05 Jan 2026 18:00:00 JST\n", b"", NINE),
        (b"Date: Mon, 05 Jan 2026 04:00:00 EST\n", b"", NINE),
        # Ireland's or India's: what the last server wrote is surer.
        (
            b"Date: Mon, 05 Jan 2026 10:00:00 IST\nReceived: x; Mon, 5 Jan 2026 09:00:00 +0000\n",
            b"",
            NINE,
        ),
        (b"Date: Mon, 05 Jan 2026 10:00:00 IST\n", b"", None),
        (b"Date: Mon, 06 Jul 2026 11:00:00 CEST (x)\n", b"", datetime(2026, 7, 6, 9, tzinfo=UTC)),
        (b"Date: soon\nReceived: by x; Mon, 05 Jan 2026 10:00:00 +0100\n", b"", NINE),
        (b"", b"From a@b Mon Jan  5 09:00:00 2026\n", NINE),
        (b"Date: Mon, 05 Jan 99999999999 10:00:00 +0100\n", b"", None),
    ],
)
def test_the_time_is_that_of_the_best_header(
    date: bytes, first: bytes, at: datetime | None
) -> None:
    read = read_mail(first + b"From: a@example.org\n" + date + b"\nhola")
    assert isinstance(read, Mail) and read.at == at


def test_a_line_that_begins_with_from_is_text(tmp_path: Path) -> None:
    file = tmp_path / "x.mbox"
    one = b"From a@b Mon Jan  5 10:00:00 2026\nFrom: a@example.org\n" + DATE + b"\n"
    file.write_bytes(
        one + b"hola\n\nFrom the warehouse: KJ5511\n\n>From Ana\n>>From Leo\n\n"
        + one + b"zwei\r\n\r\nFrom x\r\nFrom: c@example.org\r\n\r\ntres\n"
    )  # fmt: skip
    read = [each for _, each in mails(file)]
    assert [each.body for each in read if isinstance(each, Mail)] == [
        "hola\n\nFrom the warehouse: KJ5511\n\nFrom Ana\n>From Leo", "zwei", "tres",
    ]  # fmt: skip


def test_a_mail_alone_is_read_and_what_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "one.eml"
    file.write_bytes(b"From: a@example.org\n" + DATE + b"\nhola\n\nFrom b Mon Jan 5 1:00 2026\n")
    ((place, read),) = mails(file)
    assert place == "one.eml: mail 1" and isinstance(read, Mail)
    assert read.body.startswith("hola")
    file.write_bytes(b"\x00\x01")
    with pytest.raises(InvalidInput, match="neither an mbox file nor a mail"):
        list(mails(file))


ALTERNATIVE = b"""--x
Content-Type: text/plain

%s
--x
Content-Type: text/html; charset=utf-8

<h1>Gracias</h1>Hasta pronto<table><tr><td>Pedido</td><td>ZX4711</td></tr><tr><td>Importe</td>
<td>12</td></tr></table><ul><li>uno<li>dos</ul>
--x--
"""


def test_an_empty_plain_part_gives_way_to_the_html() -> None:
    kind = b'Content-Type: multipart/alternative; boundary="x"\n'
    assert mail(kind, ALTERNATIVE % b"llano").body == "llano"
    assert mail(kind, ALTERNATIVE % b" ").body == (
        "Gracias\nHasta pronto\n\nPedido ZX4711\n\nImporte 12\n\n- uno\n- dos"
    )


def test_copies_go_to_customers_too() -> None:
    read = mail(b"To: undisclosed-recipients:;\nCc: Ana <ANA@example.org>, b@example.org\n")
    assert read.to == ("ana@example.org", "b@example.org")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("<head><style>p{}</style></head>a<script>b", "a"),
        ("1 < 2 &amp; 3 > 2 <!-- no", "1 < 2 & 3 > 2"),
        ("a<b>b</b>c<br/>d", "abc\nd"),
        ("a <", "a <"),
        ("&#" + "9" * 5000 + ";x", "&#" + "9" * 5000 + ";x"),
    ],
)
def test_html_is_read_as_people_see_it(source: str, text: str) -> None:
    assert text_of_html(source) == text

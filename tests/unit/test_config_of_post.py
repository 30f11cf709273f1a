"""`[email]` and `[sms]` in sip.conf: what they become, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from centralita.channels.email import EmailSender
from centralita.channels.mailbox import Mailbox
from centralita.channels.sms import KannelSender
from centralita.server.config import read_secret
from centralita.server.post import senders
from tests.unit.test_config import complaint, read

EMAIL = "[email]\nserver = mail.example.org\nfrom = Talleres Gil <hola@example.org>\n"
SMS = "[sms]\nurl = http://127.0.0.1:13013/cgi-bin/sendsms\nfrom = Talleres\n"
LOGIN = "user = us\npassword_file = secret\n"


@pytest.fixture(autouse=True)
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    ("more", "port"),
    [
        ("", 587),
        ("security = tls\n", 465),
        ("security = none\n", 25),
        ("security = tls\nserver = mail.example.org:2525\n", 2525),
    ],
)
def test_the_port_is_the_usual_one_unless_another_is_named(
    more: str, port: int, tmp_path: Path
) -> None:
    text = EMAIL if "server" not in more else EMAIL.replace("server = mail.example.org\n", "")
    config = read(text + more, tmp_path).email
    assert (config.server or ("", 0))[0] == "mail.example.org" and config.port == port
    assert config.from_ == Mailbox(name="Talleres Gil", address="hola@example.org")


def test_each_section_that_is_filled_in_is_a_sender(tmp_path: Path) -> None:
    config = read(EMAIL + LOGIN + SMS + LOGIN, tmp_path)
    made = list(senders(config.email, config.sms, read_secret))
    assert [type(one) for one in made] == [EmailSender, KannelSender]
    assert "s3cret" not in repr(made[0]._server) + repr(made[1]._gateway)  # type: ignore[attr-defined]
    empty = read("", tmp_path)
    assert list(senders(empty.email, empty.sms, read_secret)) == []


@pytest.mark.parametrize(
    ("written", "mailbox"),
    [
        ("hola@example.org", Mailbox(address="hola@example.org")),
        ("<hola@example.org>", Mailbox(address="hola@example.org")),
        (
            "Talleres Núñez, S. L. <hola@example.org>",
            Mailbox(name="Talleres Núñez, S. L.", address="hola@example.org"),
        ),
        (
            '"Talleres, Gil" <hola@example.org>',
            Mailbox(name="Talleres, Gil", address="hola@example.org"),
        ),
    ],
)
def test_a_sender_is_written_as_people_write_it(
    written: str, mailbox: Mailbox, tmp_path: Path
) -> None:
    assert read(f"[email]\nreply_to = {written}\n", tmp_path).email.reply_to == mailbox


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.9"])
def test_a_password_needs_no_tls_on_this_machine(host: str, tmp_path: Path) -> None:
    text = EMAIL.replace("mail.example.org", host) + LOGIN + "security = none\n"
    assert read(text, tmp_path).email.security == "none"


def test_a_relay_that_wants_no_password_may_do_without_tls(tmp_path: Path) -> None:
    assert read(EMAIL + "security = none\n", tmp_path).email.user == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            EMAIL + LOGIN + "security = none\n",
            "sip.conf:6 [email] security: the password would go to mail.example.org for everybody "
            "to read; write starttls or tls",
        ),
        (
            "[email]\nserver = mail.example.org\n",
            "sip.conf:1 [email] from: say whom emails come from: "
            "from = Talleres Gil <hola@example.org>",
        ),
        (
            EMAIL + "user = us\n",
            "sip.conf:1 [email] password_file: user and password_file belong together; "
            "write both or none",
        ),
        (
            EMAIL + "reply_to = nobody\n",
            'sip.conf:4 [email] reply_to: "nobody" is not an address; '
            "write hola@example.org or Talleres Gil <hola@example.org>",
        ),
        (
            "[email]\nserver = mail server\n",
            'sip.conf:2 [email] server: "mail server" is neither an IP address nor a host name; '
            "write one like 192.0.2.10 or pbx.example.org",
        ),
        (
            EMAIL + "user = us\npassword_file = nowhere\n",
            "sip.conf:5 [email] password_file: nowhere is not a file",
        ),
        (
            "[sms]\nurl = http://sms.example.org/cgi-bin/sendsms\nfrom = Talleres\n" + LOGIN,
            "sip.conf:2 [sms] url: the password would go to sms.example.org for everybody to "
            "read; write https://",
        ),
        (
            "[sms]\nurl = https://us:pw@sms.example.org/\nfrom = Talleres\n" + LOGIN,
            "sip.conf:2 [sms] url: leave out name, password and what follows a ?; "
            "there are settings for them",
        ),
        (
            "[sms]\nurl = https:///cgi-bin\nfrom = Talleres\n" + LOGIN,
            "sip.conf:2 [sms] url: there is no host in it; "
            "write http://127.0.0.1:13013/cgi-bin/sendsms",
        ),
        (SMS, "sip.conf:1 [sms] user: the gateway wants user and password_file"),
        (
            SMS.replace("Talleres", "Talleres Hermanos Gil"),
            'sip.conf:3 [sms] from: "Talleres Hermanos Gil" can send no SMS; '
            "write a number, or up to 11 letters and digits",
        ),
        (
            "[email]\nform = x\n",
            'sip.conf:2 [email] form: there is no such setting; did you mean "from"?',
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_its_cure(
    text: str, said: str, tmp_path: Path
) -> None:
    assert complaint(text, tmp_path) == said


def test_a_password_file_that_others_can_read_is_refused(secret: Path, tmp_path: Path) -> None:
    secret.chmod(0o644)
    assert "[email] password_file: other users can read it; chmod 600" in complaint(
        EMAIL + LOGIN, tmp_path
    )

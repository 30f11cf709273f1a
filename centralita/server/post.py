"""What `[email]` and `[sms]` say, as senders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, cast

from centralita.channels.email import EmailSender, MailServer
from centralita.channels.protocol import Sender
from centralita.channels.sms import KannelSender, SmsGateway
from centralita.server.settings import EmailConfig, SmsConfig


def senders(email: EmailConfig, sms: SmsConfig, secret: Callable[[Path], str]) -> Iterator[Sender]:
    """A sender for each section that is filled in. `secret` reads a password file."""
    if email.server is not None and email.from_ is not None:
        yield EmailSender(
            MailServer(
                host=email.server[0],
                port=email.port,
                security=cast(Literal["starttls", "tls", "none"], email.security),
                sender=email.from_,
                reply_to=email.reply_to,
                user=email.user,
                password=secret(email.password_file) if email.password_file is not None else "",
            )
        )
    if sms.url and sms.password_file is not None:
        yield KannelSender(
            SmsGateway(
                url=sms.url,
                user=sms.user,
                password=secret(sms.password_file),
                sender=sms.from_,
            )
        )

"""Who is trying to log in: counted by the name that is looked up, and the address."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Final

from django.http import HttpRequest

from user_project.accounts import guesses
from user_project.accounts.addresses import client_address

LOCK_SECONDS: Final = 15 * 60
"""Wrong passwords for one name from one address: others can still log in as that name."""
NAME_LENGTH: Final = 150


def looked_up(name: str, /) -> str:
    """Return the name that the form and the backend make of what was typed."""
    return unicodedata.normalize("NFKC", name.strip())


def begin_login(*, request: HttpRequest, name: str, now: datetime) -> None:
    """Count a try; raise guesses.TooOften when the address or the name has to wait."""
    guesses.begin(
        what=_password_of(name),
        address=client_address(request=request),
        seconds=LOCK_SECONDS,
        now=now,
    )


def end_login(*, request: HttpRequest, name: str) -> None:
    """The password was right: the name's wrong ones from this address are forgotten."""
    guesses.forget(what=_password_of(name), address=client_address(request=request))


def _password_of(name: str, /) -> str:
    # Other cases of a name are other people, if anybody: counted together, because
    # nobody types them but by mistake. PostgreSQL stores no NUL.
    plain = looked_up(name).casefold().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return f"login {plain[:NAME_LENGTH]}"

"""The second step of a login: a code of the person's phone, or one written down."""

from __future__ import annotations

import base64
import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import segno
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.translation import gettext as _
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from user_project.accounts import guesses
from user_project.accounts.sessions import end_other_sessions

RECOVERY_CODES: Final = 10
DIGITS: Final = 6
GUESS_SECONDS: Final = 60


class WrongCode(Exception):
    """A code that does not open; the message says what to do."""


class Changed(Exception):
    """Another page has changed the setting meanwhile; the message says what holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an authenticator app needs to know."""

    picture: str
    """A QR code as a ``data:`` address."""
    secret: str
    """The same to type, in base32."""
    device: int
    """Which offer it is: a page may be older than the newest one."""


def has_second_step(user: Any, /) -> bool:
    """Tell whether a password alone does not let *user* in."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


@contextmanager
def settled(*, user: Any) -> Iterator[None]:
    """Let nobody else turn the step on or off, or log in past it, meanwhile."""
    with transaction.atomic():
        people = get_user_model().objects.select_for_update(no_key=True)
        people.filter(pk=user.pk).first()
        yield


def check_code(*, user: Any, code: str, now: datetime) -> None:
    """Use up *code*; raise WrongCode when it is none of the user's.

    Six digits are the phone's, all else is a written code. Each kind counts its own
    wrong ones, so that who has lost the phone gets in after any number of them: ten a
    minute (TooOften), and the next is looked at only after a pause that doubles.
    """
    code = typed(code)
    kind = TOTPDevice if code.isdecimal() and len(code) <= DIGITS else StaticDevice
    what = f"code {kind.__name__} {user.pk}"
    guesses.begin(what=what, seconds=GUESS_SECONDS, now=now)
    if not _opens(kind, user, code):
        raise WrongCode(
            _(
                "코드가 맞지 않거나 너무 자주 시도했습니다. 잠시 뒤 새 코드를 입력하세요."
            )
        )
    guesses.forget(what=what)


def typed(code: str, /) -> str:
    """Return what was meant: without gaps and dashes, in plain small letters."""
    plain = unicodedata.normalize("NFKC", code).casefold()
    return re.sub(r"[\s-]", "", plain)


def _opens(kind: Any, user: Any, code: str, /) -> bool:
    if not code.isascii() or not code.isalnum():
        return False  # never in the database, which could not even compare a NUL
    with transaction.atomic():
        devices = kind.objects.devices_for_user(user, confirmed=True)
        return any(device.verify_token(code) for device in devices.select_for_update())


def offer(*, user: Any) -> Offer:
    """Return what the phone has to scan; it counts from the first right code on."""
    with settled(user=user):
        device = _begun(user).first() or TOTPDevice.objects.create(
            user=user, confirmed=False, name="totp"
        )
    return Offer(
        picture=segno.make(device.config_url).svg_data_uri(scale=5, light="white"),
        secret=base64.b32encode(device.bin_key).decode(),
        device=device.pk,
    )


def turn_on(
    *,
    user: Any,
    code: str,
    now: datetime,
    device: int | None = None,
    session: str | None = None,
) -> list[str]:
    """Ask for codes from now on; return the ones to write down, shown once.

    Logins by the password alone end, all but *session*. *device* names the offer that
    the page showed, None any. Raises WrongCode unless the phone already tells the right
    one, Changed when the step is on or the offer is gone.
    """
    with settled(user=user):
        offered = _offered(user, device)
        if not offered.verify_token(typed(code)):
            raise WrongCode(
                _("코드가 맞지 않습니다. 휴대폰의 시각을 맞추고 새 코드를 입력하세요.")
            )
        offered.confirmed = True
        offered.save()
        _begun(user).delete()
        end_other_sessions(user=user, keep=session, now=now)
        return _write_down(user)


def turn_off(*, user: Any) -> None:
    """Let the password alone open again. Raises Changed when it does already."""
    with settled(user=user):
        if not has_second_step(user):
            raise Changed(_("2단계 로그인은 이미 꺼져 있습니다."))
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()


def _begun(user: Any, /) -> Any:
    return TOTPDevice.objects.filter(user=user, confirmed=False).order_by("pk")


def _offered(user: Any, device: int | None, /) -> Any:
    if has_second_step(user):
        raise Changed(_("2단계 로그인은 이미 켜져 있습니다. 다른 창에서 켠 것입니다."))
    begun = _begun(user)
    offered = (begun if device is None else begun.filter(pk=device)).first()
    if offered is None:
        raise Changed(
            _("그림이 바뀌었습니다. 이 화면의 새 그림을 찍고 그 코드를 입력하세요.")
        )
    return offered


def _write_down(user: Any, /) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery", confirmed=True)
    codes = [secrets.token_hex(5) for _number in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(
        StaticToken(device=device, token=code) for code in codes
    )
    return codes

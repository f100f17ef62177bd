"""The second step of a login: a code of the person's phone, or one written down."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import Any, Final

import segno
from django.db import transaction
from django.utils.translation import gettext as _
from django_otp import match_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

RECOVERY_CODES: Final = 10


class WrongCode(Exception):
    """A code that does not open; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an authenticator app needs to know."""

    picture: str
    """A QR code as a ``data:`` address."""
    secret: str
    """The same to type, in base32."""


def has_second_step(user: Any, /) -> bool:
    """Tell whether a password alone does not let *user* in."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def check_code(*, user: Any, code: str) -> None:
    """Use up *code*; raise WrongCode when it is none of the user's.

    After a wrong one the next counts only after a pause, which doubles each time.
    """
    if match_token(user, code.replace(" ", "")) is None:
        raise WrongCode(
            _(
                "코드가 맞지 않거나 너무 자주 시도했습니다. 잠시 뒤 새 코드를 입력하세요."
            )
        )


def offer(*, user: Any) -> Offer:
    """Return what the phone has to scan; it counts from the first right code on."""
    device, _made = TOTPDevice.objects.get_or_create(
        user=user, confirmed=False, defaults={"name": "totp"}
    )
    return Offer(
        picture=segno.make(device.config_url).svg_data_uri(scale=5, light="white"),
        secret=base64.b32encode(device.bin_key).decode(),
    )


def turn_on(*, user: Any, code: str) -> list[str]:
    """Ask for codes from now on; return the ones to write down, shown once.

    Raises WrongCode unless the phone already tells the right one.
    """
    with transaction.atomic():
        device = (
            TOTPDevice.objects.select_for_update()
            .filter(user=user, confirmed=False)
            .first()
        )
        if device is None or not device.verify_token(code.replace(" ", "")):
            raise WrongCode(
                _("코드가 맞지 않습니다. 휴대폰의 시각을 맞추고 새 코드를 입력하세요.")
            )
        device.confirmed = True
        device.save()
        return _write_down(user)


def turn_off(*, user: Any) -> None:
    """Let the password alone open again."""
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()


def _write_down(user: Any, /) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery", confirmed=True)
    codes = [secrets.token_hex(5) for _number in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(
        StaticToken(device=device, token=code) for code in codes
    )
    return codes

"""Secrets of one stack: made once at random, kept readable by their owner only."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from deploy.services import write_private

ADMIN = "admin"
FLOWER_USER = "dantaro"


def _token() -> str:
    return secrets.token_urlsafe(24)


@dataclass(kw_only=True)
class Credentials:
    """The secrets, the ports last used, and what was already prepared with them."""

    path: Path
    central_secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    user_secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    central_store_password: str = field(default_factory=_token)
    user_store_password: str = field(default_factory=_token)
    flower_password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    metrics_token: str = field(default_factory=_token)
    admin_password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    keys_kek: str = field(
        default_factory=lambda: base64.b64encode(os.urandom(32)).decode()
    )
    access_key: str = field(default_factory=lambda: secrets.token_hex(20))
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))
    instance: str = field(default_factory=lambda: secrets.token_hex(4))
    central_api_key: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    prepared: list[str] = field(default_factory=list)

    @classmethod
    def load_or_make(cls, directory: Path) -> Self:
        """Read the directory's secrets, or make them if there are none."""
        path = directory / "secrets.json"
        kept: dict[str, Any] = {}
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
        credentials = cls(path=path, **kept)
        credentials.save()
        return credentials

    def save(self) -> None:
        """Write them back."""
        values = asdict(self)
        del values["path"]
        write_private(self.path, json.dumps(values, indent=1) + "\n")

    def store_password(self, side: str) -> str:
        """Return the password of one side's PostgreSQL and Valkey."""
        return {
            "central": self.central_store_password,
            "user": self.user_store_password,
        }[side]

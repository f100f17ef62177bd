"""Load what the first visitors would otherwise wait for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

from django.conf import settings
from django.template.loader import get_template

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


def load_pages() -> None:
    """Import every view and compile every page of this app.

    Before the web process freezes what it has loaded: then this never counts as
    something that may be garbage.
    """
    import_module(settings.ROOT_URLCONF)
    for path in TEMPLATES.rglob("*.html"):
        get_template(str(path.relative_to(TEMPLATES)))

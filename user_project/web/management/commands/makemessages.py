"""``makemessages`` that knows the short names under which our code marks sentences."""

from __future__ import annotations

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    """Collect msgids for the catalogues; see docs/decisions.md."""

    xgettext_options = [
        *makemessages.Command.xgettext_options,
        *("--keyword=_lazy", "--keyword=_noop", "--keyword=say"),
    ]

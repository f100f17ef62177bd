"""WSGI entry point of the user server."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "user_project.settings")
application = get_wsgi_application()

# After Django is set up: the accounts are models.
from django.db import connections  # noqa: E402

from user_project.accounts.startup import say_unreadable_keys  # noqa: E402
from user_project.web.warm import load_pages  # noqa: E402

say_unreadable_keys()
load_pages()
connections.close_all()  # the first request may be long in coming
# What is loaded by now stays for good: looking through it again and again for garbage
# would hold a request up for a tenth of a second now and then.
gc.collect()
gc.freeze()

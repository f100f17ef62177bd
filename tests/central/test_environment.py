"""What can be set is explained in one file and set in every test."""

from __future__ import annotations

import re
from pathlib import Path

from deploy.testing import django_environment

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {"NUMBA_CACHE_DIR", "PROMETHEUS_MULTIPROC_DIR"}
"""Settings that a library reads from the environment itself."""


def names_read() -> set[str]:
    source = (ROOT / "central_project" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r'(?:env\.\w+|_required|_positive)\(\s*"([A-Z_]+)"', source))


def test_the_example_explains_every_setting_and_no_other() -> None:
    example = (ROOT / ".env.central.example").read_text(encoding="utf-8")

    explained = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))

    assert explained == names_read() | LIBRARIES


def test_no_file_shows_through_into_the_tests() -> None:
    given = {"DATABASE_URL": "postgresql://a/b", "REDIS_URL": "redis://a"}

    assert names_read() <= set(django_environment(folder="central", given=given))

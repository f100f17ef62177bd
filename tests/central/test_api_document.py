"""The committed OpenAPI file and the integrator's guide say what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from pydantic import BaseModel

from central_project.api import examples
from central_project.api.requests import BundleRequest
from common import wire

FILE = Path(settings.BASE_DIR) / "docs" / "openapi" / "central-v1.yaml"
HANGUL = re.compile("[가-힣]")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The committed description."""
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return loaded


def test_the_committed_file_is_what_the_code_generates(tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))

    assert made.read_text("utf-8") == FILE.read_text("utf-8"), (
        "the API changed: run `manage_central.py spectacular --validate --fail-on-warn"
        f" --file {FILE.relative_to(settings.BASE_DIR)}` and commit the file"
    )


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def texts(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every place that needs a description, and what stands there."""
    for name, operation in operations(document):
        yield name, operation["description"]
        yield f"{name} summary", operation["summary"]
        for one in operation.get("parameters", []):
            yield f"{name} {one['name']}", one.get("description", "")
        for status, response in operation["responses"].items():
            yield f"{name} {status}", response.get("description", "")
            for header, one in response.get("headers", {}).items():
                yield f"{name} {status} {header}", one.get("description", "")
    for name, schema in document["components"]["schemas"].items():
        for field, one in schema.get("properties", {}).items():
            yield f"{name}.{field}", one.get("description", "")


def test_everything_is_described_in_both_languages(document: dict[str, Any]) -> None:
    def is_bilingual(text: str) -> bool:
        return bool(HANGUL.search(text) and re.search("[A-Za-z]{3}", text))

    bare = [place for place, text in texts(document) if not is_bilingual(text)]

    assert bare == []


def test_every_answer_has_an_example(document: dict[str, Any]) -> None:
    missing = [
        f"{name} {status}"
        for name, operation in operations(document)
        for status, response in operation["responses"].items()
        if status != "304"
        and not all("examples" in one for one in response["content"].values())
    ]

    assert missing == []


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (wire.RecommendationsAnswer, examples.RECOMMENDATIONS),
        (wire.SupportLevelsAnswer, examples.SUPPORT_LEVELS),
        (wire.MarketStatusAnswer, examples.MARKET_STATUS),
        (wire.CandlesAnswer, examples.CANDLES),
        (wire.BundleAnswer, examples.BUNDLE),
        (wire.BundleAnswer, examples.BUNDLE_UNCHANGED),
        (BundleRequest, examples.BUNDLE_REQUEST),
    ],
)
def test_the_examples_follow_the_contract(
    model: type[BaseModel], body: dict[str, Any]
) -> None:
    read = model.model_validate_json(json.dumps(body))

    assert json.loads(read.model_dump_json(exclude_unset=True)) == body


def test_headers_an_integrator_plans_with_are_described(
    document: dict[str, Any],
) -> None:
    responses = document["paths"]["/api/v1/recommendations"]["get"]["responses"]

    assert {"ETag", "Cache-Control", "RateLimit"} <= responses["200"]["headers"].keys()
    assert "ETag" in responses["304"]["headers"]
    assert "Retry-After" in responses["429"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]
    assert "WWW-Authenticate" in responses["401"]["headers"]


def test_enums_name_their_values(document: dict[str, Any]) -> None:
    schemas: Mapping[str, Any] = document["components"]["schemas"]

    for enum in (wire.Level, wire.Phase, wire.CandleKind):
        assert schemas[enum.__name__]["enum"] == [one.value for one in enum]
        assert HANGUL.search(schemas[enum.__name__]["description"])


@pytest.mark.parametrize("address", ["/api/docs", "/api/redoc"])
def test_the_documentation_needs_nothing_from_outside(address: str) -> None:
    page = Client().get(address).content.decode()

    assert "https://" not in page.replace("https://www.w3.org", "")
    assert "validator.swagger.io" not in page


@pytest.mark.django_db
def test_the_served_description_is_the_committed_one(
    document: dict[str, Any],
) -> None:
    served = Client().get("/api/schema", headers={"Accept": "application/json"})

    assert served.json() == document

"""The committed OpenAPI file and the integrator's guide say what the code does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pydantic import BaseModel
from rest_framework.test import APIClient

from central_project.api import examples, schema
from central_project.api.models import ApiKey
from central_project.api.requests import BundleRequest
from common import wire
from tests.central.market_world import publish_run

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
    for name, model in document["components"]["schemas"].items():
        for field, one in model.get("properties", {}).items():
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


# --- the guide ---------------------------------------------------------------------

GUIDE = Path(settings.BASE_DIR) / "docs" / "api.md"
READER = Path(settings.BASE_DIR) / "docs" / "examples" / "central_api_reader.py"


def blocks(language: str) -> list[tuple[str, str]]:
    """Return each fenced block of *language*: what follows the word, and the text."""
    fences = rf"```{language} ?(\w*)\n(.*?)```"
    return re.findall(fences, GUIDE.read_text("utf-8"), re.DOTALL)


def test_the_guides_bodies_follow_the_contract() -> None:
    bodies = blocks("json")

    assert len(bodies) >= 4
    for name, text in bodies:
        model = getattr(wire, name, None) or getattr(schema, name)
        read = model.model_validate_json(text)
        assert json.loads(read.model_dump_json(exclude_unset=True)) == json.loads(text)


@pytest.mark.django_db
def test_the_guides_commands_are_answered(reader: APIClient) -> None:
    publish_run(now=datetime(2026, 11, 23, 9, tzinfo=UTC))
    publish_run(now=timezone.now())
    commands = " ".join(text for _, text in blocks("sh"))

    addresses = re.findall(r'\$CENTRAL(/api/v1/[^"]+)"', commands)
    sent = re.findall(r"-d '(.*?)'", commands)

    assert len(addresses) >= 7
    for address in addresses:
        if address == "/api/v1/bundle":
            answer = reader.post(address, json.loads(sent.pop(0)))
        else:
            answer = reader.get(address)
        assert answer.status_code == 200, (address, answer.content)


def test_the_guide_lists_every_code() -> None:
    table = GUIDE.read_text("utf-8").partition("<!-- codes -->")[2].partition("\n\n")[0]
    listed = {
        (int(row.split("|")[1]), code)
        for row in table.splitlines()[3:]
        for code in re.findall(r"`(\w+)`", row)
    }

    described = {(status, code) for code, (status, _) in examples.PROBLEMS.items()}
    assert listed == described


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_guides_programs_run(live_server: Any, tmp_path: Path) -> None:
    publish_run(now=timezone.now())
    _, key = ApiKey.objects.issue(name="guide")
    snippet = tmp_path / "snippet.py"
    snippet.write_text(blocks("python")[0][1])
    environment = {
        "CENTRAL_URL": live_server.url,
        "CENTRAL_API_KEY": key,
        "PYTHONPATH": str(settings.BASE_DIR),
    }

    def run(*arguments: object) -> str:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run(snippet) == "KRW-BTC 900\n"
    ranking = run(READER, "--once").splitlines()
    assert ranking[0].endswith("fresh")
    assert len(ranking) == 1 + 5
    environment["CENTRAL_API_KEY"] = "dk_live_wrong"
    with pytest.raises(AssertionError, match="API_KEY_INVALID"):
        run(READER, "--once")

"""One place builds the exchange's client, without retries, and one sends orders."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import upbit

from user_project.exchanges.upbit_wire import open_client

ROOT = Path(__file__).resolve().parents[2]
PRODUCTS = ("common", "central_project", "user_project")
HOME = "user_project/exchanges/upbit_wire.py"
CLIENTS = {"Upbit", "AsyncUpbit", "Client", "AsyncClient"}
"""Upbit's SDK sends through httpx; either could repeat a request."""
ORDER_CALLS = {"create", "cancel_and_new", "cancel_open", "cancel_by_uuids"}
SENT_FROM = {"user_project/exchanges/upbit.py": {"create", "cancel"}}


def sources() -> list[Path]:
    found = [path for place in PRODUCTS for path in (ROOT / place).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the last part of its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def clients(tree: ast.AST) -> list[str]:
    """Return the clients that code builds, imported under any name."""
    names = {name: name for name in CLIENTS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("upbit", "httpx"):
            names |= {item.asname or item.name: item.name for item in node.names}
    return [names[name] for name, _ in calls(tree) if names.get(name) in CLIENTS]


def repeaters(tree: ast.AST) -> list[str]:
    """Return what asks for retries: a number of them, or a copy of a client."""
    asked = [name for name, _ in calls(tree) if name == "with_options"]
    for name, call in calls(tree):
        asked += [
            f"{name}({keyword.arg}=…)"
            for keyword in call.keywords
            if keyword.arg in ("max_retries", "retries") and not is_zero(keyword.value)
        ]
    return asked


def is_zero(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value == 0


def order_calls(tree: ast.AST) -> set[str]:
    """Return the order-changing calls of the SDK's order resource that code makes."""
    return {
        name
        for name, call in calls(tree)
        if "order" in ast.unparse(call.func).lower()
        and name in ORDER_CALLS | {"cancel"}
        and "objects" not in ast.unparse(call.func)
    }


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def trees() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text()) for path in sources()}


def test_clients_are_built_in_one_place() -> None:
    built = {name: found for name, tree in trees().items() if (found := clients(tree))}

    assert {name: sorted(found) for name, found in built.items()} == {
        HOME: ["Client", "Upbit"]
    }


def test_nobody_asks_for_retries() -> None:
    # requests and redis have arguments of that name; neither ever sends an order.
    others = ("central_project/", "user_project/central_api/")

    asked = {
        name: found
        for name, tree in trees().items()
        if not name.startswith(others) and (found := repeaters(tree))
    }

    assert asked == {}


def test_orders_are_changed_from_one_place() -> None:
    sent = {
        name: found
        for name, tree in trees().items()
        if name.startswith("user_project/exchanges") and (found := order_calls(tree))
    }

    assert sent == SENT_FROM


@pytest.mark.parametrize(
    "code",
    [
        "Upbit()",
        "upbit.Upbit(max_retries=0)",
        "from upbit import Upbit as U\nU()",
        "from upbit import AsyncUpbit\nAsyncUpbit()",
        "httpx.Client()",
    ],
)
def test_the_search_for_clients_finds_them(code: str) -> None:
    assert len(clients(ast.parse(code))) == 1


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("Upbit(max_retries=2)", 1),
        ("Upbit(max_retries=N)", 1),
        ("Upbit(max_retries=0)", 0),
        ("client.with_options(timeout=3)", 1),
        ("httpx.HTTPTransport(retries=1)", 1),
    ],
)
def test_the_search_for_retries_finds_them(code: str, count: int) -> None:
    assert len(repeaters(ast.parse(code))) == count


def test_the_search_for_order_calls_finds_them() -> None:
    code = (
        "client.orders.create(x)\nself._orders.cancel(uuid=u)\nOrder.objects.create()"
    )

    assert order_calls(ast.parse(code)) == {"create", "cancel"}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(429),
        httpx.Response(408),
        httpx.Response(409),
        httpx.Response(503, headers={"x-should-retry": "true", "retry-after": "0"}),
        httpx.Response(307, headers={"location": "http://upbit.test/again"}),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("down"),
    ],
    ids=str,
)
def test_the_client_itself_sends_once(answer: httpx.Response | Exception) -> None:
    sent: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = open_client(
        base_url="http://upbit.test",
        access_key="a",
        secret_key="s" * 40,
        transport=httpx.MockTransport(handle),
    )

    with pytest.raises(upbit.APIError):
        client.orders.create(
            market="KRW-BTC", side="bid", ord_type="price", price="6000"
        )

    assert len(sent) == 1
    assert client.max_retries == 0

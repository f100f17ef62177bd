"""Faults and the wrong clock over HTTP, for whoever runs a test."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aiohttp import web

from deploy.simulator.faults.asked import FaultRefused, fault_asked
from deploy.simulator.faults.clock import FURTHEST_MS
from deploy.simulator.faults.registry import Faults, armed_view
from deploy.simulator.house import HOUSE
from deploy.simulator.operator.admin_body import AdminRefused, body_of

_METHODS = ("GET", "POST", "DELETE")


async def add_fault(request: web.Request) -> web.Response:
    """POST /simulator/faults: let something go wrong from now on."""
    body = await body_of(request, allowed=None)
    try:
        fault = fault_asked(asked=body.values, known=endpoints(request.app))
    except FaultRefused as error:
        raise AdminRefused(str(error)) from error
    return web.json_response(armed_view(_faults(request).add(fault=fault)), status=201)


async def list_faults(request: web.Request) -> web.Response:
    """GET /simulator/faults: all faults and how often they struck."""
    return web.json_response([armed_view(one) for one in _faults(request).armed()])


async def fault_log(request: web.Request) -> web.Response:
    """GET /simulator/faults/log: what faults did, the oldest first."""
    return web.json_response([asdict(hit) for hit in _faults(request).hits])


async def remove_fault(request: web.Request) -> web.Response:
    """DELETE /simulator/faults/{id}: let it strike no more."""
    wanted = request.match_info["id"]
    if not _faults(request).remove(fault=wanted):
        known = ", ".join(one.id for one in _faults(request).armed()) or "none"
        raise AdminRefused(f"no fault {wanted!r}; there are {known}", status=404)
    return web.json_response({"removed": 1})


async def clear_faults(request: web.Request) -> web.Response:
    """DELETE /simulator/faults: let all be well again."""
    return web.json_response({"removed": _faults(request).clear()})


async def set_clock(request: web.Request) -> web.Response:
    """POST /simulator/clock: write timestamps that are `offset_ms` from the truth."""
    body = await body_of(request, allowed=("offset_ms",))
    offset_ms = body.needed("offset_ms", _offset)
    _faults(request).offset_ms = offset_ms
    return web.json_response({"offset_ms": offset_ms})


def endpoints(app: web.Application, /) -> tuple[str, ...]:
    """Return the exchange's REST endpoints as faults name them."""
    return tuple(
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource is not None
        and route.method in _METHODS
        and route.resource.canonical.startswith("/v1/")
    )


def _offset(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise AdminRefused(f"{name} is a whole number of milliseconds")
    if abs(value) > FURTHEST_MS:
        raise AdminRefused(f"{name} can be -{FURTHEST_MS} to {FURTHEST_MS}")
    return value


def _faults(request: web.Request) -> Faults:
    faults = request.app[HOUSE].faults
    if faults is None:
        raise web.HTTPNotFound
    return faults

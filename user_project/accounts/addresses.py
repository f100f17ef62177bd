"""From where a request comes, behind proxies too."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address
IPV6_OF_ONE: Final = 64
"""Whoever has one IPv6 address has all that begin with the same bits."""


def client_address(*, request: HttpRequest) -> str:
    """Return the address by which a client is counted; empty on a socket without any.

    Anybody can send an X-Forwarded-For. It is read from its end, as far as addresses of
    DANTARO_TRUSTED_PROXIES wrote it: the first other address is the client. What cannot
    be read ends the search at the proxy that wrote it.
    """
    nearest = _read(request.META.get("REMOTE_ADDR") or "")
    if nearest is None:
        return ""
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        before = _read(hop) if _is_trusted(nearest) else None
        if before is None:
            break
        nearest = before
    return _counted_as(nearest)


def _is_trusted(address: Address, /) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)


def _read(text: str, /) -> Address | None:
    """Read an address; some proxies write its port, too."""
    text = text.strip()
    try:
        return _plain(ip_address(text))
    except ValueError:
        pass
    try:
        return _plain(ip_address(urlsplit(f"//{text}").hostname or ""))
    except ValueError:
        return None


def _plain(address: Address, /) -> Address:
    """Return the IPv4 address that a socket for both kinds shows as IPv6."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _counted_as(address: Address, /) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    network = IPv6Network((int(address), IPV6_OF_ONE), strict=False)
    return str(network.network_address)

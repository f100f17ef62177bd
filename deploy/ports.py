"""TCP ports of a stack: the configured ones, or free ones of our own choice."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

HOST = "127.0.0.1"
OWN_RANGE = range(20000, 32000)
"""Below the range from which the kernel takes ports for outgoing connections, so a
server that is down for a moment finds its port again."""


class PortTaken(Exception):
    """A configured port is in use; the message says by whom and what to do."""


def free_ports(count: int) -> list[int]:
    """Return that many ports nobody listens on."""
    ports: list[int] = []
    for port in _shuffled():
        if is_free(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise PortTaken(f"no {count} free ports from 20000 to 32000 on {HOST}")


def _shuffled() -> Iterator[int]:
    yield from random.sample(OWN_RANGE, len(OWN_RANGE))


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: a connection that is just fading away does not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def assign_ports(
    *, names: list[str], configured: Mapping[str, str], kept: Mapping[str, int]
) -> dict[str, int]:
    """Give every name a port: configured, else the last one, else any free one.

    `configured` holds NAME=port and DANTARO_PORT_BASE, from which the names count up
    in their order. PortTaken if a configured one is in use.
    """
    ports = {name: _configured_port(name, names, configured) for name in names}
    for name, port in ports.items():
        if port is not None and not is_free(port):
            raise PortTaken(_taken(name, port, configured))
    spare = iter(free_ports(2 * len(names)))
    used = {port for port in ports.values() if port is not None}
    result: dict[str, int] = {}
    for name in names:
        wanted = ports[name] or kept.get(name)
        if wanted is None or (ports[name] is None and _unusable(wanted, used)):
            wanted = next(port for port in spare if port not in used)
        used.add(wanted)
        result[name] = wanted
    return result


def _unusable(port: int, used: set[int]) -> bool:
    return port in used or not is_free(port)


def _configured_port(
    name: str, names: list[str], configured: Mapping[str, str]
) -> int | None:
    source, text = name, configured.get(name, "")
    offset = 0
    if not text:
        source, text = "DANTARO_PORT_BASE", configured.get("DANTARO_PORT_BASE", "")
        offset = names.index(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise PortTaken(f"{source} is {text!r}; it must be a port number, say 8100.")
    port = int(text) + offset
    if not 1024 <= port <= 65535:
        raise PortTaken(
            f"{source}={text} leads to port {port} for {name}; use 1024 to 65535."
        )
    return port


def _taken(name: str, port: int, configured: Mapping[str, str]) -> str:
    variable = name if configured.get(name) else "DANTARO_PORT_BASE"
    holder = _holder(port)
    who = f"by {holder}" if holder else "by another program"
    return (
        f"Port {port} ({name}) is already in use {who}. End that program, or set"
        f" {variable} to another port (unset, free ports are chosen)."
    )


def _holder(port: int) -> str | None:
    """Name the process that listens on the port, as far as we may see it."""
    inodes = _listening_inodes(port)
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target in inodes:
            process = descriptor.parent.parent
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
            return f"process {process.name} ({command.decode(errors='replace')[:60].strip()})"
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            local, state, inode = (row.split()[i] for i in (1, 3, 9))
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{inode}]")
    return inodes

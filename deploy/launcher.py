"""`make up` and `make stop`: both servers on this machine, with kept state."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import FrameType

from deploy.choices import InvalidChoice, common_choices, price_choice
from deploy.management import CommandFailed
from deploy.paper_prices import (
    PricesRefused,
    decide,
    keep_source,
    kept_source,
    why_unreadable,
)
from deploy.ports import PortTaken
from deploy.runs import AlreadyRunning, stop_running
from deploy.service_programs import ServiceUnavailable
from deploy.stack import Stack
from deploy.stack_options import RUN, StackOptions
from deploy.supervisor import StartFailed

KEPT = RUN / "up"
REFUSALS = (AlreadyRunning, PortTaken, ServiceUnavailable)
"""Nothing was started; the message names the remedy. Exit code 2."""
FAILURES = (StartFailed, CommandFailed)


class StopRequested(BaseException):
    """Somebody asked the launcher to stop (Ctrl-C, SIGTERM, SIGHUP)."""


def main(arguments: list[str]) -> int:
    """Run `up` or `stop`."""
    if arguments == ["up"]:
        return up()
    if arguments == ["stop"]:
        return _stop()
    print("usage: python -m deploy.launcher up|stop", file=sys.stderr)
    return 2


def run_stack(
    options: StackOptions,
    *,
    work: Callable[[Stack], int],
    start: Callable[[Stack], None] = Stack.up,
) -> int:
    """Start a stack, do the work, stop it whatever happens; return the exit code."""
    signals = _StopSignals()
    try:
        stack = Stack(options, announce=announce, ports=os.environ)
    except REFUSALS as refusal:
        return _complain(str(refusal), code=2)
    signals.on_second = stack.kill
    try:
        signals.raise_on_first()
        return _run(stack, work=work, start=start)
    except StopRequested:
        # A demo that was interrupted did not show what it promises.
        return 130 if options.mode == "demo" else 0
    finally:
        signals.kill_on_next()
        announce("Stopping")
        stack.close()


def _run(
    stack: Stack,
    *,
    work: Callable[[Stack], int],
    start: Callable[[Stack], None],
) -> int:
    try:
        start(stack)
        return work(stack)
    except REFUSALS as refusal:
        return _complain(str(refusal), code=2)
    except FAILURES as failure:
        _complain(str(failure), code=1)
        return _complain(f"the logs are in {stack.logs}", code=1)


def announce(text: str) -> None:
    """Print a line with the time."""
    stamp = datetime.now().astimezone().strftime("%H:%M:%S")
    print(f"{stamp} {text}", flush=True)


def wait_for_stop() -> None:
    """Block until somebody asks the launcher to stop."""
    try:
        threading.Event().wait()
    except StopRequested:
        return


def addresses(stack: Stack) -> str:
    """Return where everything is, one line each."""
    return "\n".join(
        (
            f"  user      {stack.user_url}/",
            f"  central   {stack.central_url}/admin/   {stack.central_url}/api/docs",
            f"  exchange  {stack.simulator_url}   (paper money; {_prices(stack)})",
            f"  Flower    {stack.flower_url('central')} (central)"
            f"   {stack.flower_url('user')} (user)   login {':'.join(stack.flower_login)}",
            f"  logs      {stack.logs}",
        )
    )


def up(
    *,
    directory: Path = KEPT,
    start: Callable[[Stack], None] = Stack.up,
) -> int:
    """Run a kept installation until asked to stop; return the exit code."""
    try:
        choices = common_choices(os.environ)
        prices = decide(
            chosen=price_choice(os.environ),
            kept=kept_source(directory),
            why_not=why_unreadable,
        )
    except (InvalidChoice, PricesRefused) as problem:
        return _complain(str(problem), code=2)

    def start_as_decided(stack: Stack) -> None:
        keep_source(directory, prices.source)
        announce(prices.message)
        start(stack)

    options = StackOptions(
        directory=directory,
        upstream=prices.upstream,
        upstream_away=prices.away,
        **choices,
    )
    return run_stack(options, work=_serve, start=start_as_decided)


def _serve(stack: Stack) -> int:
    announce("Dantaro is running. Ctrl-C (or make stop elsewhere) stops it.")
    print(addresses(stack), flush=True)
    shown = stack.directory / "password-shown"
    name, password = stack.admin
    if not shown.exists():
        print(f"  login     {name} / {password}   (shown only this once)", flush=True)
        shown.touch()
    wait_for_stop()
    return 0


def _stop() -> int:
    try:
        stopped = stop_running(KEPT)
    except AlreadyRunning as failure:
        return _complain(str(failure), code=1)
    print("Dantaro is stopped." if stopped else "Nothing is running in .run/up.")
    return 0


def _prices(stack: Stack) -> str:
    upstream = stack.options.upstream
    return f"prices of {upstream}" if upstream else "no real prices"


def _complain(message: str, *, code: int) -> int:
    print(f"dantaro: {message}", file=sys.stderr, flush=True)
    return code


class _StopSignals:
    """The first signal unwinds the main thread; one while stopping kills everything."""

    def __init__(self) -> None:
        self.on_second: Callable[[], None] | None = None

    def raise_on_first(self) -> None:
        self._install(self._raise)

    def kill_on_next(self) -> None:
        self._install(self._kill)

    def _install(self, handler: Callable[[int, FrameType | None], None]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, handler)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.kill_on_next()
        raise StopRequested

    def _kill(self, number: int, frame: FrameType | None) -> None:
        if self.on_second is not None:
            self.on_second()
        os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Become one supervised program: leave root, die with the supervisor, then exec.

Run as a script by the supervisor, standard library only. It replaces itself by the
program, so the process id stays the same and signals reach the program.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from pathlib import Path

NOBODY = 65534
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Prepare this process as the options say and exec the program."""
    options = _options(argv)
    if options.root_as == "namespace":
        enter_user_namespace()
    elif options.root_as == "nobody":
        leave_root()
    # After the change of identity: the kernel forgets the death signal on it.
    die_with_parent(parent=options.parent, signal_number=options.death_signal)
    program = options.program
    os.execvpe(program[0], program, dict(os.environ))


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="child.py")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--root-as", choices=("self", "namespace", "nobody"))
    parser.add_argument("program", nargs="+")
    return parser.parse_args(argv)


def enter_user_namespace() -> None:
    """Show this user as nobody inside a new user namespace (PostgreSQL refuses root).

    Files stay owned by the real user outside; nothing is created, no mode changed.
    """
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")


def leave_root() -> None:
    """Change for good to the unprivileged user nobody."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def die_with_parent(*, parent: int, signal_number: int) -> None:
    """Ask the kernel for `signal_number` when the thread that spawned us ends."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os.kill(os.getpid(), signal_number)


if __name__ == "__main__":
    main(sys.argv[1:])

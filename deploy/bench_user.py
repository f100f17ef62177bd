"""`make bench-user`: the user server's figures, each beside a baseline of this run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from deploy import bench_parts, bench_user_post, bench_user_start, bench_user_tick
from deploy.bench_parts import Part

PARTS: Final[dict[str, Part]] = {
    "tick": bench_user_tick.figures,
    "start": bench_user_start.figures,
    "post": bench_user_post.figures,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and keep; exit code 0."""
    return bench_parts.main(
        argv,
        parts=PARTS,
        module="deploy.bench_user",
        about="Measure the user server beside naive ways to do the same; about four"
        " minutes.",
        title="User server",
        file="user.json",
    )


if __name__ == "__main__":
    sys.exit(main())

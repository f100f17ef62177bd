"""`make bench-central`: the central server's figures, each beside a baseline of this run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from deploy import (
    bench_central_api,
    bench_central_cycle,
    bench_central_engine,
    bench_central_store,
    bench_parts,
)
from deploy.bench import Figure

Step = Callable[[str], None]
PARTS: Final[dict[str, Callable[[Step], list[Figure]]]] = {
    "engine": bench_central_engine.figures,
    "store": bench_central_store.figures,
    "cycle": bench_central_cycle.figures,
    "api": bench_central_api.figures,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and keep; exit code 0."""
    return bench_parts.main(
        argv,
        parts=PARTS,
        module="deploy.bench_central",
        about="Measure the central server beside its peers; about ten minutes."
        " The first time installs the peers into .run/bench-env.",
        title="Central server",
        file="central.json",
    )


if __name__ == "__main__":
    sys.exit(main())

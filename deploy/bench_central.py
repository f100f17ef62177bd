"""`make bench-central`: the central server's figures, each beside a baseline of this run."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy import (
    bench_central_api,
    bench_central_cycle,
    bench_central_engine,
    bench_central_store,
)
from deploy.bench import Figure, as_text, keep, show
from deploy.stack_options import RUN

Step = Callable[[str], None]
PARTS: Final[dict[str, Callable[[Step], list[Figure]]]] = {
    "engine": bench_central_engine.figures,
    "store": bench_central_store.figures,
    "cycle": bench_central_cycle.figures,
    "api": bench_central_api.figures,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and keep; exit code 0."""
    options = _parser().parse_args(argv)
    chosen = options.only or list(PARTS)
    figures: list[Figure] = []
    # A bar only for eyes; with --json the output is for a program.
    with _progress(hidden=options.json or not sys.stdout.isatty()) as progress:
        task = progress.add_task("", total=len(chosen))

        def step(doing: str) -> None:
            progress.update(task, description=doing)

        for name in chosen:
            figures += PARTS[name](step)
            progress.advance(task)
    # A part alone is a look; only the whole is kept for later readers.
    if not options.only:
        keep(figures, file=options.directory / "central.json")
    if options.json:
        print(as_text(figures), end="")
    else:
        show(figures, title="Central server")
    return 0


def _progress(*, hidden: bool) -> Progress:
    columns = (SpinnerColumn(), *Progress.get_default_columns()[:2])
    return Progress(
        *columns,
        TimeElapsedColumn(),
        TextColumn("{task.completed}/{task.total} parts"),
        disable=hidden,
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m deploy.bench_central",
        description="Measure the central server beside its peers; about ten minutes."
        " The first time installs the peers into .run/bench-env.",
    )
    add = parser.add_argument
    add(
        "--only",
        action="append",
        choices=list(PARTS),
        help="measure this part, keep nothing; may be given again",
    )
    add("--json", action="store_true", help="print the figures as JSON only")
    add(
        "--directory",
        type=Path,
        default=RUN / "bench",
        help="where central.json is written",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

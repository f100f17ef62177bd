"""A benchmark in parts: measure all of them or some, show progress, print and keep."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.bench import Figure, as_text, keep, show
from deploy.stack_options import RUN

Step = Callable[[str], None]
"""Told what is being done."""
Part = Callable[[Step], list[Figure]]


def main(
    argv: Sequence[str] | None,
    *,
    parts: Mapping[str, Part],
    module: str,
    about: str,
    title: str,
    file: str,
) -> int:
    """Measure the parts the command line asks for; exit code 0."""
    options = _parser(parts, module=module, about=about, file=file).parse_args(argv)
    # A bar only for eyes; with --json the output is for a program.
    hidden = options.json or not sys.stdout.isatty()
    figures = _measured(options.only or list(parts), parts, hidden=hidden)
    # A part alone is a look; only the whole is kept for later readers.
    if not options.only:
        keep(figures, file=options.directory / file)
    if options.json:
        print(as_text(figures), end="")
    else:
        show(figures, title=title)
    return 0


def _measured(
    chosen: Sequence[str], parts: Mapping[str, Part], *, hidden: bool
) -> list[Figure]:
    figures: list[Figure] = []
    with _progress(hidden=hidden) as progress:
        task = progress.add_task("", total=len(chosen))

        def step(doing: str) -> None:
            progress.update(task, description=doing)

        for name in chosen:
            figures += parts[name](step)
            progress.advance(task)
    return figures


def _progress(*, hidden: bool) -> Progress:
    columns = (SpinnerColumn(), *Progress.get_default_columns()[:2])
    return Progress(
        *columns,
        TimeElapsedColumn(),
        TextColumn("{task.completed}/{task.total} parts"),
        disable=hidden,
    )


def _parser(
    parts: Mapping[str, Part], *, module: str, about: str, file: str
) -> ArgumentParser:
    parser = ArgumentParser(prog=f"python -m {module}", description=about)
    add = parser.add_argument
    add(
        "--only",
        action="append",
        choices=list(parts),
        help="measure this part, keep nothing; may be given again",
    )
    add("--json", action="store_true", help="print the figures as JSON only")
    add(
        "--directory",
        type=Path,
        default=RUN / "bench",
        help=f"where {file} is written",
    )
    return parser

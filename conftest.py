"""One test folder, one process, one settings module; `pytest` runs them all.

Two Django projects cannot share a process, and the unit tests prove by running
without settings that the pure cores need none. Folders that compute run beside those
that wait; the tests of the whole stack come last and have the machine to themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).resolve().parent
SETTINGS = {
    "unit": None,
    "central": "central_project.settings",
    "user": "user_project.settings",
    "system": None,
    "stack": None,
}
"""Test folders in the order they are told of, and the settings each of them loads."""
STAGES = ((("unit", "central"), ("system",), ("user",)), (("stack",),))
"""One stage after the other; the lanes of a stage run side by side, about as long."""
SHARED_OUT = {"system": ("-n", "2", "--dist", "loadfile")}
"""Whole folders whose files run in several processes: they wait more than they work."""
Result = dict[str, float]
RESULT = "DANTARO_TEST_RESULT"
"""Names the file into which a child writes its counts; marks the children, too."""
OUTCOMES = ("passed", "failed", "skipped")

# Tests and the stacks they start import the repository's packages.
sys.path.insert(0, str(ROOT))


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run each chosen folder in a child; a child itself runs as pytest always does."""
    option = config.option
    if RESULT in os.environ or option.help or option.version or option.markers:
        return None
    chosen = _by_folder(config)
    started, results = time.monotonic(), dict[str, Result]()
    with ExitStack() as services:
        runner = _Runner(
            options=_options_only(config),
            chosen=chosen,
            services=_services(services, folders=chosen),
            give_up=bool(option.maxfail),
        )
        for stage in STAGES:
            if not runner.gave_up:
                results |= runner.run_stage(stage)
    return _report(results, seconds=time.monotonic() - started)


class _Runner:
    """Runs the chosen folders' children, lane by lane."""

    def __init__(
        self,
        *,
        options: list[str],
        chosen: Mapping[str, list[str]],
        services: dict[str, str],
        give_up: bool,
    ) -> None:
        self._options, self._chosen, self._services = options, chosen, services
        self._give_up, self.gave_up = give_up, False

    def run_stage(self, stage: Sequence[Sequence[str]]) -> dict[str, Result]:
        """Run the lanes side by side; only the first one prints while it runs."""
        lanes = [[name for name in lane if name in self._chosen] for lane in stage]
        first, *others = [lane for lane in lanes if lane] or [[]]
        with ThreadPoolExecutor(max_workers=len(lanes)) as pool:
            waiting = [pool.submit(self._run_aside, lane) for lane in others]
            results = self._run_lane(first, output=None)
            for lane in waiting:
                more, text = lane.result()
                sys.stdout.write(text)
                results |= more
        return results

    def _run_aside(self, lane: list[str]) -> tuple[dict[str, Result], str]:
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            results = self._run_lane(lane, output=output)
            output.seek(0)
            return results, output.read()

    def _run_lane(
        self, lane: list[str], *, output: IO[str] | None
    ) -> dict[str, Result]:
        results = {}
        for folder in lane:
            if self.gave_up:
                break
            paths = self._chosen[folder]
            is_whole = paths == [str(ROOT / "tests" / folder)]
            in_one = not is_whole or "--pdb" in self._options
            shared_out = () if in_one else SHARED_OUT.get(folder, ())
            results[folder] = _run_folder(
                [*self._options, *shared_out, *paths],
                env=_environment(folder, self._services),
                output=output,
            )
            if self._give_up and results[folder]["exit"] not in (0, 5):
                self.gave_up = True
        return results


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a child's counts to its parent."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if RESULT in os.environ and reporter is not None:
        stats = reporter.stats
        counts = {name: len(stats.get(name, ())) for name in OUTCOMES}
        counts["failed"] += len(stats.get("error", ()))
        counts["skipped"] += len(stats.get("xfailed", ()))
        Path(os.environ[RESULT]).write_text(json.dumps(counts))


def _by_folder(config: pytest.Config) -> dict[str, list[str]]:
    """Sort the command line's paths by test folder, in the order of SETTINGS."""
    paths: dict[str, list[str]] = {}
    for argument in config.option.file_or_dir or ["tests"]:
        path, colons, test = argument.partition("::")
        absolute = (config.invocation_params.dir / path).resolve()
        for folder, narrowed in _narrow(absolute):
            paths.setdefault(folder, []).append(f"{narrowed}{colons}{test}")
    return {folder: paths[folder] for folder in SETTINGS if folder in paths}


def _narrow(path: Path) -> Iterator[tuple[str, Path]]:
    tests = ROOT / "tests"
    if path in (ROOT, tests):
        yield from ((name, tests / name) for name in SETTINGS if any_tests(name))
        return
    folder = path.relative_to(tests).parts[0] if path.is_relative_to(tests) else ""
    if folder not in SETTINGS or not path.exists():
        known = ", ".join(f"tests/{name}" for name in SETTINGS)
        raise pytest.UsageError(f"no tests at {path}; the test folders are {known}")
    yield folder, path


def any_tests(folder: str) -> bool:
    """Tell whether the folder holds any test module."""
    return any((ROOT / "tests" / folder).rglob("test_*.py"))


def _options_only(config: pytest.Config) -> list[str]:
    options = [str(argument) for argument in config.invocation_params.args]
    for path in config.option.file_or_dir:
        options.remove(path)
    return options


def _services(stack: ExitStack, *, folders: Collection[str]) -> dict[str, str]:
    """Start throw-away servers for the Django folders, unless they are configured."""
    needed = any(SETTINGS[folder] for folder in folders)
    if not needed or {"DATABASE_URL", "REDIS_URL"} <= os.environ.keys():
        return {}
    from deploy.testing import throw_away_services

    return stack.enter_context(throw_away_services())


def _environment(folder: str, services_env: dict[str, str]) -> dict[str, str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    settings = SETTINGS[folder]
    if settings:
        from deploy.testing import django_environment

        env |= django_environment(folder=folder, given={**services_env, **os.environ})
        env["DJANGO_SETTINGS_MODULE"] = settings
    return env


def _run_folder(
    arguments: list[str], *, env: dict[str, str], output: IO[str] | None
) -> Result:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory) / "counts.json"
        exit_code = subprocess.call(
            [sys.executable, "-m", "pytest", f"--rootdir={ROOT}", *arguments],
            env={**env, RESULT: str(result)},
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
        counts = json.loads(result.read_text()) if result.exists() else {"failed": 1}
    seconds = time.monotonic() - started
    return {**dict.fromkeys(OUTCOMES, 0), **counts, "exit": exit_code} | {
        "seconds": seconds
    }


def _report(results: dict[str, Result], *, seconds: float) -> int:
    """Print times and the sum of all counts; return the exit code of the whole."""
    lines = [
        f"{folder:8}{result['seconds']:6.1f} s  {_counts([result])}"
        for folder, result in sorted(results.items(), key=_place)
    ]
    lines += [f"{'in all':8}{seconds:6.1f} s", _counts(list(results.values()))]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    codes = {int(result["exit"]) for result in results.values()}
    bad = codes - {0, 5}  # 5: nothing selected in this folder, by -k perhaps
    if bad:
        return max(bad)
    return 0 if 0 in codes else 5


def _place(row: tuple[str, Result]) -> int:
    return list(SETTINGS).index(row[0])


def _counts(results: list[Result]) -> str:
    total = {name: int(sum(result[name] for result in results)) for name in OUTCOMES}
    line = f"{total['passed']} passed, {total['failed']} failed"
    return f"{line}, {total['skipped']} skipped" if total["skipped"] else line

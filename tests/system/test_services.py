"""The private PostgreSQL and Valkey, as whoever runs the tests (root, too)."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]
import pytest
import redis

from deploy import service_programs
from deploy.ports import PortTaken, assign_ports, free_ports, is_free
from deploy.readiness import postgres_answers, redis_answers
from deploy.service_programs import ServiceUnavailable, postgres_bin, valkey_binary
from deploy.services import Postgres, Valkey
from deploy.supervisor import Supervisor


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(log_directory=tmp_path / "logs", announce=lambda _: None) as it:
        yield it


@pytest.fixture
def postgres(tmp_path: Path) -> Postgres:
    (port,) = free_ports(1)
    return Postgres(
        name="postgres",
        directory=tmp_path / "postgres",
        port=port,
        password="correct-horse",
        durable=False,
    )


def start(supervisor: Supervisor, postgres: Postgres) -> None:
    postgres.prepare()
    ready = postgres_answers(postgres.url("postgres"))
    supervisor.start(postgres.program(), ready=ready)


class TestPostgres:
    def test_a_kept_cluster_starts_again_after_kill_9_with_its_rows(
        self, supervisor: Supervisor, postgres: Postgres, tmp_path: Path
    ) -> None:
        start(supervisor, postgres)
        postgres.create_databases("shop")
        with psycopg2.connect(postgres.url("shop")) as connection:
            connection.cursor().execute("CREATE TABLE kept AS SELECT 42 AS answer")
        connection.close()
        supervisor.kill_all()
        supervisor.close()
        assert (postgres.data / "postmaster.pid").exists()

        with Supervisor(log_directory=tmp_path, announce=print) as second:
            start(second, postgres)
            postgres.create_databases("shop")
            connection = psycopg2.connect(postgres.url("shop"))
            cursor = connection.cursor()
            cursor.execute("SELECT answer FROM kept")
            rows = cursor.fetchall()
            connection.close()

        assert rows == [(42,)]

    def test_a_stale_lock_that_names_a_foreign_process_does_not_matter(
        self, supervisor: Supervisor, postgres: Postgres
    ) -> None:
        postgres.prepare()
        with subprocess.Popen(["sleep", "60"]) as stranger:
            lines = [stranger.pid, postgres.data, 0, postgres.port, "", "127.0.0.1"]
            stale = "".join(f"{line}\n" for line in lines)
            (postgres.data / "postmaster.pid").write_text(stale)

            start(supervisor, postgres)
            stranger.kill()

        assert postgres_answers(postgres.url("postgres"))()

    def test_a_wrong_password_is_refused_even_from_this_machine(
        self, supervisor: Supervisor, postgres: Postgres
    ) -> None:
        start(supervisor, postgres)

        stranger = replace(postgres, password="guess")

        assert not postgres_answers(stranger.url("postgres"))()

    def test_commits_stay_synchronous_even_where_fsync_is_off(
        self, supervisor: Supervisor, postgres: Postgres
    ) -> None:
        start(supervisor, postgres)

        connection = psycopg2.connect(postgres.url("postgres"))
        cursor = connection.cursor()
        cursor.execute("SELECT current_setting('synchronous_commit')")
        (setting,) = cursor.fetchone()
        connection.close()

        assert setting == "on"

    def test_a_cluster_of_another_version_is_refused_with_the_remedy(
        self, postgres: Postgres
    ) -> None:
        postgres.prepare()
        (postgres.data / "PG_VERSION").write_text("9\n")

        with pytest.raises(ServiceUnavailable, match=r"PostgreSQL 9.*DANTARO_PG_BIN"):
            postgres.prepare()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_a_cluster_of_another_user_is_refused_with_the_remedy(
        self, postgres: Postgres
    ) -> None:
        postgres.prepare()
        os.chown(postgres.data, 12345, 12345)

        with pytest.raises(ServiceUnavailable, match="belongs to user id 12345"):
            postgres.prepare()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another")
    def test_root_without_namespaces_runs_it_as_nobody(
        self,
        supervisor: Supervisor,
        postgres: Postgres,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for module in ("service_programs", "services"):
            monkeypatch.setattr(f"deploy.{module}.root_as", lambda: "nobody")
        everybodys = Path(tempfile.gettempdir())
        for directory in (tmp_path, *tmp_path.parents):
            if everybodys in directory.parents:
                directory.chmod(directory.stat().st_mode | stat.S_IXOTH)

        start(supervisor, postgres)

        assert postgres.data.stat().st_uid == 65534


class TestValkey:
    def test_asks_for_its_password_and_never_drops_messages(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        (port,) = free_ports(1)
        valkey = Valkey(
            name="valkey", directory=tmp_path / "valkey", port=port, password="secret"
        )
        valkey.prepare()
        supervisor.start(valkey.program(), ready=redis_answers(valkey.url()))

        with redis.Redis.from_url(valkey.url()) as client:
            policy = client.config_get("maxmemory-policy")

        assert policy == {"maxmemory-policy": "noeviction"}
        assert not redis_answers(f"redis://127.0.0.1:{port}/0")()
        assert stat.S_IMODE((valkey.directory / "valkey.conf").stat().st_mode) == 0o600


class TestMissingPrograms:
    def test_a_wrong_directory_for_postgres_is_named_with_its_variable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("DANTARO_PG_BIN", str(tmp_path))

        with pytest.raises(ServiceUnavailable, match="DANTARO_PG_BIN is"):
            postgres_bin()

    def test_no_postgres_at_all_names_the_package_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DANTARO_PG_BIN", raising=False)
        monkeypatch.setattr(service_programs, "_postgres_candidates", lambda: [])

        with pytest.raises(ServiceUnavailable, match="apt install postgresql"):
            postgres_bin()

    def test_a_wrong_redis_program_is_named_with_its_variable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("DANTARO_REDIS_BIN", str(tmp_path / "none"))

        with pytest.raises(ServiceUnavailable, match="DANTARO_REDIS_BIN is"):
            valkey_binary()


class TestPorts:
    def test_a_configured_port_that_is_taken_names_holder_and_remedy(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

            with pytest.raises(PortTaken) as caught:
                assign_ports(
                    names=["CENTRAL_PORT"],
                    configured={"CENTRAL_PORT": str(port)},
                    kept={},
                )

        assert f"process {os.getpid()}" in str(caught.value)
        assert "set CENTRAL_PORT" in str(caught.value)

    def test_a_base_numbers_the_ports_in_their_order(self) -> None:
        base = next(p for p in range(20100, 30000) if is_free(p) and is_free(p + 1))

        ports = assign_ports(
            names=["A", "B"], configured={"DANTARO_PORT_BASE": str(base)}, kept={}
        )

        assert ports == {"A": base, "B": base + 1}

    def test_a_kept_port_is_used_again_unless_somebody_took_it(self) -> None:
        free, other = free_ports(2)
        with socket.create_server(("127.0.0.1", other)):
            kept = {"A": free, "B": other}

            ports = assign_ports(names=["A", "B"], configured={}, kept=kept)

        assert ports["A"] == free
        assert ports["B"] not in (free, other)

    @pytest.mark.parametrize("text", ["http", "80", "70000", "-1", "8100.5"])
    def test_a_port_that_cannot_be_is_refused(self, text: str) -> None:
        with pytest.raises(PortTaken, match="CENTRAL_PORT"):
            assign_ports(
                names=["CENTRAL_PORT"], configured={"CENTRAL_PORT": text}, kept={}
            )

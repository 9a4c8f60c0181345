# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers that are measured, and how they are entered, paid and removed."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

TOP = Path(__file__).parents[1]
FILES = Path(__file__).parent / "files"
INVENTORY = Path(__file__).parent / "inventory.yml"
NAMES = ("sendmail", "postfix", "exim", "client")
DOMAIN = "sqlmail.test"
# Inside the containers: what is made for the benchmark, and its sockets.
FOLDER = "/var/lib/sqlmail-bench"
RUN = "/run/sqlmail-bench"


class Cost(t.NamedTuple):
    """What a program took until it ended."""

    wall: float
    cpu: float


class Host:
    """One container.

    Programs enter its namespaces but not its control group: what the
    benchmark itself does there is not counted as work of the server.
    """

    def __init__(self, name: str) -> None:
        """Name the container; it need not run yet."""
        self.name = name
        self.fqdn = f"{name}.{DOMAIN}"
        self.container = f"sqlmail-bench-{name}"

    @property
    def pid(self) -> str:
        """The first process of the container."""
        return Path(f"/run/{self.container}.pid").read_text().strip()

    @property
    def root(self) -> Path:
        """The container's files as this machine sees them."""
        return Path(f"/proc/{self.pid}/root")

    def command(self, *argv: str, cpu: int | None = None) -> list[str]:
        """Say how this machine runs a program inside, on one processor if it is named."""
        pinned = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]
        return [*pinned, "nsenter", "--target", self.pid, "--all", "--", *argv]

    def run(self, *argv: str, text: str = "", check: bool = True) -> str:
        """Run a program with ``text`` as its input and return what it printed."""
        done = subprocess.run(
            self.command(*argv), input=text, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {argv} said {done.stdout}{done.stderr}")
        return done.stdout

    def script(self, name: str) -> str:
        """Run a script of bench/files inside."""
        return self.run("bash", "-euo", "pipefail", "-c", (FILES / name).read_text())

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        """Write a file inside."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Ask the database of the host as its superuser."""
        psql = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        return self.run(
            *("runuser", "-u", "postgres", "--", *psql, "--set=ON_ERROR_STOP=1", "-d", database),
            text=statement,
        ).strip()

    def cpu(self) -> float:
        """Seconds of processor time that all processes of the container took so far."""
        groups = dict(
            line.split(":", 2)[1:]
            for line in Path(f"/proc/{self.pid}/cgroup").read_text().splitlines()
        )
        # The first process may have a group of its own below the container's.
        if "cpuacct" in groups:
            group = Path("/sys/fs/cgroup/cpuacct") / groups["cpuacct"].lstrip("/")
            return int((group / "cpuacct.usage").read_text()) / 1e9
        group = Path("/sys/fs/cgroup") / groups[""].lstrip("/").removesuffix("/init.scope")
        fields = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        return int(fields["usage_usec"]) / 1e6

    def cost(self, *argv: str, given: Path, printed: Path, cpu: int | None = None) -> Cost:
        """Run a program from file to file; charge it and what the host did for it."""
        before, begin = self.cpu(), time.perf_counter()
        with given.open() as source, printed.open("w") as sink:
            process = subprocess.Popen(
                self.command(*argv, cpu=cpu), stdin=source, stdout=sink, stderr=subprocess.STDOUT
            )
            _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{self.name}: {argv} said {printed.read_text()[:2000]}")
        return Cost(wall, usage.ru_utime + usage.ru_stime + self.cpu() - before)


def play(work: Path, *playbooks: str) -> float:
    """Run playbooks on the hosts of the benchmark and return the seconds they took."""
    begin = time.perf_counter()
    done = subprocess.run(
        # The authority of the benchmark is thrown away with it.
        [
            *("ansible-playbook", "--inventory", INVENTORY, *playbooks),
            *("--extra-vars", f"mta_tls_ca_dir={work / 'ca'}"),
        ],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return time.perf_counter() - begin


def remove() -> None:
    """Remove the containers and what Podman wrote about them."""
    for name in NAMES:
        host = Host(name)
        subprocess.run(
            ["podman", "rm", "--force", "--time", "2", "--ignore", host.container],
            check=True,
            capture_output=True,
        )
        Path(f"/run/{host.container}.pid").unlink(missing_ok=True)


def wait_until(ask: Callable[[], bool], *, deadline: float, pause: float = 0.05) -> bool:
    """Ask until the answer is yes; tell whether it was in time."""
    end = time.monotonic() + deadline
    while not ask():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True

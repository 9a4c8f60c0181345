# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts from nothing to ready, and how long the collection's part takes."""

from __future__ import annotations

import concurrent.futures
import shutil
import typing as t
from pathlib import Path

from bench import hosts, rows
from bench.servers import Postfix, Sendmail

CREATE = ("molecule/shared/create.yml", "molecule/shared/prepare.yml")
SITE = "playbooks/site.yml"
READY = "etc/sqlmail-bench-is-ready"
PACKAGES = Path("~/.cache/sqlmail.sendmail").expanduser()


class Stage:
    """All hosts of the benchmark."""

    def __init__(self, work: Path, turns: int) -> None:
        """Name them; nothing is started."""
        self.work = work
        self.turns = turns
        self.sendmail = Sendmail()
        self.postfix = Postfix()
        self.exim = hosts.Host("exim")
        self.client = hosts.Host("client")

    @property
    def hosts(self) -> tuple[hosts.Host, ...]:
        """All of them."""
        return self.sendmail.host, self.postfix.host, self.exim, self.client

    def is_ready(self) -> bool:
        """Tell whether the hosts of an earlier run are still there."""
        try:
            return all((host.root / READY).exists() for host in self.hosts)
        except OSError:
            return False

    def deploy_again(self) -> None:
        """Bring the host that was kept to the state of this checkout."""
        self.sendmail.ask_dns(True)
        hosts.play(self.work, SITE)
        self.sendmail.adopt()

    def deploy(self) -> float:
        """Create the hosts anew and deploy to one of them; return the seconds of that."""
        hosts.remove()
        hosts.play(self.work, *CREATE)
        return hosts.play(self.work, SITE)

    def deploy_twice(self) -> dict[str, t.Any]:
        """Time a first and a second run."""
        cached = any(PACKAGES.glob("*.deb"))
        first = self.deploy()
        return {"first": first, "second": hosts.play(self.work, SITE), "compiled": not cached}

    def prepare(self) -> None:
        """Install the peers, all at the same time, and load the rows."""
        with concurrent.futures.ThreadPoolExecutor() as several:
            jobs = [
                several.submit(job)
                for job in (self._client, self.sendmail.setup, self.postfix.setup, self._exim)
            ]
        for job in jobs:
            job.result()
        for host in (self.sendmail.host, self.postfix.host, self.exim):
            target = host.root / "usr/local/bin/pqlimit"
            shutil.copy(self.client.root / "usr/local/bin/pqlimit", target)
        for host in self.hosts:
            host.write(READY, "")

    def _client(self) -> None:
        self.client.script("client.sh")
        source = f"{hosts.FOLDER}/pqlimit.c"
        self.client.write(source, (hosts.FILES / "pqlimit.c").read_text())
        self.client.run(
            *("gcc", "-O2", "-Wall", "-I/usr/include/postgresql", source),
            *("-o", "/usr/local/bin/pqlimit", "-lpq"),
        )

    def _exim(self) -> None:
        self.exim.script("database.sh")
        self.exim.script("exim.sh")

        rows.load(self.exim, "lookup_key, value")

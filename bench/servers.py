# SPDX-License-Identifier: GPL-3.0-or-later
"""The two mail servers, each with its maps in files and in PostgreSQL."""

from __future__ import annotations

import re
import shlex
import typing as t

from bench import rows
from bench.hosts import FILES, FOLDER, RUN, Host, wait_until

TRIPS = f"{RUN}/trips"

# What makes sendmail faster without losing mail; each is a setting of sendmail.cf (op.me).
TUNINGS: dict[str, tuple[str, str]] = {
    # The session delivers by itself, before it answers.
    "interactive": (r"(?m)^O DeliveryMode=.*$", "O DeliveryMode=interactive"),
    # What is delivered at once is not flushed to the disk a second time.
    "flushed once": (r"(?m)^O SuperSafe=.*$", "O SuperSafe=interactive"),
    # LMTP instead of a program that reads its own configuration.
    "mail.local": (
        r"(?m)^Mlocal,(.*\n\s)*.*$",
        "Mlocal, P=/usr/lib/sm.bin/mail.local, F=lsDFMAw5:/|@qPSXmnz9u,"
        " S=EnvFromSMTP/HdrFromL, R=EnvToL/HdrToL, T=DNS/RFC822/SMTP, Q=local, A=mail.local -l",
    ),
}
# Classes that are read at start, and maps that remember and foretell nothing.
IN_LINES, BY_ITSELF = "classes in lines", "each key by itself"


class Server:
    """A mail server that can change its maps."""

    name: str
    unit: str
    queues: tuple[str, ...]
    # A line of its log that tells of a lookup without an answer.
    trouble: str

    def __init__(self) -> None:
        """Name the host; it need not run yet."""
        self.host = Host(self.name)

    def service(self, name: str, *argv: str) -> None:
        """Make a helper of bench/files a service of the host."""
        self.host.write(f"/usr/local/lib/{name}.py", (FILES / f"{name}.py").read_text())
        start = shlex.join(["/usr/bin/python3", f"/usr/local/lib/{name}.py", *argv])
        self.host.write(
            f"/etc/systemd/system/bench-{name}.service",
            f"[Service]\nRuntimeDirectory=sqlmail-bench\nRuntimeDirectoryPreserve=yes\n"
            f"LimitNOFILE=4096\nExecStart={start}\n",
        )
        self.host.run("systemctl", "daemon-reload")

    def ask_dns(self, yes: bool) -> None:
        """Let names come from DNS, or only from /etc/hosts, which has all that matter.

        Whoever asks DNS more often would be charged for this machine's resolver.
        """
        switch = self.host.root / "etc/nsswitch.conf"
        wanted = "hosts: files dns" if yes else "hosts: files"
        switch.write_text(re.sub(r"(?m)^hosts:.*$", wanted, switch.read_text()))

    def log_everything(self) -> None:
        """Keep the journal from dropping lines, which would spare one server and not another."""
        self.host.write("/etc/systemd/journald.conf.d/bench.conf", "[Journal]\nRateLimitBurst=0\n")
        self.host.run("systemctl", "restart", "systemd-journald")

    def configure(self, maps: str) -> None:
        """Write the configuration."""
        raise NotImplementedError

    def use(self, maps: str) -> None:
        """Start anew with these maps, an empty queue and empty mailboxes."""
        self.host.run("systemctl", "stop", self.unit)
        self.ask_dns(False)
        for entry in self.queued():
            entry.unlink(missing_ok=True)
        rows.forget(self.host)
        for helper, user in {"bench-socketmap": "socket", "bench-relay": "counted"}.items():
            wanted = "start" if maps.split(", ")[0] == user else "stop"
            self.host.run("systemctl", wanted, helper, check=wanted == "start")
        if maps.startswith("counted") and not wait_until(self.relays, deadline=30):
            raise RuntimeError(f"{self.name} has no relay")
        self.configure(maps)
        # Systemd takes many starts within seconds for a fault.
        self.host.run("systemctl", "reset-failed", self.unit, check=False)
        self.host.run("systemctl", "start", self.unit)
        greeted = wait_until(self.greets, deadline=30, pause=0.2)
        if not greeted:
            raise RuntimeError(f"{self.name} does not answer")

    def greets(self) -> bool:
        """Tell whether the server says 220."""
        ask = "import socket; print(socket.create_connection(('127.0.0.1', 25), 5).recv(3))"
        return "220" in self.host.run("python3", "-c", ask, check=False)

    def relays(self) -> bool:
        """Tell whether the relay takes connections."""
        connect = f"socket.socket(socket.AF_UNIX).connect('{RUN}/.s.PGSQL.5432')"
        ask = f"import socket; {connect}; print('yes')"
        return "yes" in self.host.run("python3", "-c", ask, check=False)

    def queued(self) -> list[t.Any]:
        """List the files of the queue."""
        return [
            entry
            for queue in self.queues
            for entry in (self.host.root / queue).rglob("*")
            if entry.is_file()
        ]

    def cursor(self) -> str:
        """Remember this point of the log."""
        shown = self.host.run("journalctl", "--lines=0", "--show-cursor", "--quiet")
        return shown.partition("cursor: ")[2].strip()

    def troubles(self, cursor: str) -> int:
        """Count the lookups that had no answer since then."""
        since = ("journalctl", "--after-cursor", cursor, "--output=cat", "--quiet")
        return len(re.findall(self.trouble, self.host.run(*since)))


class Sendmail(Server):
    """The host that the collection deploys."""

    name = "sendmail"
    unit = "sendmail.service"
    queues = ("var/spool/mqueue",)
    trouble = r"(?m)^pgsqlmap:"

    def setup(self) -> None:
        """Add the other ways to the database, and the same rows in files."""
        self.host.script("database-tls.sh")
        self.host.script("sendmail.sh")
        self.service("socketmap", f"{RUN}/socketmap", "service=bench-direct")
        self.service("relay", f"{RUN}/.s.PGSQL.5432", TRIPS)
        rows.load(self.host, "key, value")
        rows.mailboxes(self.host)
        self.log_everything()
        for table in rows.MAPS:
            # An alias file without this row is taken for one that is being rebuilt.
            complete = "@\t@\n" if table == "aliases" else ""
            made = "".join(rows.lines(table)) + complete
            self.host.run("makemap", "hash", f"{FOLDER}/{table}", text=made)
        self.adopt()

    def adopt(self) -> None:
        """Keep the configuration that was deployed; the others are made from it."""
        deployed = self.host.root / "etc/mail/sendmail.cf"
        (self.host.root / "etc/mail/deployed.cf").write_text(deployed.read_text())

    def configuration(self, maps: str) -> str:
        """The deployed sendmail.cf with its maps somewhere else, and tuned if that is said."""
        deployed = (self.host.root / "etc/mail/deployed.cf").read_text()
        # A map of aliases that names no function asks this one.
        deployed = re.sub(r"(?m)^(O AliasFile=pgsql:)$", r"\1-F mail.lookup_aliases", deployed)
        maps, *tunings = maps.split(", ")
        for tuning in tunings:
            if tuning == IN_LINES:
                deployed = self.without_live_classes(deployed)
                continue
            pattern, tuned = {**TUNINGS, BY_ITSELF: ("(?=-F mail)", "-n ")}[tuning]
            deployed, found = re.subn(pattern, lambda _, text=tuned: text, deployed)
            if not found:
                raise RuntimeError(f"sendmail.cf has no place for {tuning}")
        if maps == "deployed":
            return deployed
        if maps == "counted":
            # The map of verifiers does not use the service.
            deployed = deployed.replace("host=/var/run/postgresql", f"host={RUN}")
        if maps not in ("hash", "socket"):
            return re.sub(r"service=[\w-]+", f"service=bench-{maps}", deployed)

        def elsewhere(found: re.Match[str]) -> str:
            mark = "-T<TMPF> " if "-T<TMPF>" in found["flags"] else ""
            place = f"{FOLDER}/{found['table']}" if maps == "hash" else f"-f local:{RUN}/socketmap"
            return f"{maps}{found['blank']}{mark}{place}"

        tables = "|".join(rows.MAPS)
        pattern = rf"\bpgsql(?P<blank>[: ])(?P<flags>.*)-F mail\.lookup_(?P<table>{tables})\b.*"
        return re.sub(pattern, elsewhere, self.without_live_classes(deployed))

    def without_live_classes(self, cf: str) -> str:
        """Put the members that the classes have now into lines, which are read at start."""

        def members(found: re.Match[str]) -> str:
            keys = self.host.sql(f"SELECT key FROM mail.{found['table']}", "sendmail")
            return f"C{{{found['class']}}}{' '.join(keys.split())}"

        pattern = r"(?m)^A\{(?P<class>\w+)\}@pgsql:-F mail\.lookup_(?P<table>\w+)$"
        return re.sub(pattern, members, cf)

    def configure(self, maps: str) -> None:
        """Write sendmail.cf."""
        # sendmail has a resolver of its own.
        self.host.write("/etc/mail/service.switch", "hosts files\n")
        target = self.host.root / "etc/mail/sendmail.cf"
        target.unlink(missing_ok=True)
        self.host.write("/etc/mail/sendmail.cf", self.configuration(maps), mode=0o444)


class Postfix(Server):
    """Postfix with maps of the same rows."""

    name = "postfix"
    unit = "postfix.service"
    queues = tuple(
        f"var/spool/postfix/{queue}"
        for queue in ("maildrop", "incoming", "active", "deferred", "defer")
    )
    trouble = r"warning: (?:connect to pgsql|pgsql query failed|.* lookup error|table )"
    # Where the maps are: the connection, and what stands before their names.
    connections: t.ClassVar = {
        "direct": "postgresql://sendmail@/sendmail?host=/var/run/postgresql",
        "counted": f"postgresql://sendmail@/sendmail?host={RUN}",
        "tls": "postgresql://sendmail@localhost/sendmail?hostaddr=127.0.0.1&sslmode=verify-full"
        "&sslrootcert=/etc/sqlmail-bench/ca.crt&sslcert=/etc/sqlmail-bench/client.crt"
        "&sslkey=/etc/sqlmail-bench/client.key",
    }

    def setup(self) -> None:
        """Install everything."""
        self.host.script("database.sh")
        self.host.script("postfix.sh")
        self.host.script("database-tls.sh")
        self.service("relay", f"{RUN}/.s.PGSQL.5432", TRIPS)
        rows.load(self.host, "lookup_key, value")
        rows.mailboxes(self.host)
        self.log_everything()
        for table in rows.MAPS:
            self.host.write(f"{FOLDER}/{table}", "".join(rows.lines(table)))
            self.host.run("postmap", f"lmdb:{FOLDER}/{table}")
            for way, connection in self.connections.items():
                self.host.write(
                    f"{FOLDER}/{way}/{table}",
                    f"hosts = {connection}\ndbname = sendmail\nuser = sendmail\n"
                    f"query = SELECT value FROM mail.{table} WHERE lookup_key = '%s'\n",
                )

    def place(self, maps: str) -> str:
        """What stands before the name of a map."""
        if maps == "lmdb":
            return f"lmdb:{FOLDER}/"
        if maps == "proxy":
            return f"proxy:pgsql:{FOLDER}/direct/"
        return f"pgsql:{FOLDER}/{maps}/"

    def configure(self, maps: str) -> None:
        """Write main.cf."""
        template = (FILES / "postfix-main.cf").read_text()
        self.host.write("/etc/postfix/main.cf", template.replace("@maps@", self.place(maps)))

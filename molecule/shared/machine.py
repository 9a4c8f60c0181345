# SPDX-License-Identifier: GPL-3.0-or-later
"""A host under test, asked from outside by the programs that its users have."""

from __future__ import annotations

import contextlib
import json
import mailbox
import os
import secrets
import socket
import ssl
import subprocess
import tempfile
import typing as t
from collections import Counter
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

from shared.smtp import Reply, Smtp, verifier
from shared.waiting import wait_until

# Runs on the host: joins its own input and output to a port, so that a test can
# speak to the server as a client on that host.
BRIDGE = """
import os, socket, sys, threading
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def upward():
    while data := os.read(0, 65536):
        peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=upward, daemon=True).start()
while data := peer.recv(65536):
    os.write(1, data)
"""


# What a command on the host finds in its environment; nothing of ours.
ENVIRONMENT = [
    *("env", "--ignore-environment", "HOME=/root", "LANG=C.UTF-8"),
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
]


class Daemon(t.NamedTuple):
    """What changes if the daemon is restarted, or signalled to restart itself."""

    pid: int
    started: int
    sockets: tuple[str, ...]


class Answer(t.NamedTuple):
    """What psql said."""

    output: str
    # The SQLSTATE of a statement that failed; psql's own words if it could not
    # connect; None if all went well.
    error: str | None


class Machine:
    """One host of the inventory."""

    def __init__(self, name: str, variables: dict[str, t.Any]) -> None:
        """Take the name and the variables of the host from the inventory."""
        self.name = name
        self.fqdn: str = variables.get("sqlmail_hostname", name)
        self.domain: str = variables.get("sqlmail_domain", "sqlmail.test")
        target = variables.get("ansible_host", name)
        self.container: str | None = None
        if "ansible_nsenter_pid" in variables:
            self.container = target
        else:
            self._remote = ["ssh", target]

    # Commands ------------------------------------------------------------

    @property
    def _enter(self) -> list[str]:
        """What a command needs in front of it to run on the host.

        A container is entered by its namespaces, which takes a tenth of the
        time of podman exec; its first process is another one after a restart.
        """
        if self.container is None:
            return self._remote
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid"]
        return ["nsenter", "--target", self._pid, *namespaces, "--", *ENVIRONMENT]

    @property
    def _pid(self) -> str:
        """The number that the first process of the container has out here."""
        assert self.container, "only containers can be entered from here"
        return Path(f"/run/{self.container}.pid").read_text().strip()

    @property
    def root(self) -> str:
        """Where the files of the container are out here."""
        return f"/proc/{self._pid}/root"

    def attempt(
        self, *argv: str, text: str | bytes = b"", user: str | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program on the host, with ``text`` as its input."""
        become = ["runuser", "-u", user, "--"] if user else []
        data = text.encode() if isinstance(text, str) else text
        return subprocess.run(
            [*self._enter, *become, *argv],
            input=data,
            capture_output=True,
            check=False,
            timeout=300,
        )

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a program on the host that goes on until its input ends."""
        return subprocess.Popen(
            [*self._enter, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, *argv: str, text: str | bytes = b"", user: str | None = None) -> str:
        """Run a program that must succeed and return what it printed."""
        done = self.attempt(*argv, text=text, user=user)
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout.decode("utf-8", "replace")

    def psql(
        self,
        statements: str,
        *,
        role: str = "mailadmin",
        user: str = "root",
        database: str = "sendmail",
    ) -> Answer:
        """Enter statements in psql as an operator would; ``user`` is who runs it."""
        done = self.attempt(
            *("psql", "--no-psqlrc", "--quiet", "--csv", "--tuples-only"),
            *("--set=ON_ERROR_STOP=1", "--set=VERBOSITY=sqlstate"),
            *("--dbname", database, "--username", role),
            text=statements,
            user=user,
        )
        output, complaint = done.stdout.decode(), done.stderr.decode("utf-8", "replace").strip()
        if done.returncode == 0:
            return Answer(output, None)
        return Answer(output, complaint.rpartition("ERROR:  ")[2])

    def knock(self, statement: str, **connection: str) -> Answer:
        """Ask another host's PostgreSQL from this one's address.

        The psql is that of the machine that tests, so that the host needs none;
        ``{root}`` in a parameter is the root of this host's files.
        """
        conninfo = " ".join(f"{k}='{v.format(root=self.root)}'" for k, v in connection.items())
        done = subprocess.run(
            [
                *("nsenter", "--target", self._pid, "--net", "--"),
                *("psql", "--no-psqlrc", "--no-password", "--csv", "--tuples-only"),
                *("--command", statement, conninfo),
            ],
            capture_output=True,
            check=False,
            timeout=60,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        complaint = done.stderr.decode("utf-8", "replace").strip()
        return Answer(done.stdout.decode(), complaint if done.returncode else None)

    def listens(self) -> set[int]:
        """The TCP ports on which the host can be reached from outside."""
        lines = self.run("ss", "--no-header", "--listening", "--tcp", "--numeric").splitlines()
        places = [line.split()[3].rsplit(":", 1) for line in lines]
        return {int(port) for host, port in places if host not in {"127.0.0.1", "[::1]"}}

    def sql(self, statements: str, **who: str) -> str:
        """Enter statements that must succeed and return what psql printed."""
        done = self.psql(statements, **who)
        assert done.error is None, (statements, done)
        return done.output

    # SMTP ----------------------------------------------------------------

    @property
    def address(self) -> str:
        """Address of the host; it may change when the host is restarted."""
        return self.run("hostname", "-I").split()[0]

    def link_local(self) -> str:
        """An IPv6 address of the host that is not loopback, with its scope."""
        for link in json.loads(self.run("ip", "-json", "-6", "address", "show", "scope", "link")):
            for entry in link.get("addr_info", []):
                return f"{entry['local']}%{link['ifname']}"
        raise AssertionError("the host has no IPv6 link")

    def trust(self) -> ssl.SSLContext:
        """Trust the host's certificate authority and nobody else."""
        return ssl.create_default_context(cadata=self.run("cat", "/etc/mail/tls/ca.crt"))

    def dial(self, port: int, local: str | None = None) -> socket.socket:
        """Connect from outside, or on the host to one of its own addresses."""
        if local is None:
            return socket.create_connection((self.address, port), timeout=60)
        ours, theirs = socket.socketpair()
        with theirs:
            # Lives as long as the session; it ends when our end is closed.
            subprocess.Popen(
                [*self._enter, "python3", "-c", BRIDGE, local, str(port)],
                stdin=theirs,
                stdout=theirs,
            )
        ours.settimeout(60)
        return ours

    @contextlib.contextmanager
    def smtp(
        self,
        port: int = 25,
        *,
        local: str | None = None,
        tls: bool = False,
        auth: tuple[str, str] | None = None,
    ) -> Iterator[Smtp]:
        """Open a session from outside, or on the host to one of its own addresses.

        ``tls`` means implicit TLS on port 465 and STARTTLS elsewhere.
        """

        def connect() -> socket.socket:
            plain = self.dial(port, local)
            if port == 465:
                return self.trust().wrap_socket(plain, server_hostname=self.fqdn)
            return plain

        session = Smtp(connect, name=self.fqdn)
        try:
            if session.greeting.accepted:
                session.extensions()
            if tls and port != 465:
                session.secure(self.trust())
            if auth:
                session.extensions()
                reply = session.authenticate("PLAIN", *auth)
                assert reply.code == 235, reply
            yield session
        finally:
            session.quit()

    def answer(self, recipient: str | bytes, *, local: str | None = None) -> Reply:
        """Ask in a session of its own whether a recipient is welcome."""
        with self.smtp(local=local) as session:
            if session.greeting.accepted and session.mail_from().accepted:
                session.rcpt_to(recipient)
            return session.heard[-1]

    # What is seen on the host --------------------------------------------

    def daemon(self) -> Daemon:
        """Identify the running daemon.

        A daemon that is told to restart keeps its pid and its start time, but
        it opens its ports anew, so the inodes of the listening sockets count.
        """
        pid = int(
            self.run("systemctl", "show", "--value", "--property=MainPID", "sendmail.service")
        )
        started = int(self.run("cat", f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[19])
        listening = self.run("ss", "--no-header", "--listening", "--tcp", "--numeric", "--extended")
        sockets = [
            field
            for line in listening.splitlines()
            if line.split()[3].rsplit(":", 1)[1] in {"25", "465", "587"}
            for field in line.split()
            if field.startswith("ino:")
        ]
        assert sockets, listening
        return Daemon(pid, started, tuple(sorted(sockets)))

    def backends(self, role: str = "sendmail") -> list[str]:
        """List the pids of the database's processes that serve a role."""
        return self.sql(
            f"SELECT pid FROM pg_stat_activity WHERE usename = '{role}' ORDER BY pid;",
            role="postgres",
            user="postgres",
            database="postgres",
        ).split()

    def counted(self, wanted: str = "") -> Counter[str]:
        """What a map of sendmail, or all of them together, counted since they were deployed."""
        header, *maps = self.run("pgsqlmap-stat").splitlines()
        total: Counter[str] = Counter()
        for line in maps:
            name, *counts = line.split()
            if wanted in ("", name):
                total.update(dict(zip(header.split()[1:], map(int, counts), strict=True)))
        return total

    def comers(self, role: str = "sendmail") -> list[str]:
        """How connections of a role came: TLS version, subject of the certificate, address."""
        return self.sql(
            "SELECT DISTINCT version, client_dn, host(client_addr)"
            " FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)"
            f" WHERE usename = '{role}';",
            role="postgres",
            user="postgres",
            database="postgres",
        ).splitlines()

    def mail_for(self, user: str) -> list[Message]:
        """Read somebody's mailbox."""
        done = self.attempt("cat", f"/var/mail/{user}")
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "mbox"
            copy.write_bytes(done.stdout if done.returncode == 0 else b"")
            return list(mailbox.mbox(copy))

    def delivered(self, user: str, subject: str, *, deadline: float = 60) -> Message:
        """Wait for a message with this subject."""
        found = wait_until(
            lambda: [mail for mail in self.mail_for(user) if mail["Subject"] == subject],
            deadline=deadline,
        )
        assert len(found) == 1, f"delivered {len(found)} times"
        return found[0]

    def account(self, user: str) -> tuple[str, str]:
        """Give a user of the host a new password and return both."""
        if self.attempt("id", user).returncode:
            self.run("useradd", "--create-home", user)
        password = secrets.token_urlsafe(18)
        self.run("chpasswd", text=f"{user}:{password}\n")
        return user, password

    def person(self, login: str, password: str = "", *, iterations: int = 4096) -> str:
        """Let somebody log in, by a row of the database; return the password."""
        password = password or secrets.token_urlsafe(18)
        self.sql(
            f"BEGIN;\nDELETE FROM sasl_users WHERE lookup_key = mail.fold_login('{login}');\n"
            f"INSERT INTO sasl_users (login, verifier)"
            f" VALUES ('{login}', '{verifier(password, iterations)}');\nCOMMIT;\n"
        )
        return password

    @contextlib.contextmanager
    def kept(self, table: str) -> Iterator[None]:
        """Put the rows of a table back as they were."""
        rows = self.sql(f"COPY (SELECT key, value FROM {table}) TO STDOUT;")
        try:
            yield
        finally:
            self.sql(f"DELETE FROM {table};\nCOPY {table} (key, value) FROM STDIN;\n{rows}\\.\n")

    @contextlib.contextmanager
    def stopped(self, unit: str) -> Iterator[None]:
        """Stop a service for a while, the instances that belong to it first."""
        self.run("systemctl", "stop", f"{unit}@*.service", unit)
        try:
            yield
        finally:
            self.run("systemctl", "start", unit)

    def restart(self) -> None:
        """Switch the host off and on again."""
        assert self.container, "only containers are restarted"
        subprocess.run(
            ["podman", "restart", "--time", "60", self.container], check=True, timeout=180
        )
        wait_until(
            lambda: (
                self.attempt("systemctl", "is-system-running").stdout.strip()
                in {b"running", b"degraded"}
            ),
            deadline=120,
        )


def inventory() -> dict[str, list[Machine]]:
    """Read the inventory that Molecule, or the caller, names: group by group."""
    command = ["ansible-inventory", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], "--list"]
    groups = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    variables = groups.pop("_meta")["hostvars"]
    machines = {name: Machine(name, _rendered(name, variables[name])) for name in variables}
    return {
        group: [machines[name] for name in content["hosts"]]
        for group, content in groups.items()
        if "hosts" in content
    }


def _rendered(name: str, variables: dict[str, t.Any]) -> dict[str, t.Any]:
    """Fill in the one template that the shared inventory uses."""
    return {
        key: value.replace("{{ inventory_hostname }}", name) if isinstance(value, str) else value
        for key, value in variables.items()
    }

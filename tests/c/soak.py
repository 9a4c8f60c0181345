# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the whole sendmail under sanitizers: sessions, forks, signals, queue runs.

    pg_virtualenv ... tests/c/soak.py PROGRAM SOURCE REPORTS SCRATCH

PROGRAM is sendmail built with sanitizers from SOURCE; they write into REPORTS, see
sanitized.c.  SCRATCH is an empty directory that
the server of PostgreSQL can read; a key and a certificate, server.key and server.crt, are
in it.  T_LOOKUPS and T_FORKS say how much is done, as for t-pgsqlmap.  It fails on any
report of a sanitizer, on what the server's log says about our connections, on memory that
grows with the number of lookups, and on mail that is lost or doubled.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).parents[2]
LOOKUPS = int(os.environ.get("T_LOOKUPS", "20000"))
FORKS = int(os.environ.get("T_FORKS", "200"))

NAME = "mx.soak.test"
READER = "soak_reader"
ROWS = """
INSERT INTO mail.aliases VALUES
    ('team', 'ann, bob, carl'), ('list', 'ann'), ('owner-list', 'bob'),
    ('crew', 'ann, postbox'), ('postbox', 'carl');
INSERT INTO mail.virtualusers VALUES ('sales@hosted.test', 'ann'),
    ('@hosted.test', 'error:5.1.1:550 Nobody here has this name');
INSERT INTO mail.local_domains VALUES ('soak.test');
INSERT INTO mail.genericstable VALUES ('demo', 'public@soak.test');
INSERT INTO mail.domaintable VALUES ('old.test', 'new.test');
INSERT INTO mail.access VALUES
    ('Connect:127.0.0.1', 'RELAY'), ('From:bad.test', 'REJECT'), ('To:hosted.test', 'RELAY');
"""
# A mailer that takes what comes and knows everybody; %s is the scratch directory.
MC = """divert(0)dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{name}')dnl
define(`confPID_FILE', `{scratch}/pid')dnl
define(`QUEUE_DIR', `{scratch}/queue')dnl
define(`STATUS_FILE', `{scratch}/statistics')dnl
define(`confSERVICE_SWITCH_FILE', `{scratch}/switch')dnl
define(`confHOSTS_FILE', `/etc/hosts')dnl
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit,GroupWritableDirPathSafe')dnl
define(`confQUEUE_LA', `1000')define(`confREFUSE_LA', `1000')dnl
define(`confTO_IDENT', `0')define(`confLOG_LEVEL', `9')dnl
define(`confCACERT_PATH', `{scratch}')define(`confCACERT', `{scratch}/server.crt')dnl
define(`confSERVER_CERT', `{scratch}/server.crt')dnl
define(`confSERVER_KEY', `{scratch}/sendmail.key')dnl
define(`confPGSQL_DEFAULT_SPEC',
    `-H "{socket}" -c 5 -l 5 -i 1 -p mail.lookup_ahead -s {scratch}/counters')dnl
define(`ALIAS_FILE', `pgsql:')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}')dnl
FEATURE(`access_db', `PGSQL')dnl
FEATURE(`blocklist_recipients')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`nocanonify')dnl
FEATURE(`mailertable', `PGSQL')dnl
FEATURE(`domaintable', `PGSQL')dnl
FEATURE(`genericstable', `PGSQL')dnl
FEATURE(`virtusertable', `pgsql -H "{tls}" -F mail.lookup_virtualusers -f -T<TMPF>')dnl
VIRTUSER_DOMAIN(`hosted.test')dnl
define(`LOCAL_MAILER_PATH', `{scratch}/deliver')dnl
define(`LOCAL_MAILER_ARGS', `deliver $u')dnl
MODIFY_MAILER_FLAGS(`LOCAL', `-w')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
F{{team}}team@pgsql:-F mail.lookup_aliases
A{{w}}@pgsql:-F mail.lookup_local_domains
A{{R}}@pgsql:-F mail.lookup_relay_domains
A{{G}}@pgsql:-F mail.lookup_generics_domains
Ktls pgsql -H "{tls}" -F mail.lookup_access
Kplain pgsql -F mail.lookup_access -n
"""

NUMBERS = itertools.count()
PASSED = 0
FAILED = 0


def check(sentence: str, complaint: object = None) -> None:
    """Count one test and say how it went; without a complaint it went well."""
    global PASSED, FAILED
    if complaint:
        FAILED += 1
        print(f"FAILED  {sentence}\n{complaint}", flush=True)
    else:
        PASSED += 1
        print(f"ok      {sentence}", flush=True)


def wait_until(condition: Callable[[], object], deadline: float = 60) -> object:
    """Return what the condition returns once it is true, or last."""
    end = time.monotonic() + deadline
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


def sql(statements: str, database: str = "soak") -> str:
    """Run statements as the superuser."""
    command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database]
    return subprocess.run(
        command, input=statements, check=True, capture_output=True, text=True
    ).stdout.strip()


class Session:
    """A client that sends lines and reads replies."""

    def __init__(self, port: int) -> None:
        """Connect and read the greeting."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._file = self._socket.makefile("rb")
        self.heard: list[str] = []
        self.read()

    def read(self) -> str:
        """Read one reply and return its code."""
        line = self._file.readline()
        while line[3:4] == b"-":
            line = self._file.readline()
        self.heard.append(line.decode("latin-1").strip())
        return line[:3].decode()

    def say(self, line: str) -> str:
        """Send a line and return the code of the reply."""
        self.heard.append("> " + line)
        self._socket.sendall(line.encode() + b"\r\n")
        return self.read()

    def starttls(self) -> str:
        """Go on under TLS."""
        code = self.say("STARTTLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)
        self._file = self._socket.makefile("rb")
        return code

    def hang_up(self) -> None:
        """Close the connection without a word."""
        self._file.close()
        self._socket.close()


class Host:
    """sendmail in a directory of its own."""

    def __init__(self, program: str, source: Path, scratch: Path) -> None:
        """Make the directory and its configuration."""
        self.program = str(Path(program).resolve())
        self.scratch = scratch
        self.cf = scratch / "sendmail.cf"
        self.sent = 0
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        (scratch / "queue").mkdir(mode=0o700)
        for name, text in {
            "switch": "hosts files\naliases files\n",
            "counters": "",
            "mailbox": "",
            "deliver": f"#!/bin/sh\nexec cat >>{scratch}/mailbox\n",
            "pgpass": f"*:*:*:*:{READER}\n",
            "sendmail.key": (scratch / "server.key").read_text(),
        }.items():
            (scratch / name).write_text(text)
            (scratch / name).chmod(0o600)
        (scratch / "deliver").chmod(0o700)
        directories = sql("SHOW unix_socket_directories", "postgres").split(",")
        where = f"port={os.environ['PGPORT']} dbname=soak user={READER}"
        mc = MC.format(
            name=NAME,
            scratch=scratch,
            port=self.port,
            socket=f"host={directories[0]} {where}",
            tls=f"host=localhost {where} sslmode=require passfile={scratch}/pgpass",
        )
        self.cf.write_text(
            subprocess.run(
                ["m4", f"-D_CF_DIR_={source}/cf/", f"{source}/cf/m4/cf.m4", "-"],
                input=mc,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run sendmail and wait for its end."""
        return subprocess.run(
            [self.program, f"-C{self.cf}", *arguments],
            input=text,
            check=False,
            capture_output=True,
            text=True,
        )

    @contextlib.contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon until the block ends, then by SIGTERM."""
        with subprocess.Popen(
            [self.program, f"-C{self.cf}", "-bD", "-odb"],
            stdin=subprocess.DEVNULL,
        ) as process:
            try:
                wait_until(lambda: process.poll() is not None or self.listens())
                yield process
            finally:
                process.terminate()
                process.wait(timeout=60)

    def listens(self) -> bool:
        """Tell whether somebody takes connections."""
        try:
            Session(self.port).hang_up()
        except OSError:
            return False
        return True

    def processes(self) -> list[int]:
        """List the processes that run our program."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if (entry / "exe").readlink() == Path(self.program):
                    found.append(int(entry.name))
        return found

    def child(self, daemon: subprocess.Popen[bytes]) -> int:
        """Return the process of the only session that there is."""
        wait_until(lambda: len(self.processes()) == 2)
        (child,) = [pid for pid in self.processes() if pid != daemon.pid]
        return child

    def counted(self) -> dict[str, int]:
        """Add up the counters of all maps, see pgsqlmap.h."""
        names = ("lookups", "asked", "found", "missing", "failed", "connects", "usec")
        totals = dict.fromkeys(names, 0)
        for entry in struct.iter_unpack("<Q48s7Q", (self.scratch / "counters").read_bytes()):
            for name, count in zip(names, entry[2:], strict=True):
                totals[name] += count
        return totals


def resident(pid: int) -> int:
    """Return the kilobytes of memory that a process occupies."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def check_memory(few: int, many: int) -> None:
    """Complain if ten times the work took noticeably more memory."""
    # Freed memory that the sanitizer keeps back is a megabyte, and what it notes of
    # places in the program comes once.
    check(
        f"and ten times the lookups take no more memory ({few} kB, then {many} kB)",
        many > few + 3072 and f"{many - few} kB more",
    )


def looked_up(host: Host) -> None:
    """Ask in one process of address test mode, LOOKUPS times."""
    questions = [
        ("access Connect:127.0.0.1", "RELAY"),
        ("access To:nobody@elsewhere.test", None),
        ("virtuser sales@hosted.test", "ann"),
        ("tls From:bad.test", "REJECT"),
        ("plain Connect:\N{LATIN SMALL LETTER E WITH ACUTE}", None),
    ]
    memory: dict[int, int] = {}
    wrong = 0
    with subprocess.Popen(
        [host.program, f"-C{host.cf}", "-bt"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        heard = (line for line in process.stdout if "map_lookup: " in line)
        for n in range(1, LOOKUPS + 1):
            question, answer = questions[n % len(questions)]
            process.stdin.write(f"/map {question}\n")
            if n % 50 == 0 or n == LOOKUPS:  # what the pipes hold
                process.stdin.flush()
                for done in range(n - (n - 1) % 50, n + 1):
                    line = next(heard)
                    answer = questions[done % len(questions)][1]
                    wrong += (f"returns {answer} (0)" if answer else "no match (68)") not in line
            if n in (LOOKUPS // 10, LOOKUPS):
                memory[n] = resident(process.pid)
        process.stdin.close()
    check(f"{LOOKUPS} lookups of one process are answered", wrong and f"{wrong} are not")
    check("the process ends well", process.returncode)
    check_memory(*memory.values())


def one_session(host: Host, daemon: subprocess.Popen[bytes]) -> None:
    """Ask in one SMTP session, with a connection that is lost and one that idles."""
    rounds = max(2, LOOKUPS // 1000)
    memory = {}
    wrong = []
    before = host.counted()
    session = Session(host.port)
    child = host.child(daemon)
    for n in range(1, 10 * rounds + 1):
        codes = [
            session.say(f"MAIL FROM:<someone{n}@old.test>"),
            session.say("RCPT TO:<team@soak.test>"),
            session.say(f"RCPT TO:<nobody{n}@hosted.test>"),
            session.say("RSET"),
        ]
        if codes != ["250", "250", "550", "250"]:
            wrong.append(codes)
        if n in (rounds, 10 * rounds):
            memory[n] = resident(child)
        if n == rounds // 2:
            sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename='{READER}'")
        if n == rounds:
            wait_until(lambda: not backends())
            if backends():
                wrong.append(["a session of the server that an idle client occupies"])
    session.say("QUIT")
    lookups = host.counted()["lookups"] - before["lookups"]
    check(f"one session of {lookups} lookups hears what it must", wrong[:5])
    check_memory(*memory.values())


def backends() -> int:
    """Count the connections that sendmail has."""
    return int(sql(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{READER}'"))


class Sender:
    """Sends messages and knows what must have come of them."""

    def __init__(self, host: Host) -> None:
        """Begin with nothing sent."""
        self.host = host
        self.sessions = 0
        self.trouble: list[str] = []
        self.accepted: dict[str, int] = {}
        self._lock = threading.Lock()

    def letter(self, copies: int) -> tuple[str, str]:
        """Return the name of a new message and the message."""
        with self._lock:
            name = f"soak-{next(NUMBERS)}-end"
            self.accepted[name] = copies
        return name, f"From: demo@soak.test\r\nSubject: {name}\r\n\r\nHello.\r\n."

    def session(self, n: int) -> None:
        """Hold one session of the n-th kind."""
        try:
            self._session(n)
        except (OSError, AssertionError) as trouble:
            self.trouble.append(f"session {n}: {trouble!r}")

    def _session(self, n: int) -> None:
        session = Session(self.host.port)
        self.sessions += 1
        kind = n % 6
        plan = [("EHLO client.test", "250")]
        if kind == 0:
            plan += [
                (f"MAIL FROM:<demo{n}@old.test>", "250"),
                ("RCPT TO:<team@soak.test>", "250"),
                ("RCPT TO:<sales@hosted.test>", "250"),
                ("DATA", "354"),
                (self.letter(3)[1], "250"),
            ]
        elif kind == 1:
            plan += [
                ("MAIL FROM:<>", "250"),
                (f"RCPT TO:<user{n}@soak.test>", "250"),
                ("RCPT TO:<nobody@hosted.test>", "550"),
                ("RSET", "250"),
            ]
        elif kind in (2, 4):
            assert session.starttls() == "220"
            plan += [("MAIL FROM:<demo@soak.test>", "250"), ("RCPT TO:<list@soak.test>", "250")]
            if kind == 4:
                plan += [("DATA", "354"), (self.letter(1)[1], "250")]
        elif kind == 5:
            plan += [("MAIL FROM:<somebody@bad.test>", "550")]
        for line, code in plan:
            assert session.say(line) == code, session.heard
        if kind == 2:
            session.hang_up()
        else:
            assert session.say("QUIT") == "221", session.heard

    def submit(self) -> None:
        """Leave a message in the queue."""
        done = self.host.run("-odq", "team@soak.test", text=self.letter(3)[1].replace("\r", ""))
        if done.returncode:
            self.trouble.append(f"submission: {done}")

    def queued(self) -> list[str]:
        """List what waits."""
        return [path.name for path in (self.host.scratch / "queue").iterdir()]

    def lost(self) -> str:
        """Complain of messages that are not in the mailbox as often as they must be."""
        mailbox = (self.host.scratch / "mailbox").read_text()
        counts: dict[str, int] = {}
        for name in re.findall(r"^Subject: (soak-\d+-end)$", mailbox, re.MULTILINE):
            counts[name] = counts.get(name, 0) + 1
        return "\n".join(
            f"{name}: {counts.get(name, 0)} copies instead of {copies}"
            for name, copies in self.accepted.items()
            if counts.get(name, 0) != copies
        )


def many_sessions(host: Host, daemon: subprocess.Popen[bytes]) -> None:
    """Hold sessions, of two processes on average, with signals and queue runs in between."""
    sender = Sender(host)
    parts = 5
    before = host.counted()
    begin = time.monotonic()
    for part in range(parts):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(sender.session, range(part, FORKS // 2, parts)))
        wait_until(lambda: host.processes() == [daemon.pid])

        # SIGTERM meets a session, SIGHUP the daemon; the queue is run
        session = Session(host.port)
        session.say("HELO client.test")
        os.kill(host.child(daemon), signal.SIGTERM)
        if session.read() not in ("421", ""):
            sender.trouble.append(f"SIGTERM: {session.heard}")
        sender.submit()
        daemon.send_signal(signal.SIGHUP)
        wait_until(host.listens)
        done = host.run("-q")
        if done.returncode:
            sender.trouble.append(f"queue run: {done}")
    wait_until(lambda: not sender.queued())
    seconds = time.monotonic() - begin
    count = {name: count - before[name] for name, count in host.counted().items()}
    check(
        f"{sender.sessions} sessions with {count['connects']} connections and"
        f" {count['lookups']} lookups hear what they must ({seconds:.0f} s)",
        "\n".join(sender.trouble[:5]),
    )
    check(f"{len(sender.accepted)} messages arrive exactly once", sender.lost())
    check("nothing waits in the queue", sender.queued())
    check("no lookup failed", count["failed"])


@contextlib.contextmanager
def no_alias_for(pattern: str) -> Iterator[None]:
    """Let lookups of aliases fail whose key is like this; nothing is foretold meanwhile."""
    args = sql("SELECT pg_get_function_arguments('mail.lookup_ahead'::regproc)")
    sql(f"""BEGIN;
        ALTER FUNCTION mail.lookup_ahead RENAME TO kept_ahead;
        ALTER FUNCTION mail.lookup_aliases RENAME TO kept_aliases;
        CREATE FUNCTION mail.lookup_ahead({args}) RETURNS TABLE (a text, b text, c text)
            LANGUAGE plpgsql AS 'BEGIN END';
        CREATE FUNCTION mail.lookup_aliases(text) RETURNS SETOF text LANGUAGE plpgsql AS $$
            BEGIN
                IF $1 LIKE '{pattern}' THEN RAISE 'away on purpose'; END IF;
                RETURN QUERY SELECT mail.kept_aliases($1);
            END $$;
        COMMIT""")
    try:
        yield
    finally:
        sql("""BEGIN;
            DROP FUNCTION mail.lookup_ahead, mail.lookup_aliases;
            ALTER FUNCTION mail.kept_ahead RENAME TO lookup_ahead;
            ALTER FUNCTION mail.kept_aliases RENAME TO lookup_aliases;
            COMMIT""")


def aliases_away(host: Host) -> None:
    """Name recipients whose aliases have no answer, and again when they have."""
    sender = Sender(host)

    def talk(*plan: tuple[str, str]) -> None:
        for line, code in plan:
            if session.say(line) != code:
                sender.trouble.append(f"{line}: {session.heard[-1]}")

    session = Session(host.port)
    talk(("MAIL FROM:<demo@soak.test>", "250"), ("RCPT TO:<bob@soak.test>", "250"))
    with no_alias_for("%"):
        talk(*[(f"RCPT TO:<{who}@soak.test>", "451") for who in ("team", "list", "nobody", "team")])
        # who is not accepted does not get the message either
        talk(("DATA", "354"), (sender.letter(1)[1], "250"))
        talk(("MAIL FROM:<demo@soak.test>", "250"), ("RCPT TO:<team@soak.test>", "451"))
        talk(("DATA", "503"))
    talk(("RCPT TO:<team@soak.test>", "250"), ("DATA", "354"), (sender.letter(3)[1], "250"))
    with no_alias_for("postbox"):
        # a member of a list waits, although it is refused when it is named itself
        talk(("MAIL FROM:<demo@soak.test>", "250"), ("RCPT TO:<crew@soak.test>", "250"))
        talk(("RCPT TO:<postbox@soak.test>", "451"))
        talk(("DATA", "354"), (sender.letter(2)[1], "250"))
        wait_until(lambda: len(sender.queued()) == 2 and len(host.processes()) == 2)
    session.say("QUIT")
    wait_until(lambda: len(host.processes()) == 1)
    host.run("-q")
    wait_until(lambda: not sender.queued())
    check("who has no answer about an alias is told 451", "\n".join(sender.trouble))
    check("and the others get their mail, once", sender.lost() or sender.queued())


def unsafe_password_file(host: Host) -> None:
    """Refuse a password file that others may read, and none that is safe."""
    question = "/map tls Connect:127.0.0.1\n"
    path = host.scratch / "pgpass"
    path.chmod(0o640)
    refused = host.run("-d38.9", "-bt", text=question)
    path.chmod(0o600)
    safe = host.run("-bt", text=question)
    wrong = "Group readable file" not in refused.stdout or "(75)" not in refused.stdout
    check("an unsafe password file is refused", wrong and refused)
    check("a safe one is not", "returns RELAY (0)" not in safe.stdout and safe)


# What the server may say, since we did it ourselves.
EXPECTED = re.compile(
    r"terminating connection due to administrator command|away on purpose"
    r"|(CONTEXT|STATEMENT):  .*lookup_aliases"
)


def strange_log(path: Path) -> str:
    """Return what the server says about our connections; there is nothing to be said."""
    lines = [line for line in path.read_text().splitlines() if f"{READER}@" in line]
    return "\n".join(line for line in lines if not EXPECTED.search(line))


def reported(directory: Path) -> str:
    """Return what the sanitizers found, but for what sendmail itself does not free.

    It leaves that to the end of its processes; whether they grow is seen elsewhere.
    """
    found = []
    for path in directory.iterdir():
        text = path.read_text(errors="replace")
        if "LeakSanitizer" not in text:
            found.append(text)
        leaks = [block for block in text.split("\n\n") if " leak of " in block]
        found += [leak for leak in leaks if "pgsqlmap" in leak and "readcf" not in leak]
    return "\n\n".join(found[:3])[:4000]


def main() -> int:
    """Do everything once and say what was wrong."""
    program, source, reports, scratch = sys.argv[1:]
    for report in Path(reports).iterdir():
        report.unlink()
    sql(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER}'", "postgres")
    subprocess.run([TOP / "tests/sql/deploy", "soak"], check=True)
    sql(f"GRANT sqlmail_reader TO {READER}", "postgres")
    for name, value in {"ssl_cert_file": "crt", "ssl_key_file": "key"}.items():
        sql(f"ALTER SYSTEM SET {name} = '{scratch}/server.{value}'", "postgres")
    sql("ALTER SYSTEM SET ssl = on", "postgres")
    sql("SELECT pg_reload_conf()", "postgres")
    sql(ROWS)
    clusters = subprocess.run(
        ["pg_lsclusters", "--no-header"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    (log,) = [Path(line.split()[6]) for line in clusters if os.environ["PGPORT"] in line.split()]

    host = Host(program, Path(source), Path(scratch))
    unsafe_password_file(host)
    looked_up(host)
    with host.daemon() as daemon:
        aliases_away(host)
        one_session(host, daemon)
        many_sessions(host, daemon)
    check("the daemon ends at SIGTERM", daemon.returncode)
    wait_until(lambda: not host.processes())
    check("no process is left", host.processes())
    check("no connection is left", wait_until(lambda: backends() == 0) is not True and backends())
    check("the server has nothing strange in its log", strange_log(log))
    check("no sanitizer has anything to report", reported(Path(reports)))
    print(f"{PASSED} of {PASSED + FAILED} tests completed successfully")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())

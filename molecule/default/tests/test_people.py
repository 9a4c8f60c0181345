# SPDX-License-Identifier: GPL-3.0-or-later
"""Who logs in is a row, and the row holds nothing that lets anybody in elsewhere."""

from __future__ import annotations

import base64
import contextlib
import secrets
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.machine import Machine
from shared.smtp import Reply, Scram

MECHANISMS = ["SCRAM-SHA-256", "PLAIN", "LOGIN"]
each_mechanism = pytest.mark.parametrize("mechanism", MECHANISMS)


class People(t.NamedTuple):
    """The hosts, and somebody who may log in."""

    mta: Machine
    database: Machine
    user: str
    password: str

    @property
    def login(self) -> str:
        """The user with the realm of the host."""
        return f"{self.user}@{self.mta.fqdn}"

    def log_in(self, mechanism: str, user: str = "", password: str | None = None) -> Reply:
        """Log in, in a session of its own, and return the last reply."""
        with self.mta.smtp(587, tls=True) as session:
            session.extensions()
            word = self.password if password is None else password
            return session.authenticate(mechanism, user or self.user, word)

    def change(self, what: str) -> None:
        """Change the row."""
        self.database.sql(f"UPDATE sasl_users SET {what} WHERE login = '{self.login}';")


@pytest.fixture
def people(mta: Machine, database: Machine) -> Iterator[People]:
    """Somebody new, who is taken away afterwards."""
    user = f"user{secrets.token_hex(4)}"
    login = f"{user}@{mta.fqdn}"
    yield People(mta, database, user, database.person(login))
    database.sql(f"DELETE FROM sasl_users WHERE login LIKE '{user}%';")


# Programs that people have -----------------------------------------------


class Asked(t.NamedTuple):
    """What a program is told."""

    people: People
    password: str
    place: Path

    @property
    def authority(self) -> Path:
        """File with the authority of the host."""
        path = self.place / "ca.crt"
        path.write_text(self.people.mta.run("cat", "/etc/mail/tls/ca.crt"))
        return path


def swaks(mechanism: str) -> Callable[[Asked], bool]:
    def run(asked: Asked) -> bool:
        done = subprocess.run(
            [
                *("swaks", "--server", asked.people.mta.address, "--port", "587", "--tls"),
                *("--auth", mechanism, "--auth-user", asked.people.user),
                *("--auth-password", asked.password, "--quit-after", "AUTH"),
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert " 235 2.0.0 " in done.stdout or " 535 5.7.0 " in done.stdout, done
        return done.returncode == 0

    return run


def curl(asked: Asked) -> bool:
    mta = asked.people.mta
    done = subprocess.run(
        [
            *("curl", "--silent", "--verbose", "--ssl-reqd", "--cacert", str(asked.authority)),
            *("--resolve", f"{mta.fqdn}:587:{mta.address}", f"smtp://{mta.fqdn}:587"),
            *("--user", f"{asked.people.user}:{asked.password}", "--request", "NOOP"),
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert "< 235 2.0.0 " in done.stderr or "< 535 5.7.0 " in done.stderr, done
    return "< 235 2.0.0 " in done.stderr


def msmtp(mechanism: str) -> Callable[[Asked], bool]:
    def run(asked: Asked) -> bool:
        mta, rc = asked.people.mta, asked.place / "msmtprc"
        rc.touch(mode=0o600)
        rc.write_text(
            f"account default\nhost {mta.address}\nport 587\ntls on\ntls_starttls on\n"
            f"tls_trust_file {asked.authority}\ntls_host_override {mta.fqdn}\n"
            f"auth {mechanism.lower()}\nuser {asked.people.user}\npassword {asked.password}\n"
            f"from demo@{mta.domain}\n"
        )
        done = subprocess.run(
            ["msmtp", "-C", str(rc), f"root@{mta.domain}"],
            input="Subject: from msmtp\n\nHello.\n",
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0 or "535 5.7.0" in done.stderr, done
        return done.returncode == 0

    return run


def gsasl(mechanism: str) -> Callable[[Asked], bool]:
    def run(asked: Asked) -> bool:
        done = subprocess.run(
            [
                *("gsasl", "--smtp", "--verbose", "--no-cb", "--x509-ca-file="),
                *(f"--connect={asked.people.mta.address}:587", f"--mechanism={mechanism}"),
                *(f"--hostname={asked.people.mta.fqdn}",),
                *(f"--authentication-id={asked.people.user}", f"--password={asked.password}"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert "235 2.0.0" in said or "535 5.7.0" in said, said
        # With SCRAM the server proves itself, too.
        return "235 2.0.0" in said and ("SCRAM" not in mechanism or "server trusted" in said)

    return run


PROGRAMS: dict[str, Callable[[Asked], bool]] = {
    "swaks-plain": swaks("PLAIN"),
    "swaks-login": swaks("LOGIN"),
    "curl": curl,
    **{f"msmtp-{mechanism.lower()}": msmtp(mechanism) for mechanism in MECHANISMS},
    **{f"gsasl-{mechanism.lower()}": gsasl(mechanism) for mechanism in MECHANISMS},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_logs_in_with_the_same_row(people: People, tmp_path: Path, name: str) -> None:
    """E1: and with effect at the next AUTH."""
    run = PROGRAMS[name]
    assert run(Asked(people, people.password, tmp_path))
    assert not run(Asked(people, people.password + "x", tmp_path))
    people.change("enabled = false")
    assert not run(Asked(people, people.password, tmp_path))
    people.change("enabled = true")
    assert run(Asked(people, people.password, tmp_path))


# Rows --------------------------------------------------------------------


@each_mechanism
def test_a_row_counts_at_the_next_auth(people: People, mechanism: str) -> None:
    daemon = people.mta.daemon()
    assert people.log_in(mechanism).code == 235
    old = people.password
    new = people.database.person(people.login)
    assert people.log_in(mechanism, password=old).code == 535
    assert people.log_in(mechanism, password=new).code == 235
    people.change("verifier = NULL")
    assert people.log_in(mechanism, password=new).code == 535
    people.database.sql(f"DELETE FROM sasl_users WHERE login = '{people.login}';")
    assert people.log_in(mechanism, password=new).code == 535
    assert people.mta.daemon() == daemon


@each_mechanism
def test_a_name_in_two_realms_is_two_people(people: People, mechanism: str) -> None:
    """A60."""
    elsewhere = people.database.person(f"{people.user}@elsewhere.example")
    assert people.log_in(mechanism).code == 235
    assert people.log_in(mechanism, people.login).code == 235
    assert people.log_in(mechanism, f"{people.user}@{people.mta.fqdn.upper()}").code == 235
    assert people.log_in(mechanism, f"{people.user}@elsewhere.example", elsewhere).code == 235
    assert people.log_in(mechanism, f"{people.user}@ELSEWHERE.example", elsewhere).code == 235
    assert people.log_in(mechanism, people.user, elsewhere).code == 535
    assert people.log_in(mechanism, f"{people.user}@elsewhere.example").code == 535
    assert people.log_in(mechanism, f"{people.user}@nowhere.example").code == 535


@each_mechanism
def test_who_logs_in_may_relay(people: People, mechanism: str) -> None:
    with people.mta.smtp(587, tls=True) as session:
        session.extensions()
        assert session.authenticate(mechanism, people.user, people.password).code == 235
        assert session.mail_from(f"demo@{people.mta.domain}").accepted
        assert session.rcpt_to("joe@elsewhere.example").accepted


# Traps -------------------------------------------------------------------


def test_the_stored_verifier_is_no_password(people: People) -> None:
    stored = people.database.sql(
        f"SELECT verifier FROM mail.sasl_users WHERE login = '{people.login}';",
        role="postgres",
        user="postgres",
    ).strip()
    assert stored.startswith("SCRAM-SHA-256$")
    for part in (stored, *stored.replace(":", "$").split("$")):
        for mechanism in MECHANISMS:
            assert people.log_in(mechanism, password=part).code == 535


def test_an_empty_password_is_none(people: People) -> None:
    for mechanism in ("PLAIN", "LOGIN"):
        assert people.log_in(mechanism, password="").refused
        people.change("verifier = NULL")
        assert people.log_in(mechanism, password="").refused


@pytest.mark.parametrize("name", [b"\xff\xfe", b"us\xc3", b"\xed\xa0\x80"])
def test_a_name_that_is_not_utf_8_is_nobodys(people: People, name: bytes) -> None:
    with people.mta.smtp(587, tls=True) as session:
        session.extensions()
        reply = session.plain(b"\0" + name + b"\0" + people.password.encode())
        assert reply.code == 535, reply


def test_a_nul_byte_ends_nothing(people: People) -> None:
    user, password = people.user.encode(), people.password.encode()
    for message in (
        b"\0" + user + b"\0" + password + b"\0",
        b"\0" + user + b"\0" + password + b"\0x",
        b"\0" + user + b"\0\0" + password,
        user + b"\0\0" + password,
    ):
        with people.mta.smtp(587, tls=True) as session:
            session.extensions()
            assert session.plain(message).refused, message
    with people.mta.smtp(587, tls=True) as session:
        session.extensions()
        session.say("AUTH LOGIN " + base64.b64encode(user).decode())
        # Cyrus SASL cuts LOGIN there; what is left must be the password itself.
        reply = session.say(base64.b64encode(b"x\0" + password).decode())
        assert reply.refused


def test_a_password_is_the_same_however_its_letters_are_typed(people: People) -> None:
    """SASLprep: a letter with an accent may be one character or two."""
    people.database.person(people.login, "caf\u00e9 IX")
    for typed, code in (
        ("caf\u00e9 \u2168", 235),
        ("cafe\u0301 IX", 235),
        ("cafe\u0301\u00a0\u2168", 235),
        ("cafe IX", 535),
        ("CAF\u00c9 IX", 535),
    ):
        with people.mta.smtp(587, tls=True) as session:
            session.extensions()
            reply = session.plain(f"\0{people.user}\0{typed}".encode())
            assert reply.code == code, typed


def test_sql_in_a_name_is_a_name(people: People) -> None:
    for name in (
        "' OR ''='",
        "x'; DROP TABLE mail.sasl_users; --",
        "%u",
        "$1",
        "\\",
        '"',
        "a@b@c",
        "@",
    ):
        for mechanism in MECHANISMS:
            assert people.log_in(mechanism, name).code == 535, name
    assert people.log_in("PLAIN").code == 235


# Nobody learns who has an account ----------------------------------------


def strangers(people: People) -> dict[str, tuple[str, str]]:
    """Users and passwords that must look alike from outside."""
    disabled = f"{people.user}x"
    password = people.database.person(f"{disabled}@{people.mta.fqdn}", iterations=65536)
    people.database.sql(f"UPDATE sasl_users SET enabled = false WHERE login LIKE '{disabled}@%';")
    return {
        "wrong password": (people.user, "wrong"),
        "disabled": (disabled, password),
        "unknown": (f"nobody{secrets.token_hex(4)}", "wrong"),
        "foreign realm": (f"{people.user}@nowhere.example", people.password),
    }


@each_mechanism
def test_all_failures_look_alike(people: People, mechanism: str) -> None:
    people.database.person(people.login, people.password, iterations=65536)
    said = {name: people.log_in(mechanism, *who) for name, who in strangers(people).items()}
    assert len(set(said.values())) == 1, said
    assert said["unknown"] == Reply(535, "5.7.0 authentication failed")


def test_scram_offers_a_salt_to_everybody(people: People) -> None:
    people.database.person(people.login, people.password, iterations=65536)
    for name, (user, password) in strangers(people).items():
        heard = set()
        for _again in range(2):
            client = Scram(user, password)
            with people.mta.smtp(587, tls=True) as session:
                session.extensions()
                with contextlib.suppress(Exception):
                    session.auth("SCRAM-SHA-256", client)
            _nonce, salt, iterations = client.server_first.split(",")
            assert len(base64.b64decode(salt[2:])) == 16, name
            heard.add((salt, iterations))
        assert len(heard) == 1, name
        assert heard.pop()[1] == "i=65536", name


def test_all_failures_take_the_same_time(people: People) -> None:
    """With so many iterations a derivation that is left out would show."""
    people.database.person(people.login, people.password, iterations=65536)
    # The fastest is the least disturbed one; on a busy machine it takes some tries.
    least: dict[str, float] = {}
    who = strangers(people)
    for _again in range(40):
        for name, (user, password) in who.items():
            with people.mta.smtp(587, tls=True) as session:
                session.extensions()
                begin = time.monotonic()
                reply = session.plain(f"\0{user}\0{password}".encode())
                least[name] = min(time.monotonic() - begin, least.get(name, 60))
                assert reply.code == 535
        if max(least.values()) < 1.3 * min(least.values()):
            break
    else:
        pytest.fail(f"shortest times, in seconds: {least}")


# Outages -----------------------------------------------------------------


@contextlib.contextmanager
def role_refused(people: People) -> Iterator[None]:
    def alter(what: str) -> None:
        people.database.sql(f"ALTER ROLE authenticator {what};", role="postgres", user="postgres")

    alter("NOLOGIN")
    try:
        yield
    finally:
        alter("LOGIN")


@contextlib.contextmanager
def no_connections(people: People) -> Iterator[None]:
    def alter(limit: int) -> None:
        people.database.sql(
            f"ALTER ROLE authenticator CONNECTION LIMIT {limit};",
            role="postgres",
            user="postgres",
        )

    alter(0)
    try:
        yield
    finally:
        alter(50)


@contextlib.contextmanager
def function_gone(people: People) -> Iterator[None]:
    name, other = "mail.lookup_sasl_verifier", "lookup_elsewhere"

    def rename(this: str, to: str) -> None:
        people.database.sql(
            f"ALTER FUNCTION {this}(text, text) RENAME TO {to};", role="postgres", user="postgres"
        )

    rename(name, other)
    try:
        yield
    finally:
        rename(f"mail.{other}", name.removeprefix("mail."))


@contextlib.contextmanager
def stopped(people: People) -> Iterator[None]:
    with people.database.stopped("postgresql"):
        yield


@contextlib.contextmanager
def paused(people: People) -> Iterator[None]:
    people.database.run("pkill", "-STOP", "-x", "postgres")
    try:
        yield
    finally:
        people.database.run("pkill", "-CONT", "-x", "postgres")


OUTAGES = [role_refused, no_connections, function_gone, stopped, paused]


@each_mechanism
@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.__name__)
def test_an_outage_puts_a_login_off(
    people: People, mechanism: str, outage: Callable[[People], t.ContextManager[None]]
) -> None:
    """454 within the deadline, for the right password and a wrong one; and back by itself."""
    daemon = people.mta.daemon()
    with people.mta.smtp(587, tls=True) as session:
        session.extensions()
        with outage(people):
            begin = time.monotonic()
            for password in (people.password, "wrong"):
                reply = session.authenticate(mechanism, people.user, password)
                assert reply.code == 454, reply
                assert reply.text.startswith("4.7.0 ")
            # One wait for the connection and one for the query, then it is left alone.
            assert time.monotonic() - begin < 12
    assert people.log_in(mechanism).code == 235
    assert people.log_in(mechanism, "", "wrong").code == 535
    assert people.mta.daemon() == daemon


# Secrets -----------------------------------------------------------------


def test_no_password_is_anywhere(people: People) -> None:
    for mechanism in MECHANISMS:
        assert people.log_in(mechanism).code == 235
        assert people.log_in(mechanism, password=people.password + "x").code == 535
    people.database.sql("CHECKPOINT;", role="postgres", user="postgres")
    dump = people.database.run("pg_dump", "sendmail", user="postgres")
    assert people.user in dump
    assert people.password not in dump
    for host in dict.fromkeys((people.mta, people.database)):
        found = host.attempt(
            "grep",
            "-rlF",
            people.password,
            "/etc",
            "/var/lib/postgresql",
            "/var/log",
            "/var/spool",
            "/run/log",
        )
        assert found.stdout.decode() == ""
        journal = host.run("journalctl", "--quiet", "--no-pager", "--since=-5min")
        assert people.password not in journal
        assert "SCRAM-SHA-256$" not in journal


def test_the_role_of_the_maps_reads_no_verifier(people: People) -> None:
    for statement in (
        "SELECT verifier FROM mail.sasl_users",
        "SELECT login FROM mail.sasl_users",
        f"SELECT mail.lookup_sasl_verifier('{people.login}', '')",
    ):
        answer = people.database.psql(statement, role="sendmail")
        assert answer.error == "42501", statement
    answer = people.database.psql("SELECT key FROM mail.aliases", role="authenticator")
    assert answer.error == "42501"


def test_a_login_costs_one_connection(people: People) -> None:
    for mechanism in MECHANISMS:
        before = set(people.database.backends("authenticator"))
        with people.mta.smtp(587, tls=True) as session:
            session.extensions()
            for password in ("wrong", people.password):
                session.authenticate(mechanism, people.user, password)
            assert session.heard[-1].code == 235
            assert len(set(people.database.backends("authenticator")) - before) <= 1


def test_sendmail_conf_is_one_that_sendmail_does_not_skip(people: People) -> None:
    found = people.mta.run("stat", "--format=%a %U %G", "/etc/sasl2/Sendmail.conf", "/etc/sasl2")
    assert found.split() == ["640", "root", "sasl", "755", "root", "root"]

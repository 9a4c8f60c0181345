# SPDX-License-Identifier: GPL-3.0-or-later
"""Every value and every tag of the access map, each with a statement and what it changes.

A rule does one thing as a client of the host, or lets the host do it as a client, and
says what was seen.  It is done without the row, with it, and without it again; the two
things seen are the table in docs/access.md.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import tempfile
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.callers import queue_files, queued, received
from shared.machine import Machine
from shared.smtp import Reply
from shared.waiting import wait_until

# Addresses of documentation (RFC 5737, 3849), which the host gets for the tests: a
# session to one of them comes from it, too.
ADDRESSES = [f"192.0.2.{n}" for n in (1, 2, 63, 64, 65, 127, 128, 254, 255)] + [
    *("198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.5"),
    *("2001:db8::1", "2001:db8::2", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"),
    *("2001:db8:8000::", "2001:db9::1"),
]
# Names that some of them have.
NAMES = {"192.0.2.1": "pc.customer.example", "192.0.2.2": "mail.there.example"}
FILES_ONLY = "/root/service.switch"
# How another mail server is reached, whom a first refusal does not keep waiting.
OUTGOING = f"""define(`RELAY_MAILER_ARGS', `TCP $h 2525')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
define(`confSERVICE_SWITCH_FILE', `{FILES_ONLY}')dnl
define(`confDONT_PROBE_INTERFACES', `true')dnl"""
ROLE = Path(__file__).parents[2] / "roles" / "mta_config"

Act = Callable[[Machine, int], str]


class Rule(t.NamedTuple):
    """A value or a tag, and how to see it."""

    name: str
    # The row that is shown, and those that are there in any case.
    insert: str
    first: str
    # Its second argument is 0 without the row and 1 with it.
    act: Act

    @property
    def meaning(self) -> str:
        """What it does, in a sentence or two."""
        return " ".join((self.act.__doc__ or "").split())


RULES: list[Rule] = []


def rule(name: str, insert: str, *, first: str = "") -> Callable[[Act], Act]:
    """Say which row a function shows."""

    def register(act: Act) -> Act:
        RULES.append(Rule(name, insert, first, act))
        return act

    return register


# The host ------------------------------------------------------------------------


@contextlib.contextmanager
def neighbours(host: Machine) -> Iterator[None]:
    """Give the host the addresses, and the names of some."""
    hosts = host.run("cat", "/etc/hosts")
    named = "".join(f"{address} {name}\n" for address, name in NAMES.items())
    # Podman owns the file by a bind mount, so it is written, not replaced.
    host.run("tee", "/etc/hosts", text=hosts + named)
    for address in ADDRESSES:
        host.run("ip", "address", "replace", address, "dev", "lo", *(["nodad"] * (":" in address)))
    # Their names are in no DNS.
    host.run("tee", FILES_ONLY, text="hosts files\n")
    try:
        yield
    finally:
        for address in ADDRESSES:
            size = 128 if ":" in address else 32
            host.run("ip", "address", "del", f"{address}/{size}", "dev", "lo")
        host.run("tee", "/etc/hosts", text=hosts)
        host.run("rm", FILES_ONLY)


def variant(host: Machine, path: str, **variables: t.Any) -> str:
    """Write a sendmail.cf as the role makes it with these variables; return its path."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "sendmail.mc"
        subprocess.run(
            [
                *("ansible", "localhost", "--connection=local", "--inventory=localhost,"),
                *("--module-name=ansible.builtin.template", "--args"),
                f"src={ROLE}/templates/etc/mail/sendmail.mc.j2 dest={target}",
                *("--extra-vars", f"@{ROLE}/defaults/main.yml"),
                *("--extra-vars", f"@{ROLE}/vars/main.yml"),
                *("--extra-vars", json.dumps({"mta_config_hostname": host.fqdn, **variables})),
                *("--extra-vars", f"ansible_python_interpreter={sys.executable}"),
            ],
            check=True,
            capture_output=True,
        )
        return translated(host, path, target.read_text())


def translated(host: Machine, path: str, mc: str) -> str:
    """Write a sendmail.cf that is made from this mc; return its path."""
    folder = "/usr/share/sendmail/cf"
    cf = host.run("m4", f"-D_CF_DIR_={folder}/", f"{folder}/m4/cf.m4", "-", text=mc)
    host.run("tee", path, text=cf)
    return path


@contextlib.contextmanager
def daemon(host: Machine, port: int, **variables: t.Any) -> Iterator[None]:
    """Run another daemon that is configured by these variables."""
    listener = {"name": f"port-{port}", "port": port}
    cf = variant(
        host,
        f"/root/{port}.cf",
        mta_config_listeners=[listener],
        mta_config_mc_define="define(`confDONT_PROBE_INTERFACES', `true')dnl",
        **variables,
    )
    command = f"sendmail -C{cf} -bD -OPidFile=/run/{port}.pid & cat; kill $!"
    with host.start("sh", "-c", command) as process:
        wait_until(lambda: host.attempt("ss", "-Hltn", f"sport = :{port}").stdout)
        try:
            yield
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(60)
    host.run("rm", cf)


# What is seen --------------------------------------------------------------------


def told(command: str, reply: Reply) -> str:
    """Return a command and the reply to it, without what differs from host to host."""
    text = " ".join(reply.text.split())
    return f"{command}: `{reply.code} {text}`"


def mail_from(host: Machine, sender: str, **where: t.Any) -> str:
    """Name a sender."""
    with host.smtp(**where) as session:
        return told("`MAIL`", session.mail_from(sender))


def rcpt_to(host: Machine, recipient: str, sender: str = "", **where: t.Any) -> str:
    """Name a recipient."""
    with host.smtp(**where) as session:
        reply = session.mail_from(sender)
        if not reply.accepted:
            return told("`MAIL`", reply)
        return told("`RCPT`", session.rcpt_to(recipient))


def opened(host: Machine, address: str, port: int = 25) -> str:
    """Begin a session and a message."""
    with host.smtp(port, local=address) as session:
        if not session.greeting.accepted:
            return told("greeting", Reply(session.greeting.code, ""))
        return told("`MAIL`", session.mail_from())


def letter(subject: str) -> str:
    """Return a message."""
    return f"Subject: {subject}\n\nHello.\n"


def delivery(host: Machine, sender: str) -> str:
    """Send a message to a mailbox and look where it is."""
    subject = f"access-{secrets.token_hex(8)}"
    with host.smtp() as session:
        reply = session.offer(f"demo@{host.domain}", letter(subject), sender=sender)
    assert reply.accepted, reply
    if any("/hf" in path for path in quarantined(host, subject)):
        shown = host.run("mailq", "-qQ")
        reason = shown.partition("QUARANTINE: ")[2].splitlines()[0]
        host.run("rm", *quarantined(host, subject))
        return f"accepted; kept as quarantined: {reason}"
    queued(host, subject)
    arrived = [mail for mail in host.mail_for("demo") if mail["Subject"] == subject]
    return "accepted; delivered" if arrived else "accepted; thrown away"


def quarantined(host: Machine, subject: str) -> list[str]:
    """Return the files of a message that is kept."""
    found = host.attempt("grep", "-lrs", "--include=hf*", subject, "/var/spool/mqueue")
    return found.stdout.decode().split()


def sent(host: Machine, recipient: str = "user@there.example") -> str:
    """Let the host send a message to another one, and tell how that went."""
    subject = f"access-{secrets.token_hex(8)}"
    command = ["sendmail", "-C/root/outgoing.cf", "-Am", "-odi", "-f", f"demo@{host.domain}"]
    # Without TLS the exit status is that of the refusal to try it.
    host.attempt(*command, recipient, text=letter(subject))
    taken = received(host, subject)
    if taken:
        user = f", as `{taken[0]['user']}`" if taken[0]["user"] else ""
        return f"sent, {taken[0]['tls'] or 'without TLS'}{user}"
    for path in queue_files(host, subject):
        lines = host.run("cat", path).splitlines()
        reason = max((line[1:] for line in lines if line.startswith("M")), key=len)
        host.run("rm", path, path.replace("/qf/qf", "/df/df"))
        return f"waits: `{reason}`"
    raise AssertionError("neither sent nor queued")


# Values --------------------------------------------------------------------------


@rule(
    "OK",
    "INSERT INTO access VALUES ('From:good.bad.example', 'OK');",
    first="INSERT INTO access VALUES ('From:bad.example', 'REJECT');",
)
def value_ok(host: Machine, _turn: int) -> str:
    """Lets pass what another rule would refuse; it does not permit to relay."""
    return mail_from(host, "joe@good.bad.example")


@rule("RELAY", "INSERT INTO access VALUES ('Connect:192.0.2.0/26', 'RELAY');")
def value_relay(host: Machine, _turn: int) -> str:
    """Permits to relay from there, or to there after `To:`, and is `OK` for all else."""
    return rcpt_to(host, "user@elsewhere.example", local="192.0.2.63")


@rule("REJECT", "INSERT INTO access VALUES ('From:spam.example', 'REJECT');")
def value_reject(host: Machine, _turn: int) -> str:
    """Refuses, with a text of sendmail's own."""
    return mail_from(host, "joe@pc.spam.example")


@rule("ERROR:", "INSERT INTO access VALUES ('From:spam.example', 'ERROR:5.7.1:550 Not from you');")
def value_error(host: Machine, _turn: int) -> str:
    """Refuses with the enhanced code (RFC 3463), the code and the text that follow. Put the text
    into double quotes where its blanks and commas matter."""
    return mail_from(host, "joe@spam.example")


@rule("ERROR:", "INSERT INTO access VALUES ('From:late.example', 'ERROR:451 Come again');")
def value_error_code(host: Machine, _turn: int) -> str:
    """Without an enhanced code it is x.0.0. A code 4xx makes the other side try again."""
    return mail_from(host, "joe@late.example")


@rule("ERROR:", "INSERT INTO access VALUES ('From:old.example', '550 Not from you');")
def value_code(host: Machine, _turn: int) -> str:
    """The code alone is the old way to write it, which is deprecated."""
    return mail_from(host, "joe@old.example")


@rule("DISCARD", "INSERT INTO access VALUES ('From:noise.example', 'DISCARD');")
def value_discard(host: Machine, _turn: int) -> str:
    """Takes the message, for all its recipients, and throws it away; nobody is told."""
    return delivery(host, "joe@noise.example")


@rule("QUARANTINE:", "INSERT INTO access VALUES ('From:odd.example', 'QUARANTINE:look at it');")
def value_quarantine(host: Machine, _turn: int) -> str:
    """Takes the message and keeps it in the queue, with this reason, until somebody releases it
    (`mailq -qQ`, `sendmail -qQ -Q`)."""
    return delivery(host, "joe@odd.example")


@rule(
    "SKIP",
    "INSERT INTO access VALUES ('Connect:192.0.2.64/26', 'SKIP');",
    first="INSERT INTO access VALUES ('Connect:192.0.2.0/24', 'REJECT');",
)
def value_skip(host: Machine, _turn: int) -> str:
    """Ends the search for a host or an address, as if nothing were found."""
    return opened(host, "192.0.2.64")


# Tags ----------------------------------------------------------------------------


@rule("Connect:", "INSERT INTO access VALUES ('Connect:customer.example', 'RELAY');")
def tag_connect(host: Machine, _turn: int) -> str:
    """The client: its name with all domains above it, then its address with all networks around
    it. A name counts only if the address belongs to it in the DNS, but whoever answers for the
    address there chooses it: permit by address what matters."""
    return rcpt_to(host, "user@elsewhere.example", local="192.0.2.1")


@rule("From:", "INSERT INTO access VALUES ('From:joe@fine.example', 'REJECT');")
def tag_from(host: Machine, _turn: int) -> str:
    """The sender: `user@domain`, `user@` for that name in every domain, or a domain, which stands
    for those below it, too. The null sender is never refused."""
    return mail_from(host, "joe@fine.example")


@rule("To:", "INSERT INTO access VALUES ('To:partner.example', 'RELAY');")
def tag_to(host: Machine, _turn: int) -> str:
    """The recipient, in the forms of `From:`. `RELAY` opens the way to a domain or a single address
    that is not here; `REJECT` and the like close it, here and there."""
    return rcpt_to(host, "user@partner.example")


@rule(
    "Spam:",
    "INSERT INTO access VALUES ('Spam:demo@sqlmail.test', 'FRIEND');",
    first="INSERT INTO access VALUES ('From:spam.example', 'REJECT');",
)
def tag_spam_friend(host: Machine, _turn: int) -> str:
    """With `mta_config_delay_checks: friend`: this recipient, in the forms of `From:`, wants all
    mail, whoever sends it."""
    return rcpt_to(host, f"demo@{host.domain}", "joe@spam.example", port=2526)


@rule(
    "Spam:",
    "INSERT INTO access VALUES ('Spam:sqlmail.test', 'HATER');",
    first="INSERT INTO access VALUES ('From:spam.example', 'REJECT');",
)
def tag_spam_hater(host: Machine, _turn: int) -> str:
    """With `mta_config_delay_checks: hater`: for this recipient sender and client are checked, for
    all others they are not."""
    return rcpt_to(host, f"demo@{host.domain}", "joe@spam.example", port=2527)


@rule("GreetPause:", "INSERT INTO access VALUES ('GreetPause:192.0.2.128/25', '5000');")
def tag_greet_pause(host: Machine, _turn: int) -> str:
    """Milliseconds that the client must wait for the greeting, by its name or address; who speaks
    before that is sent away."""
    with host.dial(25, "192.0.2.254") as line:
        line.sendall(b"EHLO early.example\r\n")
        greeting = line.recv(512).decode()
    return f"greeting to a client that does not wait: `{greeting[:3]}`"


@rule("ClientRate:", "INSERT INTO access VALUES ('ClientRate:198.51.100.0/29', '2');")
def tag_client_rate(host: Machine, turn: int) -> str:
    """Connections that an address may make in a minute; `0` for any number. `ClientRate:` alone is
    for all addresses without a row."""
    address = ("198.51.100.1", "198.51.100.2", "198.51.100.3")[turn]
    return "sessions one after the other: " + "; ".join(opened(host, address) for _time in range(3))


@rule("ClientConn:", "INSERT INTO access VALUES ('ClientConn:198.51.100.4/31', '1');")
def tag_client_conn(host: Machine, turn: int) -> str:
    """Connections that an address may have at the same time; `0` for any number. `ClientConn:`
    alone is for all addresses without a row."""
    address = ("198.51.100.5", "198.51.100.4", "198.51.100.5")[turn]
    with host.smtp(local=address):
        return "beside another session: " + opened(host, address)


@rule("Srv_Features:", "INSERT INTO access VALUES ('Srv_Features:192.0.2.65', 'l');")
def tag_srv_features(host: Machine, _turn: int) -> str:
    """What is offered to a client and demanded of it, by letters that op.me 5.1.4.12 lists, several
    with blanks between them: `S` offers no STARTTLS, `l` demands AUTH. `Srv_Features:` alone is for
    all others."""
    return opened(host, "192.0.2.65")


@rule("TLS_Clt:", "INSERT INTO access VALUES ('TLS_Clt:192.0.2.65', 'ENCR:112');")
def tag_tls_clt(host: Machine, _turn: int) -> str:
    """How well a client must encrypt: `ENCR:bits`, `VERIFY`, `VERIFY:bits`; `PERM+` or `TEMP+`
    before it makes the refusal final or not, `+CN:name` and the like after it ask more of the
    certificate (cf/README, STARTTLS). `TLS_Clt:` alone is for all others."""
    return opened(host, "192.0.2.65")


@rule(
    "TLS_Srv_Features:",
    "INSERT INTO access VALUES ('TLS_Srv_Features:192.0.2.64/31', 'Options=SSL_OP_NO_TLSv1_3');",
)
def tag_tls_srv_features(host: Machine, _turn: int) -> str:
    """Settings of TLS for a client, `key=value` parted by semicolons: `Options`, `CipherList`,
    `CipherSuites`, `CertFile` with `KeyFile`, `Flags` (op.me 5.1.4.19)."""
    with host.smtp(tls=True, local="192.0.2.65") as session:
        return str(t.cast(t.Any, session.sock).version())


@rule("Try_TLS:", "INSERT INTO access VALUES ('Try_TLS:mail.there.example', 'NO');")
def tag_try_tls(host: Machine, _turn: int) -> str:
    """`NO`: mail to this server is sent without STARTTLS, by its name or address. `Try_TLS:` alone
    is for all others."""
    return sent(host)


@rule("TLS_Srv:", "INSERT INTO access VALUES ('TLS_Srv:192.0.2.0/29', 'ENCR:512');")
def tag_tls_srv(host: Machine, _turn: int) -> str:
    """How well a server must encrypt before it gets mail, with the values of `TLS_Clt:`; mail waits
    until it does, or is returned after `PERM+`. `TLS_Srv:` alone is for all others."""
    return sent(host)


@rule("TLS_Rcpt:", "INSERT INTO access VALUES ('TLS_Rcpt:user@there.example', 'ENCR:512');")
def tag_tls_rcpt(host: Machine, _turn: int) -> str:
    """The same for a recipient, whichever server takes the mail: `user@domain`, `user@`, a domain;
    `TLS_Rcpt:` alone is for all others."""
    return sent(host)


@rule(
    "Clt_Features:",
    "INSERT INTO access VALUES ('Clt_Features:there.example', 'A');",
    first="INSERT INTO access VALUES ('AuthInfo:there.example', '\"U:mx\" \"P:example\"');",
)
def tag_clt_features(host: Machine, _turn: int) -> str:
    """What is not used with a server, by its name or the domains above it: `A` for AUTH, `S` for
    STARTTLS, `D` for DANE, `M` for MTA-STS. `Clt_Features:` alone is for all others."""
    return sent(host)


@rule(
    "TLS_Clt_Features:",
    "INSERT INTO access VALUES ('TLS_Clt_Features:there.example', 'Options=SSL_OP_NO_TLSv1_3');",
)
def tag_tls_clt_features(host: Machine, _turn: int) -> str:
    """Settings of TLS for a server, as after `TLS_Srv_Features:`."""
    return sent(host)


@rule(
    "AuthInfo:",
    """INSERT INTO access VALUES ('AuthInfo:192.0.2.2', '"U:mx" "P:example" "M:PLAIN"');""",
)
def tag_auth_info(host: Machine, _turn: int) -> str:
    """What to log in with at a server, by its name or address: user, password and mechanisms as in
    the statement. `AuthInfo:` alone is for all others."""
    return sent(host)


def certified(host: Machine) -> str:
    """Ask to relay, as the owner of the host's own certificate."""
    context = host.trust()
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(host.run("cat", "/etc/mail/tls/server.crt", "/etc/mail/tls/server.key"))
        file.flush()
        context.load_cert_chain(file.name)

    with host.smtp() as session:
        session.secure(context)
        session.extensions()
        session.mail_from()
        return told("`RCPT`", session.rcpt_to("user@elsewhere.example"))


@rule("CERTISSUER:", "INSERT INTO access VALUES ('CERTISSUER:/CN=sqlmail+20CA', 'RELAY');")
def tag_cert_issuer(host: Machine, _turn: int) -> str:
    """Who signed the certificate of a client, if it is valid: `RELAY` lets all its clients relay,
    `SUBJECT` those with a row `CERTSUBJECT:`. Blanks and other signs are written as `+20`, as they
    stand in the log."""
    return certified(host)


@rule(
    "CERTSUBJECT:",
    "INSERT INTO access VALUES ('CERTSUBJECT:/CN=mx.sqlmail.test', 'RELAY');",
    first="INSERT INTO access VALUES ('CERTISSUER:/CN=sqlmail+20CA', 'SUBJECT');",
)
def tag_cert_subject(host: Machine, _turn: int) -> str:
    """Whose certificate it is, if its issuer has the value `SUBJECT`."""
    return certified(host)


# The page ------------------------------------------------------------------------

MARK = "<!-- What follows was seen by molecule/default/tests/test_access.py, which writes it. -->\n"


def page(written: str, seen: dict[str, tuple[str, str]]) -> str:
    """Return the page: its beginning as it was written, and what was seen."""
    parts = [written.partition(MARK)[0] + MARK]
    for title, kind in (("Values", "value_"), ("Tags", "tag_")):
        parts.append(f"\n## {title}\n")
        named = ""
        for rule in RULES:
            if not rule.act.__name__.startswith(kind):
                continue
            if rule.name != named:
                parts.append(f"\n### `{rule.name}`\n")
            named = rule.name
            without, with_it = seen[rule.insert]
            parts.append(f"\n{rule.meaning}\n\n```sql\n")
            parts.append(f"{rule.first}  -- in both cases\n" if rule.first else "")
            parts.append(f"{rule.insert}\n```\n\n- without it: {without}\n- with it: {with_it}\n")
    return "".join(parts)

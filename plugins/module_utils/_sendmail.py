# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""What sendmail itself answers, in address test mode (-bt) and verify mode (-bv).

Both modes deliver nothing, queue nothing and change no file (sendmail(8), op.me 2.5).  The
functions that read what it prints are pure, so that their tests are tables.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import AskError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import is_secret

__all__ = [
    "ASK_OPTIONS",
    "MAP_NAMES",
    "Answer",
    "Client",
    "Recipient",
    "Sendmail",
    "Step",
    "Verdict",
    "Way",
    "as_data",
    "checked_address",
    "checked_client",
    "checked_key",
    "parse_answer",
    "parse_verdict",
    "parse_way",
    "private_config",
    "private_sendmail",
]

# The words for these options are in doc_fragments/_ask.py.
ASK_OPTIONS: dict[str, dict[str, t.Any]] = {
    "program": {"type": "path", "default": "/usr/sbin/sendmail"},
    "config": {"type": "path", "default": "/etc/mail/sendmail.cf"},
    "timeout": {"type": "int", "default": 60},
}

# Tables, and what their maps are called in sendmail.cf.
MAP_NAMES = {
    "access": "access",
    "aliases": "aliases",
    "virtualusers": "virtuser",
    "mailertable": "mailertable",
    "genericstable": "generics",
    "domaintable": "domaintable",
    "authinfo": "authinfo",
}
_TABLES = {name: table for table, name in MAP_NAMES.items()}

# A status of sysexits.h that says nothing about the key.
_EX_TEMPFAIL = 75

# Separates two parts of what a rule set gets, which cannot be typed in test mode
# (cf/README, "$|" and the rule set Translate).
_RULES = "\nSsqlmail_parts\nR$* $$| $*\t\t$: $1 $| $2\n"


class Answer(t.NamedTuple):
    """What a map says about a key."""

    key: str
    # found, not_found, or no_answer: the map could not be asked.
    status: str
    value: str | None


class Step(t.NamedTuple):
    """A question to a map on the way of an address."""

    map: str
    key: str
    status: str
    value: str | None


class Recipient(t.NamedTuple):
    """Where an address leads to."""

    address: str
    # deliverable, undeliverable, or deferred: the rules say to try again later.
    outcome: str
    mailer: str | None = None
    host: str | None = None
    user: str | None = None
    text: str | None = None


class Way(t.NamedTuple):
    """The way of an address through the maps, and where it ends."""

    address: str
    # As of a recipient, of all recipients the worst; or no_answer.
    outcome: str
    reason: str | None
    recipients: tuple[Recipient, ...]
    steps: tuple[Step, ...]


class Verdict(t.NamedTuple):
    """What a rule set such as check_rcpt says."""

    # accepted, refused, deferred, discarded, quarantined, or no_answer.
    outcome: str
    text: str | None = None


class Client(t.NamedTuple):
    """Who connects: an address, and the name that the DNS has for it, if any."""

    address: str
    name: str | None = None


# What may be asked ---------------------------------------------------------------


def checked_key(key: str) -> str:
    """Return a key that can be typed in test mode; refuse one that would be another line."""
    if not key or key != key.strip() or len(key.encode("utf-8", "surrogateescape")) > 1024:
        raise AskError(
            f"cannot ask for key {key[:80]!r}: a key has 1 to 1024 bytes, and no blank at its ends"
        )
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in key):
        raise AskError(
            f"cannot ask for key {key!r}: it contains a control character, such as a line break;"
            " no table has such a key"
        )
    return key


def checked_address(address: str) -> str:
    """Return an address that sendmail takes as one address."""
    checked_key(address)
    if address.startswith("-"):
        raise AskError(f"cannot ask for address {address!r}: it begins with a hyphen")
    if not address.isascii():
        raise AskError(
            f"cannot ask for address {address!r}: it is not ASCII; write the domain in its form"
            " xn--..., sendmail's test mode takes no other"
        )
    if re.search(r"[\s,;]", address):
        raise AskError(
            f"cannot ask for address {address!r}: sendmail would take it for several; name one"
            " address, without blanks and commas"
        )
    return address


def checked_client(address: str, name: str | None = None) -> Client:
    """Return a client; both are put into macros."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+){3}|(IPv6:)?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*", address):
        raise AskError(
            f"cannot ask about client {address!r}: it is no IP address, such as 192.0.2.1"
        )
    if name is not None and not re.fullmatch(r"[0-9A-Za-z._-]+", name):
        raise AskError(f"cannot ask about client {name!r}: it is no name of a host")
    if ":" in address and not address.startswith("IPv6:"):
        address = f"IPv6:{address}"
    return Client(address, name)


# What is read --------------------------------------------------------------------


def parse_answer(key: str, output: str) -> Answer:
    """Read the answer to ``/map NAME KEY``."""
    match = re.search(
        r"map_lookup: \S+ \(" + re.escape(key) + r"\) (?:returns (.*)|no match) \((\d+)\)\s*\Z",
        output,
        re.DOTALL,
    )
    if match is None:
        # What was found may be a secret.
        said = _last_line(output).partition("map_lookup:")[0]
        raise AskError(f"sendmail does not answer about key {key!r}: {said or 'not understood'}")
    if int(match[2]) == _EX_TEMPFAIL:
        return Answer(key, "no_answer", None)
    if match[1] is None:
        return Answer(key, "not_found", None)
    return Answer(key, "found", match[1])


def parse_verdict(rules: str, output: str) -> Verdict:
    """Read the trace of a rule set that checks something."""
    found = re.findall(rf"^(?:> )*{rules} +returns: (.*)$", output, re.MULTILINE)
    if not found:
        raise AskError(f"sendmail does not answer about {rules}: {_last_line(output)}")
    said = found[-1].strip()
    if re.search(rf"^== Ruleset \S+ \(\d+\) status {_EX_TEMPFAIL}", output, re.MULTILINE):
        return Verdict("no_answer", _text(said))
    if said.startswith("$# discard"):
        return Verdict("discarded")
    if said.startswith("$# error $@ quarantine"):
        return Verdict("quarantined", _text(said))
    if said.startswith("$# error"):
        text = _text(said)
        return Verdict("deferred" if text.startswith("4") else "refused", text)
    return Verdict("accepted")


def _text(said: str) -> str:
    """Return the reply of a rule set as a client sees it, without the name of the mailer."""
    code, _part, text = said.partition("$:")
    status = re.search(r"\$@ (\d) \. (\d+) \. (\d+)", code)
    text = re.sub(r"\s+", " ", text.replace('"', "")).strip()
    # Addresses are printed token by token.
    text = re.sub(r"(?<=\S) ([.:]) (?=\S)", r"\1", text)
    text = re.sub(r"\[ | \]", lambda match: match[0].strip(), text)
    if status is None:
        return text
    number, _blank, rest = text.partition(" ")
    enhanced = ".".join(status.groups())
    if re.fullmatch(r"[245]\d\d", number):
        return f"{number} {enhanced} {rest}".strip()
    return f"{enhanced} {text}"


_NOT_FOUND = "NOT FOUND"
_DELIVERABLE = re.compile(r"deliverable: mailer ([^,]+)(?:, host (.*))?, user (.*)")


class _Trace:
    """What verify mode printed so far."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.recipients: list[Recipient] = []
        self.remarks: list[Recipient] = []
        self.reason: str | None = None

    def lookup(self, name: str, key: str, value: str, status: str) -> None:
        table = _TABLES.get(name)
        waits = int(status) == _EX_TEMPFAIL
        # A name that the DNS does not answer about is left as it is.
        if waits and name not in ("host", "resolve"):
            self.reason = self.reason or f"map {table or name} gives no answer"
        if table:
            self.steps.append(_step(table, key, None if waits else value))

    def alias(self, name: str) -> None:
        self.steps.append(_step("aliases", name, _NOT_FOUND))

    def aliased(self, name: str, value: str) -> None:
        if self.steps and self.steps[-1][:2] == ("aliases", name):
            self.steps[-1] = _step("aliases", name, value)

    def silent(self, reason: str) -> None:
        self.reason = reason
        if self.steps and self.steps[-1].map == "aliases":
            self.steps[-1] = _step("aliases", self.steps[-1].key, None)

    def silent_still(self, target: str) -> None:
        self.silent(self.reason or f"{target} is not asked again yet")

    def speech(self, address: str, text: str) -> None:
        target = _DELIVERABLE.fullmatch(text)
        if target:
            self.recipients.append(_recipient(address, *target.groups()))
        elif not text.startswith(("aliased to ", "Transient parse error")):
            self.remarks.append(Recipient(address, "undeliverable", text=text))


# Lines of -d60.1, -d27.1, -d38.9 and -v; the first that fits counts.
_LINES = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (r"map_lookup\((\w+), (.*)\) => (.*) \((\d+)\), ad=\d+", _Trace.lookup),
        (r"alias\((.*)\)", _Trace.alias),
        (r"\S.* \(.*, (.*)\) aliased to (.*)", _Trace.aliased),
        (r".*pgsqlmap_lookup\(\w+\): (.*)", _Trace.silent),
        (r".*pgsqlmap: (\S+): not asked again yet", _Trace.silent_still),
        (r"(\S.*?)\.\.\. (.*)", _Trace.speech),
    )
)


def parse_way(address: str, output: str, code: int) -> Way:
    """Read what ``-bv -v -d60.1,27.1,38.9`` prints about one address.

    Verify mode passes over an alias that gets no answer and calls the name
    deliverable, while mail would wait; so every question without an answer counts.
    """
    trace = _Trace()
    for line in output.splitlines():
        for pattern, read in _LINES:
            match = pattern.fullmatch(line)
            if match:
                read(trace, *match.groups())
                break
    # What is said besides is a remark, such as "forwarding to", unless it failed.
    recipients = trace.recipients + (trace.remarks if code else [])
    if not recipients and trace.reason is None:
        if not code:
            raise AskError(f"sendmail does not answer about {address!r}: {_last_line(output)}")
        recipients = [Recipient(address, "undeliverable", text=_last_line(output))]
    outcome = "deliverable"
    for worse in ("deferred", "undeliverable"):
        if any(one.outcome == worse for one in recipients):
            outcome = worse
    if trace.reason:
        outcome = "no_answer"
    return Way(address, outcome, trace.reason, tuple(recipients), tuple(trace.steps))


def as_data(way: Way) -> dict[str, t.Any]:
    """Return a way in the form of a return value."""
    return {
        **way._asdict(),
        "recipients": [one._asdict() for one in way.recipients],
        "steps": [one._asdict() for one in way.steps],
    }


def _step(table: str, key: str, value: str | None) -> Step:
    """Return a step; without a value there was no answer."""
    if value is None:
        return Step(table, key, "no_answer", None)
    if value == _NOT_FOUND:
        return Step(table, key, "not_found", None)
    return Step(table, key, "found", "(secret)" if is_secret(table, key) else value)


def _recipient(address: str, mailer: str, host: str | None, user: str) -> Recipient:
    if mailer == "*error*":
        text = user.strip('"')
        outcome = "deferred" if text.startswith("4") else "undeliverable"
        return Recipient(address, outcome, text=text)
    return Recipient(address, "deliverable", mailer, host, user)


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip(" >")]
    return lines[-1] if lines else "it says nothing"


# How it is asked -------------------------------------------------------------------


def private_config(text: str, connection: str | None) -> str:
    """Return sendmail.cf with a rule set for our questions, and perhaps another database.

    ``connection`` is a connection string of libpq that takes the place of -H in
    PgsqlDefaultSpec.  The counters (-s) are those of the daemon and stay its own.
    """
    if connection is None:
        return text + _RULES
    option = re.search(r"^O\s+PgsqlDefaultSpec=(.*)$", text, re.MULTILINE)
    if option is None:
        raise AskError(
            "sendmail.cf has no option PgsqlDefaultSpec, so its maps cannot be asked about rows"
            " that do not count yet; write it with role mta_config"
        )
    flags = []
    words = iter(re.findall(r'(?:"[^"]*"|\S)+', option[1]))
    for word in words:
        if word[:2] not in ("-H", "-s"):
            flags.append(word)
        elif len(word) == 2:
            next(words, None)
    spec = " ".join([f'O PgsqlDefaultSpec=-H "{connection}"', *flags])
    return text[: option.start()] + spec + text[option.end() :] + _RULES


class Sendmail:
    """The sendmail of this host, asked about a configuration."""

    def __init__(self, params: t.Mapping[str, t.Any], *, delayed: bool = False) -> None:
        self._delayed = delayed
        self._program = params["program"]
        self._config = params["config"]
        self._timeout = params["timeout"]
        if os.geteuid() != 0:
            raise AskError(
                "only root may ask sendmail what it asks the maps; run the task with become: true"
            )
        for path in (self._program, self._config):
            if not Path(path).exists():
                raise AskError(f"{path} is missing; is this a mail host, and has it sendmail?")

    def answers(self, name: str, keys: t.Sequence[str]) -> list[Answer]:
        """Look keys up in a map, named as its table."""
        if not keys:
            return []
        questions = [[f"/map {MAP_NAMES[name]} {checked_key(key)}"] for key in keys]
        return [
            parse_answer(key, output)
            for key, output in zip(keys, self._test_mode(questions))  # noqa: B905 - Python 3.7
        ]

    def verdicts(self, questions: t.Sequence[tuple[str, str, Client]]) -> list[Verdict]:
        """Call rule sets: name, its argument, and the client that asks.

        check_relay takes no argument; it is called with name and address of the client, by
        a rule of private_config().
        """
        if not questions:
            return []
        lines = []
        questions = [(self._rules(rules), *more) for rules, *more in questions]
        for rules, argument, client in questions:
            name = client.name or f"[{client.address}]"
            call = f"{rules} {argument}"
            if rules.endswith("relay"):
                call = f"sqlmail_parts,{rules} {name} $| {client.address}"
            lines.append(
                [
                    f".D{{client_addr}}{client.address}",
                    f".D{{client_name}}{name}",
                    f".D{{client_resolve}}{'OK' if client.name else 'FAIL'}",
                    call,
                ]
            )
        return [
            parse_verdict(question[0], output)
            for question, output in zip(questions, self._test_mode(lines))  # noqa: B905
        ]

    def _rules(self, rules: str) -> str:
        """Name a rule set; with FEATURE(delay_checks) the others are called by check_rcpt."""
        if self._delayed and rules != "check_rcpt":
            return rules.replace("_", "")
        return rules

    def way(self, address: str) -> Way:
        """Follow an address through the maps."""
        done = self._run(["-bv", "-v", "-d60.1,27.1,38.9", "--", checked_address(address)], b"")
        return parse_way(address, done.stdout.decode("utf-8", "backslashreplace"), done.returncode)

    def _test_mode(self, questions: t.Sequence[t.Sequence[str]]) -> list[str]:
        """Ask in one process; return what was printed for each question."""
        # A line that no row can contain tells where an answer ends.
        mark = f"end-{secrets.token_hex(16)}"
        lines = [f".D{{sqlmail_mark}}{mark}"]
        for question in questions:
            lines += [*question, "${sqlmail_mark}"]
        done = self._run(["-bt"], "".join(f"{line}\n" for line in lines).encode())
        output = done.stdout.decode("utf-8", "backslashreplace")
        parts = output.split(mark)
        if len(parts) != len(questions) + 1:
            raise AskError(f"sendmail -bt does not answer: {_last_line(output)}")
        return [re.sub(r"\s*(?:>\s*)*\Z", "", part) for part in parts[:-1]]

    def _run(self, arguments: list[str], text: bytes) -> t.Any:
        try:
            return subprocess.run(  # noqa: S603 - sendmail, with what was checked
                [self._program, f"-C{self._config}", *arguments],
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=self._timeout,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise AskError(
                f"sendmail did not answer within {self._timeout} seconds; is the name service"
                " reachable from this host?"
            ) from None
        except OSError as cause:
            raise AskError(f"cannot run {self._program}: {cause.strerror}") from cause


@contextlib.contextmanager
def private_sendmail(params: t.Mapping[str, t.Any], connection: str | None) -> t.Iterator[Sendmail]:
    """Give a sendmail with a configuration of its own, see private_config()."""
    # It says what is missing.
    Sendmail(params)
    text = Path(params["config"]).read_text(encoding="utf-8", errors="surrogateescape")
    text = private_config(text, connection)
    with tempfile.NamedTemporaryFile("wb", prefix="sqlmail-", suffix=".cf", dir="/run") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.flush()
        delayed = not re.search(r"^Scheck_relay\b", text, re.MULTILINE)
        yield Sendmail({**params, "config": file.name}, delayed=delayed)

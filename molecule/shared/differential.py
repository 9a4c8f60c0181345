# SPDX-License-Identifier: GPL-3.0-or-later
"""Random mixes of rows and addresses, for our maps and for sendmail's own.

A mix has names, addresses and networks that no other mix has, so all of them stand side
by side in one set of maps, and one process answers for all.  A seed makes them again.
"""

from __future__ import annotations

import random
import re
import typing as t
from collections.abc import Iterator

from shared.machine import Machine

FOLDER = "/root/differential"
MASQUERADE = "behind.example"
# The configuration that sendmail's own documentation leads to: hash maps, class files,
# upstream's rule sets.
STOCK = f"""divert(0)dnl
VERSIONID(`differential')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mx.sqlmail.test')dnl
define(`confSERVICE_SWITCH_FILE', `{FOLDER}/switch')dnl
define(`confDONT_PROBE_INTERFACES', `true')dnl
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
TRUST_AUTH_MECH(`PLAIN LOGIN')dnl
define(`ALIAS_FILE', `hash:{FOLDER}/aliases')dnl
define(`confCW_FILE', `{FOLDER}/local_domains')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`access_db', `hash -T<TMPF> {FOLDER}/access', `skip', `relaytofulladdress')dnl
FEATURE(`blocklist_recipients')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`greet_pause')dnl
FEATURE(`ratecontrol')dnl
FEATURE(`conncontrol')dnl
FEATURE(`tls_session_features')dnl
FEATURE(`mailertable', `hash {FOLDER}/mailertable')dnl
FEATURE(`domaintable', `hash {FOLDER}/domaintable')dnl
FEATURE(`genericstable', `hash {FOLDER}/genericstable')dnl
GENERICS_DOMAIN_FILE(`{FOLDER}/generics_domains')dnl
FEATURE(`virtusertable', `hash {FOLDER}/virtualusers')dnl
VIRTUSER_DOMAIN_FILE(`{FOLDER}/virtual_domains')dnl
FEATURE(`use_cw_file')dnl
RELAY_DOMAIN_FILE(`{FOLDER}/relay_domains')dnl
MASQUERADE_AS(`{MASQUERADE}')dnl
MASQUERADE_DOMAIN_FILE(`{FOLDER}/masquerade_domains')dnl
MASQUERADE_EXCEPTION_FILE(`{FOLDER}/masquerade_exceptions')dnl
FEATURE(`masquerade_envelope')dnl
FEATURE(`local_procmail', `/usr/bin/procmail')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
"""
# What test mode needs to be told an argument with $| in it (op.me, 5.1.4).
TRANSLATE = "LOCAL_RULESETS\nStranslate\nR$* $$| $*\t$: $1 $| $2\n"

VERDICTS = [
    *("OK", "RELAY", "REJECT", "DISCARD", "SKIP", "QUARANTINE:odd", "ERROR:5.7.1:550 no"),
    *("ERROR:450 later", "550 never"),
]
MAPS = ("access", "aliases", "virtualusers", "mailertable", "genericstable", "domaintable")
CLASSES = (
    *("local_domains", "relay_domains", "virtual_domains", "generics_domains"),
    *("masquerade_domains", "masquerade_exceptions"),
)
TABLES = (*MAPS, *CLASSES)


class Mix:
    """Some rows, and what is asked about them."""

    def __init__(self, number: int, seed: int) -> None:
        """Make the mix that belongs to a number."""
        self.number = number
        self.dice = random.Random(seed * 1_000_003 + number)  # noqa: S311
        self.top = f"m{number}"
        self.rows: dict[str, dict[str, str]] = {table: {} for table in TABLES}
        self.net = f"10.{number // 256}.{number % 256}"
        self.net6 = f"IPv6:2001:db8:{number:x}"
        self.users = [f"{name}{number}" for name in ("ann", "bob", "joe")]
        for _row in range(self.dice.randint(3, 14)):
            self._add_access()
        for _row in range(self.dice.randint(0, 5)):
            self._add_member()
        for _row in range(self.dice.randint(0, 4)):
            self._add_others()
        self.questions = list(self._ask())

    # Rows ---------------------------------------------------------------------

    def domain(self) -> str:
        """A domain of this mix."""
        return self.dice.choice(["", "a.", "b.", "c.a.", "c.b."]) + self.top

    def virtual(self) -> str:
        """A domain of virtual users."""
        return self.dice.choice(["v.", "w."]) + self.top

    def user(self) -> str:
        """A local part, sometimes with a detail."""
        return self.dice.choice(self.users) + self.dice.choice(["", "", "", "+x", "+", "+x+y"])

    def host(self) -> str:
        """A client's name."""
        return self.dice.choice(["h.", "i."]) + self.domain()

    def address(self) -> str:
        """A client's address."""
        if self.dice.random() < 0.5:
            return f"{self.net}.{self.dice.randint(0, 2)}"
        groups = [str(self.dice.randint(0, 1)) for _group in range(3)]
        return f"{self.net6}:{groups[0]}:0:0:{groups[1]}:{groups[2]}"

    def network(self) -> str:
        """An address, or what it begins with."""
        separator = ":" if ":" in (address := self.address()) else "."
        parts = address.split(separator)
        least = 4 if separator == ":" else 3
        return separator.join(parts[: self.dice.randint(least, len(parts))])

    def _put(self, table: str, key: str, value: str) -> None:
        self.rows[table].setdefault(key.lower(), value)

    def _add_access(self) -> None:
        verdict = self.dice.choice(VERDICTS)
        detail = self.dice.choice(["", "+*", "+x"])
        person = self.dice.choice(self.users) + detail
        where = self.dice.choice([self.host(), self.domain(), self.network(), self.network()])
        who = self.dice.choice([f"{person}@{self.domain()}", f"{person}@", self.domain()])
        kind = self.dice.randint(0, 9)
        if kind < 3:
            self._put("access", self.dice.choice(["Connect:", ""]) + where, verdict)
        elif kind < 5:
            self._put("access", self.dice.choice(["From:", "From:", ""]) + who, verdict)
        elif kind < 7:
            self._put("access", self.dice.choice(["To:", "To:", ""]) + who, verdict)
        elif kind == 7:
            tag, value = self.dice.choice(
                [
                    ("GreetPause:", "1000"),
                    ("ClientRate:", str(self.dice.choice([0, 3, 9]))),
                    ("ClientConn:", str(self.dice.choice([0, 3, 9]))),
                    ("TLS_Srv_Features:", "Options=1"),
                ]
            )
            self._put("access", tag + where, value)
        elif kind == 8:
            tag, value = self.dice.choice(
                [
                    ("Srv_Features:", "V"),
                    ("TLS_Clt:", self.dice.choice(["ENCR:112", "PERM+VERIFY", "VERIFY:99"])),
                    ("TLS_Srv:", "ENCR:112"),
                    ("Try_TLS:", "NO"),
                    ("Clt_Features:", "S"),
                    ("TLS_Clt_Features:", "Options=1"),
                ]
            )
            # A server is known by its name alone there.
            self._put("access", tag + (self.host() if tag == "Clt_Features:" else where), value)
        else:
            self._put("access", "TLS_Rcpt:" + who.replace("+*", ""), "ENCR:112")

    def _add_others(self) -> None:
        target = self.dice.choice(["demo", f"out{self.number}@elsewhere.example", "root"])
        kind = self.dice.randint(0, 4)
        if kind == 0:
            person = self.dice.choice(self.users) + self.dice.choice(["", "+*", "+x", "++"])
            key = self.dice.choice([f"{person}@", "@"]) + self.virtual()
            value = self.dice.choice(
                [
                    *(target, target, "error:nouser no"),
                    *("%1@elsewhere.example", "%1%3@elsewhere.example"),
                ]
            )
            self._put("virtualusers", key, value)
        elif kind == 1:
            dot = self.dice.choice(["", "."])
            value = self.dice.choice(["esmtp:[192.0.2.9]", "smtp:gw.example", "error:5.7.0:550 no"])
            self._put("mailertable", dot + self.domain(), value)
        elif kind == 2:
            self._put("domaintable", f"old.{self.domain()}", self.domain())
        elif kind == 3:
            user = self.dice.choice(self.users)
            key = self.dice.choice([user, f"{user}@sqlmail.test", f"{user}@{self.member()}"])
            self._put("genericstable", key, f"public{self.number}@show.example")
        else:
            self._put("aliases", self.dice.choice(self.users), target)

    def _add_member(self) -> None:
        table = self.dice.choice(CLASSES)
        literal = f"[{self.address()}]"
        network = self.network()
        member = {
            "local_domains": [self.domain(), self.virtual(), literal],
            "relay_domains": [self.domain(), self.host(), network, network],
            "virtual_domains": [self.virtual(), self.virtual(), self.domain()],
        }.get(table, [self.domain(), self.host(), self.member()])
        key = self.typed(self.dice.choice(member))
        # What is both is refused.
        other = {"local_domains": "relay_domains", "relay_domains": "local_domains"}.get(table)
        if not (other and key.lower() in self.rows[other]):
            self._put(table, key, key)

    def member(self) -> str:
        """A domain that is a member of some class, if there is one."""
        members = [
            name
            for table in CLASSES
            for name in self.rows[table]
            if ":" not in name and name[0].isalpha()
        ]
        return self.dice.choice(members or [self.domain()])

    def typed(self, name: str) -> str:
        """Write a domain as somebody may type it."""
        return self.dice.choice([name, name, name.upper()])

    # Questions ----------------------------------------------------------------

    def _ask(self) -> Iterator[tuple[str, str]]:
        """Yield lines of test mode: macros that are set before, and the question."""
        names = [self.host(), f"[{self.net}.1]"]
        name, address = self.dice.choice(names), self.address()
        sender = f"{self.user()}@{self.typed(self.domain())}"
        # Of virtual users sendmail lets the whole domain in, and we the address alone,
        # unless the domain is a member of the class.
        domains = [self.typed(self.domain()), self.domain(), self.member(), "sqlmail.test"]
        recipient = f"{self.user()}@{self.dice.choice(domains)}"
        macros = (
            f".D{{client_name}}{name}\n.D{{client_addr}}{address}\n.D{{client_resolve}}OK\n"
            f".D{{server_name}}{name}\n.D{{server_addr}}{address}\n.Df{sender}\n"
            ".D{client_rate}5\n.D{client_connections}5\n.D{verify}NO\n"
        )
        questions = (
            f"translate,check_relay {name} $| {address}",
            f"check_mail <{sender}>",
            f"check_rcpt <{recipient}>",
            f"translate,greet_pause {name} $| {address}",
            f"srv_features {name}",
            "RateControl x",
            "ConnControl x",
            "translate,tls_client NO $| MAIL",
            f"translate,tls_srv_features {name} $| {address}",
            f"try_tls {name}",
            "tls_server NO",
            f"tls_rcpt {recipient}",
            f"clt_features {name}",
            f"translate,tls_clt_features {name} $| {address}",
            f"3,0 {self.user()}@{self.typed(self.virtual())}",
            f"3,0 {self.user()}@{self.dice.choice(['', 'old.'])}{self.domain()}",
            f"3,0 {self.user()}@[{self.address()}]",
            f"3,1,HdrFromSMTP,final {self.dice.choice(self.users)}@sqlmail.test",
            f"3,1,HdrFromSMTP,final {self.user()}@{self.typed(self.domain())}",
            f"3,1,HdrFromSMTP,final {self.dice.choice(self.users)}@{self.member()}",
            f"3,1,HdrFromSMTP,final {self.dice.choice(self.users)}@h.{self.member()}",
            f"3,1,EnvFromSMTP,final {self.dice.choice(self.users)}@{self.member()}",
            f"check_rcpt <{self.user()}@{self.typed(self.member())}>",
        )
        for question in self.dice.sample(questions, 12):
            yield macros, question
            macros = ""


def mixes(count: int, seed: int) -> list[Mix]:
    """Make so many mixes."""
    return [Mix(number, seed) for number in range(count)]


def load(host: Machine, made: list[Mix]) -> None:
    """Put the rows of all mixes into the database and into hash maps."""
    host.run("mkdir", "-p", FOLDER)
    host.run("tee", f"{FOLDER}/switch", text="hosts files\naliases files\n")
    for table in MAPS:
        rows = {key: value for mix in made for key, value in mix.rows[table].items()}
        text = "".join(f"{key}\t{value}\n" for key, value in rows.items())
        host.sql(f"DELETE FROM {table};\nCOPY {table} (key, value) FROM STDIN;\n{text}\\.\n")
        # An alias file without the last row is taken for one that is being made.
        complete = "@\t@\n" if table == "aliases" else ""
        host.run("makemap", "hash", f"{FOLDER}/{table}", text=text + complete)
    # What the host is called is in lines of our sendmail.cf.
    also = {"local_domains": {"sqlmail.test", host.fqdn}, "generics_domains": {host.fqdn}}
    # Ours finds virtual users in any domain, and generics in all local ones.
    also["virtual_domains"] = {
        key.rpartition("@")[2] for mix in made for key in mix.rows["virtualusers"]
    }
    for table in CLASSES:
        members = {key for mix in made for key in mix.rows[table].values()}
        if table == "local_domains":
            members.add("sqlmail.test")
            also["generics_domains"] |= members
        text = "".join(f"{key}\n" for key in sorted(members))
        host.sql(f"DELETE FROM {table};\nCOPY {table} (key) FROM STDIN;\n{text}\\.\n")
        text = "".join(f"{key}\n" for key in sorted(members | also.get(table, set())))
        host.run("tee", f"{FOLDER}/{table}", text=text)


def answers(host: Machine, cf: str, made: list[Mix]) -> dict[tuple[int, str], str]:
    """Ask one process all questions in test mode."""
    asked = [(mix.number, *pair) for mix in made for pair in mix.questions]
    text = "".join(f"{macros}{question}\n" for _number, macros, question in asked)
    printed = host.run("sendmail", f"-C{cf}", "-bt", text=text)
    results: list[str] = []
    depth = 0
    for step, said in re.findall(r"(?m)^(?:> )*\S+ +(input|returns): ?(.*)$", printed):
        depth += 1 if step == "input" else -1
        if depth == 0:
            results.append(said.strip())
    found, place = {}, 0
    for number, _macros, question in asked:
        steps = question.split(" ")[0].count(",") + 1
        place += steps
        # A last dot says that the DNS need not be asked for the domain.
        found[number, question] = re.sub(r" \.(?= (>|\$:))", "", results[place - 1])
    assert place == len(results), (place, len(results))
    return found


def deliveries(host: Machine, cf: str, made: list[Mix]) -> list[str]:
    """Ask one process where mail to all local names would go."""
    names = [user + detail for mix in made for user in mix.users for detail in ("", "+x")]
    names += [
        f"{user}@{domain}"
        for mix in made
        for domain in mix.rows["local_domains"].values()
        for user in mix.users
    ]
    # What is unknown makes the exit status of all.
    done = host.attempt("sendmail", f"-C{cf}", "-bv", *names)
    return sorted(done.stdout.decode().splitlines())


def told(mix: Mix, differ: t.Iterable[str]) -> str:
    """Say what is needed to understand a difference."""
    rows = [f"{table}: {row}" for table in TABLES for row in mix.rows[table].items()]
    return "\n".join([f"mix {mix.number}", *rows, *differ])

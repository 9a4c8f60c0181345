# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What sendmail 8.18.2 printed on a host that the playbook had made, and what it means."""

from __future__ import annotations

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import AskError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._sendmail import (
    Answer,
    Client,
    Recipient,
    Sendmail,
    Step,
    Verdict,
    checked_address,
    checked_client,
    checked_key,
    parse_answer,
    parse_verdict,
    parse_way,
    private_config,
)

TEMPORARY = "451 Temporary system failure. Please try again later."
SOCKET = (
    'connect: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: No such'
    " file or directory  Is the server running locally and accepting connections on that socket?"
)


# /map ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "output", "expected"),
    [
        ("x@hostA.com", "returns sales (0)", ("found", "sales")),
        ("sales", "returns root, joe@remote.example (0)", ("found", "root, joe@remote.example")),
        ("To:none", "no match (68)", ("not_found", None)),
        ("To:x", "no match (75)", ("no_answer", None)),
        # -T<TMPF> gives a value without an answer to who asks by a rule.
        ("a", "returns a<TMPF> (75)", ("no_answer", None)),
        # Nothing in a key or a value ends the answer early.
        (") no match (68)", "returns (x) (0) (0)", ("found", "(x) (0)")),
        ("k", "returns a (0)\nb (0)", ("found", "a (0)\nb")),
    ],
)
def test_a_map_answers(key, output, expected):
    said = f"ADDRESS TEST MODE\nEnter <ruleset> <address>\n> map_lookup: access ({key}) {output}\n"
    assert parse_answer(key, said) == Answer(key, *expected)


@pytest.mark.parametrize(
    "output", ['> Map named "nomap" not found', '> Map named "x" not open', "", "> "]
)
def test_a_map_that_is_missing_is_an_error(output):
    with pytest.raises(AskError, match="does not answer about key 'k'"):
        parse_answer("k", output)


def test_an_answer_that_is_not_understood_shows_no_secret():
    with pytest.raises(AskError) as refused:
        parse_answer("k", "> map_lookup: authinfo (other) returns hush (0)")
    assert "hush" not in str(refused.value)


# -bv -------------------------------------------------------------------------------

VIRTUAL = """\
map_lookup(dequote, root) => NOT FOUND (0), ad=0
map_lookup(domaintable, hostA.com) => NOT FOUND (68), ad=0
map_lookup(host, hostA.com) => NOT FOUND (68), ad=0
map_lookup(virtuser, david@hostA.com) => david@hostB.com (0), ad=0
map_lookup(domaintable, hostB.com) => NOT FOUND (68), ad=0
map_lookup(host, hostB.com) => NOT FOUND (75), ad=0
map_lookup(host, hostB.com) tempfail: errno=0
map_lookup(virtuser, david@hostB.com) => NOT FOUND (68), ad=0
map_lookup(mailertable, hostB.com) => esmtp:[mail.hostb.com] (0), ad=0
david@hostA.com... deliverable: mailer esmtp, host [mail.hostb.com], user david@hostB.com
"""
ALIAS = """\
map_lookup(dequote, sales) => NOT FOUND (0), ad=0
alias(sales)
switch_map_open(aliases, aliases, 0)
pgsqlmap: service=sendmail: connected, backend 7395
sales (, sales) aliased to root, joe@remote.example
sales... aliased to root, joe@remote.example
self_reference(root)
\t... no self ref
map_lookup(mailertable, .) => NOT FOUND (68), ad=0
alias(root)
forward(root)
root... forwarding to \\root
\\root... deliverable: mailer local, user root
joe@remote.example... deliverable: mailer esmtp, host remote.example, user joe@remote.example
"""
GONE = """\
alias(gone)
gone (, gone) aliased to nobodyhere
gone... aliased to nobodyhere
\t... no self ref
alias(nobodyhere)
nobodyhere... User unknown
"""
REFUSED = """\
map_lookup(virtuser, no@hostA.com) => error:5.7.0:550 not here (0), ad=0
no@hostA.com... not here
"""
DEFERRED = """\
map_lookup(virtuser, late@hostA.com) => error:4.7.0:450 come again (0), ad=0
come again
late@hostA.com... Transient parse error -- message queued for future delivery
late@hostA.com... deliverable: mailer *error*, host 4.7.0, user "450 come again"
"""
AWAY = f"""\
map_lookup(domaintable, hostA.com) => NOT FOUND (75), ad=0
map_lookup(domaintable, hostA.com) tempfail: errno=0
map_lookup(virtuser, david@hostA.com) => NOT FOUND (75), ad=0
map_lookup(virtuser, david@hostA.com) tempfail: errno=0
Temporary system failure. Please try again later.
david@hostA.com... Transient parse error -- message queued for future delivery
david@hostA.com... deliverable: mailer *error*, host 4.3.0, user "{TEMPORARY}"
"""
# Verify mode says that it is deliverable.
ALIAS_AWAY = f"""\
alias(sales)
pgsqlmap_open(Alias0, 0)
pgsqlmap_lookup(Alias0): {SOCKET}
openmap()\tnull:aliases.cdb NULL: valid
sales... deliverable: mailer local, user sales
"""


def test_the_way_of_a_virtual_user():
    way = parse_way("david@hostA.com", VIRTUAL, 0)
    assert (way.outcome, way.reason) == ("deliverable", None)
    assert way.recipients == (
        Recipient("david@hostA.com", "deliverable", "esmtp", "[mail.hostb.com]", "david@hostB.com"),
    )
    assert way.steps == (
        Step("domaintable", "hostA.com", "not_found", None),
        Step("virtualusers", "david@hostA.com", "found", "david@hostB.com"),
        Step("domaintable", "hostB.com", "not_found", None),
        Step("virtualusers", "david@hostB.com", "not_found", None),
        Step("mailertable", "hostB.com", "found", "esmtp:[mail.hostb.com]"),
    )


def test_the_way_of_an_alias_ends_in_several_places():
    way = parse_way("sales", ALIAS, 0)
    assert way.outcome == "deliverable"
    assert [one.user for one in way.recipients] == ["root", "joe@remote.example"]
    assert [one.host for one in way.recipients] == [None, "remote.example"]
    assert way.steps[0] == Step("aliases", "sales", "found", "root, joe@remote.example")
    assert way.steps[-1] == Step("aliases", "root", "not_found", None)


@pytest.mark.parametrize(
    ("output", "code", "outcome", "text"),
    [
        (GONE, 67, "undeliverable", "User unknown"),
        (REFUSED, 65, "undeliverable", "not here"),
        (DEFERRED, 0, "deferred", "450 come again"),
        (AWAY, 0, "no_answer", TEMPORARY),
        (ALIAS_AWAY, 0, "no_answer", None),
        ("553 5.0.0 List:; syntax illegal for recipient addresses\n", 65, "undeliverable", None),
    ],
    ids=["unknown", "refused", "deferred", "away", "alias away", "syntax"],
)
def test_mail_that_does_not_arrive(output, code, outcome, text):
    way = parse_way("a", output, code)
    assert way.outcome == outcome
    assert text in [None, *(one.text for one in way.recipients)]
    assert bool(way.reason) == (outcome == "no_answer")


def test_an_alias_without_an_answer_is_not_called_unknown():
    way = parse_way("sales", ALIAS_AWAY, 0)
    assert way.steps == (Step("aliases", "sales", "no_answer", None),)
    assert way.reason == SOCKET


def test_secrets_are_veiled():
    line = 'map_lookup(access, AuthInfo:a.example) => "U:us" "P:hush" (0), ad=0\n'
    way = parse_way("a", line + ALIAS, 0)
    assert way.steps[0] == Step("access", "AuthInfo:a.example", "found", "(secret)")


def test_silence_is_an_error():
    with pytest.raises(AskError, match="does not answer about 'a'"):
        parse_way("a", "alias(a)\n", 0)


# Rule sets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("RELAY", Verdict("accepted")),
        ("< OK >", Verdict("accepted")),
        ("demo < @ sqlmail . test . >", Verdict("accepted")),
        (
            '$# error $@ 5 . 7 . 1 $: "550 Access denied"',
            Verdict("refused", "550 5.7.1 Access denied"),
        ),
        (
            '$# error $@ 5 . 7 . 1 $: "550 Relaying denied. IP name lookup failed "'
            " [ 198 . 51 . 100 . 7 ]",
            Verdict("refused", "550 5.7.1 Relaying denied. IP name lookup failed [198.51.100.7]"),
        ),
        (
            "$# error $@ 5 . 1 . 1 $: 550 User unknown",
            Verdict("refused", "550 5.1.1 User unknown"),
        ),
        ("$# error $: 451 Come again", Verdict("deferred", "451 Come again")),
        ('$# error $@ 4 . 7 . 1 $: "450 Later"', Verdict("deferred", "450 4.7.1 Later")),
        ("$# discard $: discard", Verdict("discarded")),
        ("$# error $@ quarantine $: look", Verdict("quarantined", "look")),
        (
            f'$# error $@ 4 . 3 . 0 $: "{TEMPORARY}"\n== Ruleset check_rcpt (184) status 75',
            Verdict("no_answer", "451 4.3.0 " + TEMPORARY[4:]),
        ),
    ],
)
def test_a_rule_set_decides(said, expected):
    output = (
        "> > check_rcpt         input: user @ relay . example\n"
        "Basic_check_rcpt returns: $# error $: not the last word\n"
        f"check_rcpt       returns: {said}\n"
    )
    assert parse_verdict("check_rcpt", output) == expected


def test_a_rule_set_that_is_missing_is_an_error():
    with pytest.raises(AskError, match="Undefined ruleset"):
        parse_verdict("check_rcpt", "> Undefined ruleset check_rcpt\n")


# What may be asked ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["", " a", "a ", "a\n/quit", "a\rb", "a\x00b", "a\x7f", "a\x85b", "x" * 1025]
)
def test_a_key_that_would_be_another_line_is_refused(key):
    with pytest.raises(AskError, match="cannot ask for key"):
        checked_key(key)


@pytest.mark.parametrize("key", ["${j}", "/quit", "# x", ".D{j}x", "é@x", "a (b) c", "'; DROP"])
def test_other_keys_are_only_keys(key):
    assert checked_key(key) == key


@pytest.mark.parametrize("address", ["-bd", "a b@c", "a,b", "a;b", "é@x.example", "a\n@b", ""])
def test_what_is_not_one_address_is_refused(address):
    with pytest.raises(AskError, match="cannot ask for"):
        checked_address(address)


@pytest.mark.parametrize("client", ["mail.example", "1.2.3", "1.2.3.4 x", "1.2.3.4#", "${j}", ""])
def test_what_is_no_client_is_refused(client):
    with pytest.raises(AskError, match="is no IP address"):
        checked_client(client)


def test_clients():
    assert checked_client("192.0.2.1", "a.example") == ("192.0.2.1", "a.example")
    assert checked_client("2001:db8::1").address == "IPv6:2001:db8::1"
    assert checked_client("IPv6:2001:db8::1").address == "IPv6:2001:db8::1"
    with pytest.raises(AskError, match="is no name of a host"):
        checked_client("192.0.2.1", "a b")


# Who may ask ------------------------------------------------------------------------------

PARAMS = {"program": "/bin/sh", "config": "/etc/passwd", "timeout": 1}


def test_only_root_asks(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(AskError, match=r"only root may ask .* become: true"):
        Sendmail(PARAMS)


@pytest.mark.parametrize("missing", ["program", "config"])
def test_a_host_without_sendmail_is_told(monkeypatch, missing):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(AskError, match="/nowhere is missing; is this a mail host"):
        Sendmail({**PARAMS, missing: "/nowhere"})


def test_nobody_waits_for_ever(monkeypatch, tmp_path):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    slow = tmp_path / "sendmail"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    with pytest.raises(AskError, match="did not answer within 1 seconds"):
        Sendmail({**PARAMS, "program": str(slow)}).way("a@b.example")


# Says what it was told, and repeats the mark.
ECHO = r"""#!/bin/sh
while read -r line; do
    case $line in
        .D{sqlmail_mark}*) mark=${line#*\}} ;;
        '${sqlmail_mark}') echo "> $mark" ;;
        .D*) told="$told$line " ;;
        *) name=${line%% *}; echo "> ${name#*,}   returns: \$# error \$: 550 $told$line"; told= ;;
    esac
done
"""


@pytest.mark.parametrize(
    ("delayed", "rules"),
    [
        (False, ["check_relay", "check_mail", "check_rcpt"]),
        (True, ["checkrelay", "checkmail", "check_rcpt"]),
    ],
)
def test_rule_sets_are_called_for_a_client(monkeypatch, tmp_path, delayed, rules):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    program = tmp_path / "sendmail"
    program.write_text(ECHO)
    program.chmod(0o755)
    known, unknown = Client("192.0.2.1", "a.example"), Client("IPv6:2001:db8::1")
    sendmail = Sendmail({**PARAMS, "program": str(program)}, delayed=delayed)
    told = sendmail.verdicts(
        [
            ("check_relay", "", known),
            ("check_mail", "a@b.example", unknown),
            ("check_rcpt", "${j}@b.example", known),
        ]
    )
    from_known = ".D{client_addr}192.0.2.1 .D{client_name}a.example .D{client_resolve}OK"
    from_unknown = (
        ".D{client_addr}IPv6:2001:db8::1 .D{client_name}[IPv6:2001:db8::1] .D{client_resolve}FAIL"
    )
    assert [one.text for one in told] == [
        f"550 {from_known} sqlmail_parts,{rules[0]} a.example $| 192.0.2.1",
        f"550 {from_unknown} {rules[1]} a@b.example",
        f"550 {from_known} {rules[2]} ${{j}}@b.example",
    ]
    assert sendmail.verdicts([]) == []


# The private configuration ----------------------------------------------------------------

CONFIG = """\
O Timeout.starttls=1h
O PgsqlDefaultSpec={}
Kaccess pgsql -T<TMPF> -f -F mail.lookup_access
"""


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            "-H service=sendmail -c 5 -l 5 -i 60 -e -p mail.lookup_ahead -s /var/lib/x.st",
            '-H "host=/run/x" -c 5 -l 5 -i 60 -e -p mail.lookup_ahead',
        ),
        ('-H "host=a dbname=b" -c5 -s/x', '-H "host=/run/x" -c5'),
        ('-c 5 -H"service=a b" -e', '-H "host=/run/x" -c 5 -e'),
    ],
)
def test_the_maps_are_asked_elsewhere_and_nothing_is_counted(spec, expected):
    text = private_config(CONFIG.format(spec), "host=/run/x")
    assert text.startswith(CONFIG.format(expected))
    assert private_config(CONFIG.format(spec), None).startswith(CONFIG.format(spec))


def test_a_configuration_without_the_option_is_refused():
    with pytest.raises(AskError, match="no option PgsqlDefaultSpec"):
        private_config("O Timeout.starttls=1h\n", "host=/run/x")

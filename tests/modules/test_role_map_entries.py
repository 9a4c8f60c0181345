# SPDX-License-Identifier: GPL-3.0-or-later
"""The role that keeps the entries of the inventory; Molecule installs what it needs."""

from __future__ import annotations

import os
import typing as t

ROLE = {
    "ansible.builtin.import_role": {
        "name": "sqlmail.sendmail.map_entries",
        "tasks_from": "entries",
    }
}


def variables(**more: t.Any) -> dict[str, t.Any]:
    """Return the variables of an inventory with two groups that have lists of their own."""
    return {
        "map_entries_login_host": os.environ["PGHOST"],
        "map_entries_login_port": os.environ["PGPORT"],
        "map_entries_login_password": os.environ["PGPASSWORD"],
        "map_entries_ssl_mode": "prefer",
        "map_entries_local_domains": ["a.example"],
        "map_entries_entries": [
            {"map": "local_domains", "key": "A.example", "value": "the shop"},
            {"map": "aliases", "key": "Abuse", "value": "ann"},
        ],
        "map_entries_entries_sales": [{"map": "virtualusers", "key": "s@a.example", "value": "s"}],
        "map_entries_entries_other": [{"map": "virtualusers", "key": "o@a.example", "value": "o"}],
        "__map_entries_driver": "/",
        **more,
    }


def changes(play: t.Any) -> list[bool]:
    """Return, for each call of the module, whether it changed something."""
    return [told.changed for told in play.told if "kept" in told.result]


def test_all_lists_count_and_seeds_are_planted_once(database: t.Any, ansible: t.Any) -> None:
    check = {**ROLE, "check_mode": True}
    play = ansible.play(check, ROLE, check, ROLE, **variables())
    assert changes(play) == [True, True, False, False]
    assert database.rows("virtualusers") == {"s@a.example": "s", "o@a.example": "o"}
    assert database.rows("local_domains") == {"A.example": "the shop"}
    assert database.rows("access") == {"Connect:127.0.0.1": "RELAY", "Connect:IPv6:::1": "RELAY"}
    aliases = database.rows("aliases")
    assert aliases["Abuse"] == "ann"
    # Eight role mailboxes in three spellings; the case of a local part counts here.
    assert len(aliases) == 22
    assert aliases["noc"] == aliases["NOC"] == aliases["Noc"] == "root"
    database.ask("DELETE FROM mail.aliases WHERE key = 'noc'")
    assert changes(ansible.play(ROLE, **variables())) == [False]
    assert "noc" not in database.rows("aliases")


def test_exact_maps_hold_what_the_inventory_has(database: t.Any, ansible: t.Any) -> None:
    database.ask(
        "INSERT INTO mail.virtualusers VALUES ('x@a.example', 'x'), ('x@b.example', 'x');"
        "INSERT INTO mail.aliases VALUES ('x', 'y')"
    )
    exact = [{"map": "virtualusers", "keys": "*@A.example"}, {"map": "aliases"}]
    given = variables(map_entries_exact=exact)
    (told,) = (
        told
        for told in ansible.play(ROLE, **given, map_entries_max_deletions=1).told
        if told.result["failed"]
    )
    assert "would delete 2 entries, max_deletions is 1" in told.result["msg"]
    assert changes(ansible.play(ROLE, ROLE, **given)) == [True, False]
    assert set(database.rows("virtualusers")) == {"s@a.example", "o@a.example", "x@b.example"}
    assert "x" not in database.rows("aliases")
    assert len(database.rows("aliases")) == 22

# SPDX-License-Identifier: GPL-3.0-or-later
"""No mail is harmed while the database is away, whatever the reason and whoever asks."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.callers import CALLERS, PEOPLE, ROWS
from shared.faults import FAULTS
from shared.machine import Machine


def test_probe(mta: Machine):
    for table, rows in ROWS.items():
        for key, value in rows.items():
            mta.sql(f"INSERT INTO {table} VALUES ('{key}', '{value}') ON CONFLICT DO NOTHING;")
    for p in PEOPLE:
        mta.account(p)
    mta.sql("DELETE FROM access WHERE key = 'Srv_Features:192.0.2.1'")
    from pathlib import Path
    mta.run("tee", "/run/receiver.py", text=Path("molecule/shared/receiver.py").read_text())
    mta.attempt("systemctl", "stop", "receiver")
    mta.run("systemd-run", "--unit=receiver", "--collect", "python3", "/run/receiver.py", "2525", "/run/receiver.json", "/etc/mail/tls/server.crt", "/etc/mail/tls/server.key")


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(mta: Machine, fault: str):
    daemon = mta.daemon()
    def act(name, scene):
        t = time.monotonic()
        try:
            seen = next(scene)
        except Exception as e:
            seen = repr(e)[:300]
        return name, seen, round(time.monotonic() - t, 1)
    scenes = {n: c(mta) for n, c in CALLERS.items()}
    with ThreadPoolExecutor(8) as pool:
        t = time.monotonic()
        print("\nBEFORE", [r for r in pool.map(act, scenes, scenes.values()) if r[1]], time.monotonic() - t)
        with FAULTS[fault](mta):
            print("INJECT", time.monotonic() - t)
            t = time.monotonic()
            for r in pool.map(act, scenes, scenes.values()):
                print(fault, r)
            print("OBS", time.monotonic() - t)
        t = time.monotonic()
        for r in pool.map(act, scenes, scenes.values()):
            print("AFTER", r)
        print("AFT", time.monotonic() - t)
    assert mta.daemon() == daemon

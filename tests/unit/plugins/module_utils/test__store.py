# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the modules connect; what they ask is tested against a server."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.sqlmail.sendmail.plugins.doc_fragments import _connection
from ansible_collections.sqlmail.sendmail.plugins.module_utils import _store
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import StoreError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    connection_parameters,
    open_store,
)

UNSET = {name: option.get("default") for name, option in STORE_OPTIONS.items()}
ALWAYS = {
    "connect_timeout": 10,
    "application_name": "sqlmail.sendmail",
    "client_encoding": "UTF8",
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, {"dbname": "sendmail", "user": "mailadmin"}, id="nothing given"),
        pytest.param(
            {"login_unix_socket": "/run/x", "login_port": 5433},
            {"dbname": "sendmail", "user": "mailadmin", "host": "/run/x", "port": 5433},
            id="socket needs no TLS",
        ),
        pytest.param(
            {"login_host": "db.example.org", "ca_cert": "/ca", "login_unix_socket": "/run/x"},
            {
                "dbname": "sendmail",
                "user": "mailadmin",
                "host": "db.example.org",
                "sslmode": "verify-full",
                "sslrootcert": "/ca",
            },
            id="host is verified in full",
        ),
        pytest.param(
            {"service": "sendmail-admin"},
            {"service": "sendmail-admin"},
            id="a service is not overridden by defaults",
        ),
        pytest.param(
            {"service": "sendmail-admin", "login_user": "alice"},
            {"service": "sendmail-admin", "user": "alice"},
            id="a service is overridden by options",
        ),
        pytest.param(
            {"connect_params": {"connect_timeout": 2, "dbname": "other"}},
            {"dbname": "other", "user": "mailadmin", "connect_timeout": 2},
            id="connect_params take precedence",
        ),
    ],
)
def test_options_become_parameters_of_libpq(given, expected):
    assert connection_parameters({**UNSET, **given}) == {**ALWAYS, **expected}


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setattr(_store, "PSYCOPG2_IMPORT_ERROR", "Traceback ...")
    with pytest.raises(StoreError, match="python3-psycopg2"), open_store(UNSET, read_only=False):
        pass


def test_a_missing_server_is_told_without_secrets(tmp_path):
    pytest.importorskip("psycopg2")
    params = {**UNSET, "login_unix_socket": str(tmp_path), "login_password": "s3cret"}
    with (
        pytest.raises(StoreError, match="is PostgreSQL running") as error,
        open_store(params, read_only=False),
    ):
        pass
    assert "role 'mailadmin'" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_the_options_are_documented_as_they_are():
    fragment = yaml.safe_load(_connection.ModuleDocFragment.DOCUMENTATION)["options"]
    documented = {
        name: {key: value for key, value in option.items() if key != "description"}
        for name, option in fragment.items()
    }
    real = {
        name: {key: value for key, value in option.items() if key != "no_log"}
        for name, option in STORE_OPTIONS.items()
    }
    assert documented == real


def test_the_password_is_never_logged():
    assert STORE_OPTIONS["login_password"]["no_log"] is True


def test_rows_become_the_text_of_copy():
    rows = [(1, "a\tb", None), (2, "\\joe", "x\r\ny\\N"), (3, "", False)]
    stream = _store._Stream(rows)
    expected = "1\ta\\tb\t\\N\n2\t\\\\joe\tx\\r\\ny\\\\N\n3\t\tFalse\n"
    assert stream.read(8192) == expected
    assert stream.read(8192) == ""


def test_many_rows_come_in_pieces():
    stream = _store._Stream((number,) for number in range(2500))
    pieces = list(iter(lambda: stream.read(8192), ""))
    assert len(pieces) == 3
    assert "".join(pieces).split() == [str(number) for number in range(2500)]

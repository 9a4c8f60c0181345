# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords travel under TLS only, and TLS is of today."""

from __future__ import annotations

import base64
import ssl
import warnings

import pytest

from shared.machine import Machine


@pytest.mark.parametrize("port", [25, 465, 587])
def test_tls_is_of_today_and_the_certificate_names_the_host(mta: Machine, port: int) -> None:
    # Machine.trust() knows the own authority only; a wrong name or issuer raises.
    with mta.smtp(port, tls=True) as session:
        assert isinstance(session.sock, ssl.SSLSocket)
        assert session.sock.version() in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.parametrize("port", [25, 465, 587])
def test_old_tls_is_refused_by_the_server(
    mta: Machine, port: int, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = mta.trust()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    monkeypatch.setattr(mta, "trust", lambda: context)
    with pytest.raises(ssl.SSLError) as caught, mta.smtp(port, tls=True):
        pass
    # The alert came from the other side; this side was willing.
    assert "ALERT" in caught.value.reason


@pytest.mark.parametrize("port", [25, 587])
def test_auth_is_not_offered_before_starttls(mta: Machine, port: int) -> None:
    with mta.smtp(port) as session:
        before = session.extensions()
        assert "starttls" in before
        assert "auth" not in before
        refused = session.say("AUTH PLAIN " + base64.b64encode(b"\0demo\0x").decode())
        assert refused.refused


# No more than these: a Sendmail.conf that sendmail skipped, without a word, would offer all that
# Cyrus SASL has, and EXTERNAL would let everybody with a certificate relay.
@pytest.mark.parametrize("port", [465, 587])
def test_what_is_offered_under_tls(mta: Machine, port: int) -> None:
    with mta.smtp(port, tls=True) as session:
        offered = session.extensions()["auth"].split()
        assert sorted(offered) == ["LOGIN", "PLAIN", "SCRAM-SHA-256"]
        assert session.say("AUTH EXTERNAL =").code == 504


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN", "LOGIN"])
@pytest.mark.parametrize("port", [465, 587])
def test_the_right_password_is_taken_and_others_are_not(
    mta: Machine, demo: tuple[str, str], port: int, mechanism: str
) -> None:
    user, password = demo
    for wrong in ("wrong", "", password + "x", password[:-1], password.swapcase()):
        with mta.smtp(port, tls=True) as session:
            session.extensions()
            assert session.authenticate(mechanism, user, wrong).code == 535, wrong
    with mta.smtp(port, tls=True) as session:
        session.extensions()
        assert session.authenticate(mechanism, "nobody-of-that-name", password).code == 535
    with mta.smtp(port, tls=True) as session:
        session.extensions()
        assert session.authenticate(mechanism, user, password).code == 235

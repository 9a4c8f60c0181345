# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""What is to be done to a user.  Pure: knows no database and no password."""

from __future__ import annotations

import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import as_diff

__all__ = ["User", "UserChange", "plan_user"]


class User(t.NamedTuple):
    """A user as he is stored."""

    login: str
    enabled: bool
    comment: str | None
    # Has a password at all.
    has_password: bool
    # It is the given one, and hashed as often as it should be.
    fits: bool = False

    def shown(self) -> dict[str, t.Any]:
        """Return what may be shown."""
        return {
            "login": self.login,
            "enabled": self.enabled,
            "comment": self.comment,
            "has_password": self.has_password,
        }

    def line(self) -> str:
        """Return the user as a line of a diff."""
        words = [self.login, "enabled" if self.enabled else "disabled"]
        if not self.has_password:
            words.append("without a password")
        if self.comment:
            words.append(self.comment)
        return "\t".join(words) + "\n"


class UserChange(t.NamedTuple):
    """What is to be done, and what a diff may show of it."""

    action: str
    before: User | None
    after: User | None
    # Columns to write, without the verifier.
    columns: dict[str, t.Any]
    new_password: bool

    def __bool__(self) -> bool:
        return self.action != "none"

    def as_diff(self, title: str) -> dict[str, str]:
        """Return the change in the form of Ansible's diff mode."""
        after = self.after.line() if self.after else ""
        if self.before and self.new_password:
            after = after.replace("\n", "\t(another password)\n")
        return as_diff(title, self.before.line() if self.before else "", after)


def plan_user(
    login: str,
    found: User | None,
    *,
    state: str,
    password: bool,
    enabled: bool | None = None,
    comment: str | None = None,
    only_first: bool = False,
) -> UserChange:
    """Compare what is wanted with what is there; what is not given stays as it is.

    With only_first a password that is there stays, whatever it is.
    """
    if state == "absent":
        return UserChange("none" if found is None else "delete", found, None, {}, False)
    if found is None:
        if not password:
            raise PlanError(f"there is no user {login!r}; a new user needs a password")
        columns: dict[str, t.Any] = {"enabled": True if enabled is None else enabled}
        columns["comment"] = comment or None
        user = User(login, columns["enabled"], columns["comment"], has_password=True)
        return UserChange("add", None, user, columns, True)
    columns = {}
    if enabled is not None and enabled != found.enabled:
        columns["enabled"] = enabled
    if comment is not None and (comment or None) != found.comment:
        columns["comment"] = comment or None
    new_password = password and not found.fits and (not only_first or not found.has_password)
    user = found._replace(has_password=found.has_password or new_password, **columns)
    action = "change" if columns or new_password else "none"
    return UserChange(action, found, user, columns, new_password)

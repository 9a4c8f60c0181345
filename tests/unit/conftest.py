# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the checkout importable as ansible_collections.sqlmail.sendmail.

Under ansible-test it is so already; under plain pytest a link does it.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def importable() -> bool:
    """Tell whether the name leads to this checkout already."""
    try:
        spec = importlib.util.find_spec("ansible_collections.sqlmail.sendmail.plugins")
    except ImportError:
        return False
    places = spec.submodule_search_locations if spec else None
    return any(Path(place).resolve() == CHECKOUT / "plugins" for place in places or ())


def pytest_configure(config) -> None:
    """Give the checkout its name for the time of the tests."""
    if importable():
        return
    directory = tempfile.TemporaryDirectory(prefix="sqlmail-unit-")
    config.add_cleanup(directory.cleanup)
    collections = Path(directory.name) / "ansible_collections"
    (collections / "sqlmail").mkdir(parents=True)
    (collections / "sqlmail" / "sendmail").symlink_to(CHECKOUT)
    sys.path.insert(0, directory.name)
    # The package ansible brings an ansible_collections of its own.
    import ansible_collections

    if str(collections) not in ansible_collections.__path__:
        ansible_collections.__path__.insert(0, str(collections))
    sys.modules.pop("ansible_collections.sqlmail", None)

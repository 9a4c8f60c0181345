# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""What a module promises."""

from __future__ import annotations


class ModuleDocFragment:
    """The meaning of the attributes; each module says what it supports."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description:
      - Can run in C(check_mode) and return changed status prediction without modifying the
        target.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)),
        when in diff mode.
  idempotent:
    description:
      - A second call with the same arguments reports no change and changes nothing, if nothing
        else changed the system in the meantime. What another client changed is put right again.
  platform:
    description:
      - Target operating systems that the module works on.
"""

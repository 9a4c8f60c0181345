# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""How a module asks sendmail."""

from __future__ import annotations


class ModuleDocFragment:
    """Options shared by the modules; module_utils/_sendmail.py has them in code."""

    DOCUMENTATION = r"""
options:
  program:
    description:
      - The sendmail that is asked, in its modes C(-bt) and C(-bv), which deliver, queue and write
        nothing. It is run as root, as the daemon is.
    type: path
    default: /usr/sbin/sendmail
  config:
    description:
      - The configuration that it is asked about.
    type: path
    default: /etc/mail/sendmail.cf
  timeout:
    description:
      - Seconds that one process of sendmail may take. Most of it is the name service.
    type: int
    default: 60
requirements:
  - the task runs on a mail host as root
"""

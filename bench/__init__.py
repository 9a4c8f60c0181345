# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's mail server costs, beside its peers; see docs/performance.md."""

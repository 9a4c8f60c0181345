# SPDX-License-Identifier: GPL-3.0-or-later
"""The ratios as a picture."""

from __future__ import annotations

import typing as t

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes

from bench.hosts import TOP

PICTURE = TOP / "docs" / "performance.svg"
OURS, THEIRS, MARK = "#1f5fa8", "#b0b0b0", "#444444"


def bars(axes: Axes, title: str, values: dict[str, float], target: float | None) -> None:
    """Draw one panel; what the collection deploys stands out."""
    names = list(values)[::-1]
    peers = ("Postfix", "postfix", "Exim", "sendmail socket")
    colours = [THEIRS if name.startswith(peers) else OURS for name in names]
    drawn = axes.barh(names, [values[name] for name in names], color=colours, height=0.6)
    axes.bar_label(drawn, fmt="%.2f", padding=3)
    axes.margins(x=0.15)
    if target is not None:
        axes.axvline(target, color=MARK, linestyle="--", linewidth=1)
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def panels(results: dict[str, t.Any]) -> list[tuple[str, dict[str, float], float | None]]:
    """Choose what is drawn, from what is there."""
    found: list[tuple[str, dict[str, float], float | None]] = []
    if "lookups" in results:
        pinned = results["lookups"]["figures"]["pinned"]
        names = ["sendmail pgsql, table", "Postfix pgsql", "Exim pgsql", "sendmail socket map"]
        title = "Lookups/s over libpq's own limit, one processor, asking alone (≥ 0.90)"
        found.append((title, {name: pinned[name]["net"] for name in names}, 0.90))
    if "messages" in results:
        figures = results["messages"]["figures"]
        in_sql = [name for name in figures if not name.endswith((" hash", " lmdb"))]
        title = "CPU per message over file maps of the same server (≤ 1.15; with TLS ≤ 1.30)"
        found.append((title, {name: figures[name]["cpu_to_files"] for name in in_sql}, 1.15))
        title = "Messages/s over Postfix with pgsql:, ten sessions (≥ 1)"
        found.append((title, {name: one["rate_to_postfix"] for name, one in figures.items()}, 1.0))
    for sessions in ("60", "200") if "crowds" in results else ():
        figures = results["crowds"]["figures"][sessions]
        in_sql = [name for name in figures if not name.endswith((" hash", " lmdb"))]
        title = f"Messages/s over file maps of the same server, {sessions} sessions (≥ 0.85)"
        found.append((title, {name: figures[name]["rate_to_files"] for name in in_sql}, 0.85))
    return found


def draw(results: dict[str, t.Any]) -> None:
    """Write docs/performance.svg; the same figures give the same file."""
    chosen = panels(results)
    if not chosen:
        return
    mpl.rcParams.update({"svg.hashsalt": "sqlmail", "svg.fonttype": "none", "font.size": 9})
    heights = [len(values) + 1.2 for _title, values, _limit in chosen]
    figure, every = pyplot.subplots(
        len(chosen), figsize=(8, 0.32 * sum(heights)), height_ratios=heights, squeeze=False
    )
    for axes, panel in zip(every.flat, chosen, strict=True):
        bars(axes, *panel)
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Date": None, "Creator": None})

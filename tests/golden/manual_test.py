#!/usr/bin/env python3
"""Manuals name the columns that factors read: each operator that looks up lifts says so of each of its
tables, and feature/lift of all factors.

usage: manual_test.py MILLRACE
"""
import re
import subprocess
import sys

LIFTS = "columns: class (as the key), total i64, first timestamp, half_life i64, levels list"
EXPECTED = {
    "adjust/place": ["for place, of the items or the request: place (one of home, work, commute, "
                     "out, travel); its class: category"],
    "adjust/network": ["for network, of the items or the request: net (one of wifi, 5g, 4g, 3g); "
                       "its class: form",
                       "for budget, of the items or the request: budget_low (false or true, or 0 "
                       "or 1); its class: form"],
    "adjust/time": ["for time, of the items or the request: hour_local (a number from 0 to 23), "
                    "weekday (a number from 0, Monday, to 6); its class: category"],
}


def info(millrace, *kind):
    return subprocess.run([millrace, "info", *kind], check=True, capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL).stdout


def section(manual, title):
    match = re.search(rf"^{title}.*?\n(.*?)\n\n", manual, re.M | re.S)
    return match.group(1) if match else ""


def factors(manual):
    """Name and line of each factor."""
    return dict(re.findall(r"^      for ([\w-]+)(.*)$", section(manual, "INPUTS"), re.M))


def main():
    millrace = sys.argv[1]
    kinds = re.findall(r"^  (\S+)", info(millrace), re.M)
    known = factors(info(millrace, "feature/lift"))
    problems = []
    for kind in kinds:
        manual = info(millrace, kind)
        tables = re.findall(r"^  ([\w-]+)\W.*\n      .*\n      (.*)$", section(manual, "TABLES"),
                            re.M)
        told = factors(manual)
        for name, columns in tables:
            if columns != LIFTS:
                continue
            if name not in told or known[name].removeprefix(": ") not in told[name]:
                problems.append(f"{kind}: columns of {name} are not told")
        for line in EXPECTED.get(kind, []):
            if line not in section(manual, "INPUTS"):
                problems.append(f"{kind}: the manual lacks: {line}")
    if len(known) < 10 or not set(EXPECTED) <= set(kinds):
        problems.append(f"factors are {sorted(known)}, kinds are {kinds}")
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

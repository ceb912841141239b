#!/usr/bin/env python3
"""Every impression says why: base and the sum of its reasons are the logit of the probability with which it
was served, over the examination of its position. Reads the log of impressions alone, plain or zstd.

usage: reasons.py IMPRESSIONS_DIR
"""
import json
import math
import pathlib
import subprocess
import sys


def text(part):
    if part.suffix != ".zst":
        return part.read_text()
    return subprocess.run(["zstdcat", part], stdout=subprocess.PIPE, text=True, check=True).stdout


def distance(row):
    rate = row["p_served"] / row["examination"]
    return abs(sum(row["reasons"].values()) - math.log(rate / (1 - rate)))


def main():
    rows, worst = 0, 0.0
    for part in sorted(pathlib.Path(sys.argv[1]).glob("part-*")):
        for line in text(part).splitlines():
            rows, worst = rows + 1, max(worst, distance(json.loads(line)))
    print(f"{rows} impressions, {worst:.1e} at most between reasons and what was served")
    return 0 if rows and worst <= 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())

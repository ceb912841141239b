#!/usr/bin/env python3
"""Reasons add up: in every row of the golden cases of adjust operators (which golden.py holds against
what comes out), the score of each item is the sum of its reasons, and that sum is the logit of p_served
over the examination.

usage: reasons_test.py
"""
import json
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def items(row):
    return row["items"] if "items" in row else [row]


def problems(item):
    reasons = item.get("reasons", {})
    total = reasons.get("base", item.get("base", 0)) + sum(
        term for name, term in reasons.items() if name != "base")
    if abs(total - item["score"]) > 1e-9:
        yield f"reasons make {total}, not {item['score']}"
    if item.get("p_served") is not None:
        rate = item["p_served"] / item["examination"]
        if abs(math.log(rate / (1 - rate)) - total) > 1e-9:
            yield f"p_served {item['p_served']} at a score of {total}"


def main():
    found, seen = [], 0
    for path in sorted(HERE.glob("adjust-*/out.jsonl")):
        for line in path.read_text().splitlines():
            for item in items(json.loads(line)):
                seen += 1
                found += [f"{path.parent.name}: {text}" for text in problems(item)]
    print("\n".join(found) or f"{seen} items")
    sys.exit(1 if found or seen < 100 else 0)


if __name__ == "__main__":
    main()

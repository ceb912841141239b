#!/usr/bin/env python3
"""recall@10 of a run of jobs/video.yaml, from nothing but its output files and the log.

usage: recall.py RATINGS OUT_DIR     (RATINGS: tab separated, with a header)

Published protocol: five-star ratings in order of time (those of one second as in the file); the
first 30 % are only learned; a rating is a hit when its item is among the first ten of the list
that was made for this user at this moment. An item never seen before counts as a miss.
"""
import json
import pathlib
import sys


def ratings(path):
    rows = []
    with open(path) as lines:
        next(lines)
        for number, line in enumerate(lines):
            user, item, rating, at = line.rstrip("\n").split("\t")[:4]
            if float(rating) == 5:
                rows.append((float(at), number, user, item))
    return sorted(rows)


def lists(folder):
    """(user, time in ms, item that was rated) -> the recommended items."""
    found = {}
    for part in sorted(pathlib.Path(folder).glob("part-*")):
        for line in part.read_text().splitlines():
            row = json.loads(line)
            key = (str(row["user"]), int(row["event_time"]), str(row["item"]))
            found[key] = [str(entry["item"]) for entry in row["items"]]
    return found


def main():
    rows, made = ratings(sys.argv[1]), lists(sys.argv[2])
    seen, hits, counted, start = set(), 0, 0, int(len(rows) * 0.3)
    for place, (at, _, user, item) in enumerate(rows):
        if place >= start:
            counted += 1
            top = made.get((user, int(at * 1000), item), [])[:10]
            hits += item in seen and item in top
        seen.add(item)
    print(f"{hits / counted:.4f}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Impressions per CPU second of a job on the generated world: source/generator and generator/outcome, CPU
of all processes, one worker; a year of 700 users, 400 items, 80 candidates a request, lists of 10.

  few      they are counted by user and day: of their columns no other is made
  all      a sink takes all 37 columns, after a filter that passes none
  events   and what follows them
  judged   the truth of all candidates, counted

Limit: one core. Floor 1 M for `few`; what the world costs alone is told by bench-impressions.

usage: impressions.py BUILD_DIR [--days N] [--rounds N] [-p N]
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

WORLD = """\
job: {name: impressions}
operators:
  - {id: world, kind: source/generator, days: %d}
  - {id: out, kind: generator/outcome, from: world}
"""
COUNTED = """\
  - {id: kept, kind: window-aggregate, from: out.%s, key: user_id, window: {tumbling: 1d}, aggregate: {count: count()}}
  - {id: sink, kind: sink/file, from: kept, path: out}
"""
ALL = """\
  - {id: kept, kind: clean, from: out.impressions, filter: position > 1000}
  - {id: sink, kind: sink/file, from: kept, path: out}
"""
EVENTS = "".join(f"  - {{id: {port}, kind: sink/file, from: out.{port}, path: {port}}}\n"
                 for port in ("clicks", "plays", "dwell", "purchases", "feedback"))
JOBS = {"few": COUNTED % "impressions", "all": ALL, "events": ALL + EVENTS,
        "judged": COUNTED % "judged"}


def measure(build, name, args):
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        place = pathlib.Path(folder)
        (place / "job.yaml").write_text(WORLD % args.days + JOBS[name])
        subprocess.run([build / "millrace", "run", "job.yaml", "-p", str(args.parallelism),
                        "--quiet", "--summary", "summary.json"], cwd=place, check=True)
        summary = json.loads((place / "summary.json").read_text())
    requests = summary["operators"]["world"]["out"]
    requests = requests["out"] if isinstance(requests, dict) else requests
    return 10 * requests, sum(process["cpu_s"] for process in summary["processes"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-p", dest="parallelism", type=int, default=1)
    args = parser.parse_args()
    best = {}
    for number in range(args.rounds):
        for name in JOBS:
            impressions, cpu = measure(args.build.resolve(), name, args)
            best[name] = max(best.get(name, 0), impressions / cpu)
            print(f"round {number + 1}, {name}: {impressions} impressions, {cpu:.2f} CPU s, "
                  f"{impressions / cpu / 1e6:.2f} M impressions/CPU-s", flush=True)
    print("best", ", ".join(f"{name} {rate / 1e6:.2f} M" for name, rate in best.items()))


if __name__ == "__main__":
    main()

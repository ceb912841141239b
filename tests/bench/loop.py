#!/usr/bin/env python3
"""How fast a loop goes round: versions a second of tables that are made, an hour of event time at a
time, from what their readers send. Two readers, two window-aggregates and a filter; an hour can only
go on once the versions that it looks up have come back (--delay 1ms: those of the hour before, so that
nothing overlaps).

It holds when a version takes less than --limit at parallelism 1.

usage: loop.py BUILD_DIR [--hours N] [--rows N] [--delay D] [--limit MS] [-D NAME=VALUE ...]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
HOUR_MS = 3_600_000
RUNS = {
    "-p 1": ["-p", "1"],
    "-p 2, one worker": ["-p", "2", "--workers", "1"],
    "-p 2, two workers": ["-p", "2", "--workers", "2"],
}


def events(path, hours, rows):
    with open(path, "w") as out:
        for hour in range(hours):
            for row in range(rows):
                ts = (440_000 + hour) * HOUR_MS + row * (HOUR_MS // rows)
                out.write(f'{{"ts":{ts},"user":{row},"group":{row % 5},"value":{1 - hour % 2}}}\n')


def run(build, folder, name, flags, job):
    place = folder / name.replace(" ", "")
    place.mkdir()
    command = [str(build / "tests/golden/millrace-fed"), "run", str(job), "--quiet", "--summary",
               "summary.json", "-D", f"events.path={folder / 'events.jsonl'}", *flags]
    began = time.monotonic()
    subprocess.run(command, cwd=place, check=True, stdin=subprocess.DEVNULL)
    wall = time.monotonic() - began
    summary = json.loads((place / "summary.json").read_text())
    lines = sorted(line for part in (place / "out").glob("part-*")
                   for line in part.read_text().splitlines())
    return wall, sum(process["cpu_s"] for process in summary["processes"]), lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--hours", type=int, default=17_520)
    parser.add_argument("--rows", type=int, default=20, help="an hour")
    parser.add_argument("--delay", default="1h")
    parser.add_argument("--limit", type=float, default=1, help="ms a version at parallelism 1")
    parser.add_argument("-D", dest="defines", action="append", default=[])
    args = parser.parse_args()
    more = [part for define in args.defines for part in ("-D", define)]
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = pathlib.Path(name)
        events(folder / "events.jsonl", args.hours, args.rows)
        job = folder / "loop.yaml"
        job.write_text((HERE / "loop.yaml").read_text().replace("delay: 1h", f"delay: {args.delay}"))
        print(f"{'run':20} {'wall s':>8} {'CPU s':>8} {'versions/s':>11} {'ms a version':>13}")
        results = {}
        for run_name, flags in RUNS.items():
            results[run_name] = run(args.build.resolve(), folder, run_name, flags + more, job)
            wall, cpu, _ = results[run_name]
            print(f"{run_name:20} {wall:8.1f} {cpu:8.1f} {args.hours / wall:11.0f} "
                  f"{wall / args.hours * 1000:13.3f}", flush=True)
    checks = {
        "the output is the same": len({tuple(lines) for _, _, lines in results.values()}) == 1,
        f"a version takes less than {args.limit:g} ms at parallelism 1":
            results["-p 1"][0] / args.hours * 1000 < args.limit,
    }
    for check, holds in checks.items():
        print(f"{'pass' if holds else 'FAIL'}  {check}")
    sys.exit(not all(checks.values()))


if __name__ == "__main__":
    main()

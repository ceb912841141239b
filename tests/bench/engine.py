#!/usr/bin/env python3
"""Events per CPU-second of the whole engine: parse, clean, de-duplicate, keyed sliding window (0.1
rows out a row in), file sink; generated JSON lines of about 150 bytes, two workers.

The limit that it is held against is the parser: simdjson takes about 100 ns of an event of eight
fields, so 10 M events per CPU-second would be parsing alone. Floor 1.5 M, aim 2.5 M.

usage: engine.py BUILD_DIR [--events N] [--rounds N] [--profile] [-D NAME=VALUE ...]

--profile runs once more under `perf record` and prints where the time goes.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent


def run(build, folder, flags, prefix=()):
    summary = folder / "summary.json"
    subprocess.run(["rm", "-rf", str(folder / "out"), str(folder / "checkpoints")], check=True)
    command = [*prefix, str(build / "millrace"), "run", str(HERE / "engine.yaml"), "-p", "2",
               "--workers", "2", "--quiet", "--summary", str(summary), *flags]
    subprocess.run(command, cwd=folder, check=True)
    return json.loads(summary.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("-D", dest="defines", action="append", default=[])
    args = parser.parse_args()
    build = args.build.resolve()
    flags = [part for define in args.defines for part in ("-D", define)]
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = pathlib.Path(name)
        with open(folder / "events.jsonl", "w") as out:
            subprocess.run([str(build / "tests/bench/bench-events"), str(args.events), "1"],
                           stdout=out, check=True)
        best = 0
        for number in range(args.rounds):
            summary = run(build, folder, flags)
            events = summary["operators"]["events"]["in"]
            cpu = sum(process["cpu_s"] for process in summary["processes"])
            rate = events / cpu
            best = max(best, rate)
            print(f"round {number + 1}: {events} events, {cpu:.2f} CPU s, "
                  f"{rate / 1e6:.2f} M events/CPU-s, {events / summary['run_s'] / 1e6:.2f} "
                  f"M events/s, rows out {summary['operators']['trends']['out']['out']}, "
                  f"duplicates {summary['operators']['clean'].get('duplicates')}", flush=True)
        print(f"best {best / 1e6:.2f} M events/CPU-s")
        if args.profile:
            run(build, folder, flags, ["perf", "record", "-q", "-g", "-o", str(folder / "perf")])
            subprocess.run(["perf", "report", "-i", str(folder / "perf"), "--no-children",
                            "--stdio", "-g", "none", "--percent-limit", "0.7"], check=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Left rows per CPU-second of join/interval: N impressions of 17 columns (CSV), left join on request and
item with the clicks of a twentieth of them within half an hour; 288,000 impressions wait at a time.

Run in turns with the same job without the join: the difference, by the impressions, is what a left row
costs, its clicks, its timer and its two cells in and out of the store included. Aim: 1 us. Limit of
the machine: some ten cache misses a row. The best of the rounds counts.

usage: join.py BUILD_DIR [--shown N] [--rounds N] [-D NAME=VALUE ...]
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent


def run(build, folder, name, flags):
    subprocess.run(["rm", "-rf", str(folder / "out"), str(folder / "checkpoints")], check=True)
    command = [str(build / "millrace"), "run", str(HERE / name), "--quiet", "--summary",
               "summary.json", "-p", "1", *flags]
    subprocess.run(command, cwd=folder, check=True)
    summary = json.loads((folder / "summary.json").read_text())
    worker = summary["processes"][1]
    summary["cpu"] = sum(process["cpu_s"] for process in summary["processes"])
    summary["state"] = sum(subtask["state_bytes"] for subtask in worker["subtasks"])
    return summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--shown", type=int, default=8_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-D", dest="defines", action="append", default=[])
    args = parser.parse_args()
    build = args.build.resolve()
    flags = [part for define in args.defines for part in ("-D", define)]
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = pathlib.Path(name)
        for kind in ["shown", "clicks"]:
            with open(folder / f"{kind}.csv", "w") as out:
                subprocess.run([str(build / "tests/bench/bench-joins"), kind, str(args.shown)],
                               stdout=out, check=True)
        best_with, best_without = float("inf"), float("inf")
        for number in range(args.rounds):
            without = run(build, folder, "join_without.yaml", flags)["cpu"]
            summary = run(build, folder, "join.yaml", flags)
            joined = summary["operators"]["labelled"]
            best_with = min(best_with, summary["cpu"])
            best_without = min(best_without, without)
            print(f"round {number + 1}: {joined['out']['out']} rows, {joined['matched']} matched, "
                  f"{summary['cpu']:.2f} CPU s, {without:.2f} without, "
                  f"{summary['checkpoints']['completed']} checkpoints, state at the end "
                  f"{summary['state'] / 1e6:.0f} MB", flush=True)
        rows = joined["out"]["out"]
        print(f"best {(best_with - best_without) / rows * 1e9:.0f} ns a left row, "
              f"{rows / (best_with - best_without) / 1e6:.2f} M/CPU-s; the whole job "
              f"{rows / best_with / 1e6:.2f} M/CPU-s")


if __name__ == "__main__":
    main()

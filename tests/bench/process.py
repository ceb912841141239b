#!/usr/bin/env python3
"""What a person waits for, and what an idle job costs, whole processes over several rounds:

  start     `millrace run` of an empty input, wall seconds (aim: under 0.2 s)
  idle      memory of a coordinator and one worker that wait for input (limit: under 64 MB together)
  recovery  SIGKILL of one of two workers to the first new committed output (aim: 1 s; a commit comes
            with a checkpoint, every 100 ms here)

usage: process.py BUILD_DIR [--rounds N]
"""
import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
import harness  # noqa: E402

JOB = """
job: {{name: process}}
checkpoint: {{interval: 100ms}}
operators:
  - {{id: events, kind: source/file, path: "{path}", format: tsv, header: true,
     schema: {{user: {{path: "user_id:token", type: i64}}, at: {{path: "timestamp:float", type: i64}}}},
     time: {{field: at, unit: s}}}}
  - {{id: sums, kind: window-aggregate, from: events, key: user, window: {{tumbling: 10s}},
     aggregate: {{n: count()}}}}
  - {{id: out, kind: sink/file, from: events, path: out}}
  - {{id: sums-out, kind: sink/file, from: sums, path: sums}}
"""


def job(folder, path):
    (folder / "job.yaml").write_text(JOB.format(path=path))
    return folder / "job.yaml"


def command(build, folder, *flags):
    return [str(build / "millrace"), "run", "job.yaml", "--quiet", *flags]


def start_once(build, folder):
    (folder / "empty.tsv").write_text("user_id:token\ttimestamp:float\n")
    job(folder, "empty.tsv")
    began = time.monotonic()
    subprocess.run(command(build, folder), cwd=folder, check=True)
    return time.monotonic() - began


def rss_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    return 0


def slow_run(build, folder, *flags):
    """A job that goes on for long: its sink sleeps at every batch."""
    harness.make_ratings(folder / "in", users=5000, items=10, events=400000)
    job(folder, "in/ratings-0.tsv")
    return subprocess.Popen(command(build, folder, "-D", "debug.sink-delay=20ms", *flags),
                            cwd=folder, stdout=subprocess.DEVNULL)


def newest(folder):
    return max((path.stat().st_mtime_ns for path in folder.glob("checkpoints/*/chk-*/manifest.json")),
               default=0)


def wait_newer(folder, than, limit_s=30):
    end = time.monotonic() + limit_s
    while newest(folder) <= than and time.monotonic() < end:
        time.sleep(0.002)


def idle_once(build, folder):
    process = slow_run(build, folder, "-D", "debug.hold-after-rows=1000", "-D",
                       "checkpoint.interval=0s")
    time.sleep(1)
    pids = [process.pid] + harness.worker_pids(process.pid)
    total = sum(rss_kb(pid) for pid in pids) / 1024
    process.kill()
    process.wait()
    return total


def recovery_once(build, folder):
    process = slow_run(build, folder, "-p", "2", "--workers", "2", "-D", "restart.delay=1ms")
    wait_newer(folder, 0)
    time.sleep(0.3)
    os.kill(harness.worker_pids(process.pid)[1], signal.SIGKILL)
    began, killed = time.monotonic(), time.time_ns()
    wait_newer(folder, killed)
    took = time.monotonic() - began
    process.kill()
    process.wait()
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    for name, once, unit in (("start", start_once, "s"), ("idle", idle_once, "MB"),
                             ("recovery", recovery_once, "s")):
        figures = []
        for _ in range(args.rounds):
            with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
                figures.append(once(args.build.resolve(), pathlib.Path(folder)))
        print(f"{name}: median {statistics.median(figures):.3f} {unit}, "
              f"min {min(figures):.3f}, max {max(figures):.3f}, {args.rounds} rounds", flush=True)


if __name__ == "__main__":
    main()

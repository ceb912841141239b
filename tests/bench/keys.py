#!/usr/bin/env python3
"""A keyed aggregate whose state is many times its memory: windowed counts and sums of N keys, once
without a limit, and once within --memory with a checkpoint every 100 ms and a SIGKILL of a worker
half way. It holds when

  - the output is the same, row by row;
  - each worker's peak of resident memory (VmHWM) stays under its part of the limit plus FIXED_MB;
  - bytes were spilled, and the job was restarted once.

FIXED_MB is what a worker needs whatever the number of keys: 15 MB of code and libraries (see the run
with 1,000 keys), batches on their way, and buffers of the files that are read, written and merged.

usage: keys.py BUILD_DIR [--keys N] [--memory MB] [--workers N] [-D NAME=VALUE ...]
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "integration"))
import harness  # noqa: E402

FIXED_MB = 44


def peak_mb(pid):
    """VmHWM; 0 once the process is gone."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0


def run(build, folder, name, flags, kill_after_s=None):
    """The summary, and the peaks of all processes by role and pid."""
    place = folder / name
    place.mkdir()
    command = [str(build / "millrace"), "run", str(HERE / "keys.yaml"), "--quiet", "--summary",
               "summary.json", "-D", f"events.path={folder / 'events.csv'}",
               "-D", "restart.delay=10ms", *flags]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=place)
    peaks, killed = {}, None
    while process.poll() is None:
        workers = harness.worker_pids(process.pid)
        for pid in [process.pid, *workers]:
            role = "coordinator" if pid == process.pid else "worker"
            peaks[role, pid] = max(peaks.get((role, pid), 0), peak_mb(pid))
        if kill_after_s and not killed and time.monotonic() - began > kill_after_s and workers:
            killed = workers[-1]
            os.kill(killed, signal.SIGKILL)
        time.sleep(0.01)
    if process.returncode != 0:
        sys.exit(f"{name}: exit status {process.returncode}")
    summary = json.loads((place / "summary.json").read_text())
    return {"summary": summary, "peaks": peaks, "wall": time.monotonic() - began}


def checksum(folder, name):
    """Of the sorted lines, by sort(1): they do not fit into memory."""
    parts = sorted(str(part) for part in (folder / name).glob("out/part-*"))
    command = "cat \"$@\" | LC_ALL=C sort -S 512M | sha256sum"
    found = subprocess.run(["bash", "-c", command, "bash", *parts], check=True, text=True,
                           stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(folder)})
    return found.stdout.split()[0]


def spilled(result):
    return sum(subtask.get("spilled_bytes", 0) for process in result["summary"]["processes"]
               for subtask in process.get("subtasks", []))


def pause_ms(result):
    return max(subtask.get("pause_max_ms", 0) for process in result["summary"]["processes"]
               for subtask in process.get("subtasks", []))


def worker_peak(result):
    return max(peak for (role, _), peak in result["peaks"].items() if role == "worker")


def tell(name, result):
    summary = result["summary"]
    peaks = {role: max(peak for (other, _), peak in result["peaks"].items() if other == role)
             for role, _ in result["peaks"]}
    cpu = sum(process["cpu_s"] for process in summary["processes"])
    print(f"{name:10} {result['wall']:8.1f} {cpu:8.1f} {peaks['worker']:10.1f} "
          f"{peaks['coordinator']:10.1f} {spilled(result) / 1e6:10.1f} "
          f"{summary['checkpoints']['completed']:6} {pause_ms(result):9.2f} "
          f"{summary['restarts']:8} {summary['operators']['out']['in']:10}", flush=True)


def events(build, folder, keys):
    with open(folder / "events.csv", "w") as out:
        subprocess.run([str(build / "tests/bench/bench-keys"), str(keys)], stdout=out, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--memory", type=int, default=64, help="MB for the whole job")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-D", dest="defines", action="append", default=[])
    args = parser.parse_args()
    build = args.build.resolve()
    more = [part for define in args.defines for part in ("-D", define)]
    more += ["-p", str(args.workers), "--workers", str(args.workers)]
    tight = ["-D", f"state.memory={args.memory}mb", "-D", "checkpoint.interval=100ms", *more]
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = pathlib.Path(name)
        print(f"{'run':10} {'wall s':>8} {'CPU s':>8} {'worker MB':>10} {'coord. MB':>10} "
              f"{'spilled MB':>10} {'chk':>6} {'pause ms':>9} {'restarts':>8} {'rows out':>10}")
        events(build, folder, 1000)
        tell("1000 keys", run(build, folder, "few", tight))
        events(build, folder, args.keys)
        free = run(build, folder, "free", more)
        tell("unlimited", free)
        limited = run(build, folder, "limited", tight, free["wall"] / 2)
        tell("limited", limited)
        same = checksum(folder, "free") == checksum(folder, "limited")
    bound = args.memory / args.workers + FIXED_MB
    checks = {
        "the output is the same": same,
        f"a worker stays under {bound:.0f} MB": worker_peak(limited) < bound,
        "bytes were spilled": spilled(limited) > 0,
        "one restart": limited["summary"]["restarts"] == 1,
    }
    for check, holds in checks.items():
        print(f"{'pass' if holds else 'FAIL'}  {check}")
    sys.exit(not all(checks.values()))


if __name__ == "__main__":
    main()

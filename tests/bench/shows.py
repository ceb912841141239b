#!/usr/bin/env python3
"""What the main job is held to, on the real MovieLens 100K log and with whole processes: a line for
each promise, pass or FAIL. Longer than the integration tests, which try the same on made input:

  plan      four subtasks of every keyed operator at -p 4, and a deterministic plan
  files     the log cut into 8 files, users interleaved: -p 1 in one worker, -p 4 in two: one output
  chaos     --seeds seeds of random batch sizes, delays and orders: one output
  kill      SIGKILL of a worker at 30, 60 and 90 % of the time of an undisturbed run
  stop      SIGSTOP of a worker until it is replaced, then SIGCONT
  restore   a checkpoint made at -p 2, gone on from at -p 3 and at -p 1
  prefix    the first half of the log gives what the whole log gives up to there

usage: shows.py BUILD_DIR [--seeds N] [--only NAME,...]

Needs the log in the cache: deploy/data fetches it.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "integration"))
import harness  # noqa: E402

QUICK = ["-D", "checkpoint.interval=200ms", "-D", "restart.delay=10ms", "-D",
         "debug.sink-delay=2ms"]  # so that parts of the time are parts of the job
TWO = ["-p", 2, "--workers", 2]
FOUR = ["-p", 4, "--workers", 2]


class Shows(harness.Case):
    """The helpers of the integration tests, driven from main instead of by unittest."""

    def __init__(self, folder, seeds):
        super().__init__("run_job")
        self.folder, self.runs, self.seeds = folder, 0, seeds
        self.log = harness.ml100k()
        self.flags = harness.video_flags(self.log)
        self.took = 1e9
        for _ in range(3):  # the first one may find nothing in the caches
            began = time.monotonic()
            undisturbed = self.run_job(*self.flags, *QUICK, *TWO)
            self.took = min(self.took, time.monotonic() - began)
        self.expected = self.checksum(undisturbed)

    def outcome(self, run, restarts=0):
        if not run.stderr.closed:
            run.finish()
        assert self.checksum(run) == self.expected, "the output differs"
        found = run.summary()["restarts"]
        assert found >= restarts, f"{found} restarts"
        return f"{found} restarts"

    def show_plan(self):
        command = [harness.MILLRACE, "info", str(harness.VIDEO), "-p", "4", "-D",
                   f"events.path={self.log}"]
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        assert "deterministic: yes" in text
        keyed = [part for part in re.split(r"\n  (?=\w)", text)
                 if re.search(r"input in, key \(\w", part)]
        assert len(keyed) >= 5 and all(part.count(" subtask 3: key groups 96 to 127") == 1
                                       for part in keyed), "a keyed operator has not four subtasks"
        return f"{len(keyed)} keyed operators"

    def cut(self, name, rows, files):
        place = self.folder / name
        place.mkdir()
        for number in range(files):
            with open(place / f"part-{number}.tsv", "w") as out:
                out.writelines(rows[:1] + rows[1 + number::files])
        return place / "part-*.tsv"

    def show_files(self):
        rows = sorted_rows(self.log)
        flags = harness.video_flags(self.cut("files", rows, 8))
        alone = self.run_job(*flags, "-p", 1, "--workers", 1)
        many = self.run_job(*flags, *FOUR)
        assert self.checksum(alone) == self.checksum(many), "the output differs"
        for process in many.summary()["processes"]:
            if process["role"] == "worker":
                assert min(process[name] for name in ("rows", "cpu_s", "bytes_sent")) > 0, process
        return f"{len(self.lines(alone))} lines"

    def show_chaos(self):
        for seed in range(1, self.seeds + 1):
            run = self.run_job(*self.flags, *FOUR, "-D", f"debug.chaos={seed}")
            assert self.checksum(run) == self.expected, f"seed {seed}: the output differs"
        return f"{self.seeds} seeds"

    def kill_at(self, part):
        for _ in range(9):  # runs differ by a tenth: one may have ended by then
            run = self.start(*self.flags, *QUICK, *TWO)
            time.sleep(self.took * part)
            workers = harness.worker_pids(run.process.pid)
            if workers:
                os.kill(workers[-1], signal.SIGKILL)
            run.finish()
            if run.summary()["restarts"]:
                return self.outcome(run, 1)
        raise AssertionError("it had always ended before the kill")

    def show_kill_30(self):
        return self.kill_at(0.3)

    def show_kill_60(self):
        return self.kill_at(0.6)

    def show_kill_90(self):
        return self.kill_at(0.9)

    def show_stop(self):
        run = self.start(*self.flags, *QUICK, *TWO, "-D", "heartbeat.timeout=500ms", "-D",
                         "heartbeat.interval=50ms")
        time.sleep(self.took * 0.4)
        before = harness.worker_pids(run.process.pid)
        harness.stop_and_continue(
            run, before[0], lambda: len(harness.worker_pids(run.process.pid)) > len(before))
        return self.outcome(run, 1)

    def show_restore(self):
        for parallelism in (3, 1):
            run = self.start(*self.flags, *QUICK, *TWO)
            time.sleep(self.took * 0.5)
            run.process.send_signal(signal.SIGINT)
            run.finish()
            assert run.summary()["state"] == "stopped", "it had ended before the interrupt"
            again = self.start(*self.flags, "-p", parallelism, "--workers", 2, "-s",
                               "checkpoints/video", place=run.folder)
            self.outcome(again)
        return "at -p 3 and -p 1"

    def show_prefix(self):
        rows = sorted_rows(self.log)
        middle = len(rows) // 2
        while rows[middle].split("\t")[3] == rows[middle + 1].split("\t")[3]:
            middle += 1
        whole = self.run_job(*harness.video_flags(self.cut("whole", rows, 1)), *TWO)
        half = self.run_job(*harness.video_flags(self.cut("half", rows[:middle + 1], 1)), *TWO)
        last = int(float(rows[middle].split("\t")[3])) * 1000
        expected = [line for line in self.lines(whole) if json.loads(line)["event_time"] <= last]
        assert self.lines(half) == expected, "the output differs"
        return f"{len(expected)} lines"


def sorted_rows(path):
    """The lines in order of time, those of one second as in the file; the header first."""
    rows = path.read_text().splitlines(True)
    return rows[:1] + sorted(rows[1:], key=lambda row: float(row.split("\t")[3]))


def attempt(shows, name):
    began = time.monotonic()
    try:
        what = getattr(shows, f"show_{name}")() or ""
        good = True
    except (AssertionError, OSError, IndexError, subprocess.SubprocessError) as error:
        what, good = str(error), False
    took = time.monotonic() - began
    print(f"{'pass' if good else 'FAIL'}  {name:8} {took:6.1f} s  {what}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    if not harness.ml100k():
        sys.exit("the log is not in the cache: run deploy/data")
    harness.MILLRACE = str(args.build.resolve() / "millrace")
    names = [name[5:] for name in vars(Shows) if name.startswith("show_")]
    names = args.only.split(",") if args.only else names
    with tempfile.TemporaryDirectory(prefix="millrace-shows-") as folder:
        shows = Shows(pathlib.Path(folder), args.seeds)
        results = [attempt(shows, name) for name in names]
    print(f"{sum(results)} of {len(results)} pass")
    sys.exit(not all(results))


if __name__ == "__main__":
    main()

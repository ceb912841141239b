"""What the integration tests share: made input, running the job, reading its output.

The tests drive the real binary over real processes. MILLRACE names the binary (default
build/millrace in the source root); everything is made in a temporary folder of the test's own.
"""
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("MILLRACE_SOURCE", pathlib.Path(__file__).parents[2]))
MILLRACE = os.environ.get("MILLRACE", str(SOURCE / "build" / "millrace"))
SHARED = pathlib.Path(os.environ.get("MILLRACE_SHARED", SOURCE.parent / "shared"))
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
SCALE = int(os.environ.get("MILLRACE_SCALE", "1"))  # sanitizer builds: fewer events
TIMEOUT_S = 300
VIDEO = SOURCE / "jobs" / "video.yaml"


def ml100k():
    """The cached MovieLens 100K ratings, or None: then tests that need them skip."""
    path = CACHE / "millrace" / "ml-100k" / "ml-100k.inter"
    return path if path.exists() else None


def make_ratings(path, users=200, items=300, events=20000, seed=1, files=1):
    """Ratings in the quickstart's format with users interleaved over `files` files, in time
    order within each. Returns the paths' glob."""
    draw = random.Random(seed)
    rows = []
    at = 900000000
    for _ in range(events // SCALE):
        at += draw.randrange(0, 40)
        user = draw.randrange(users)
        item = int(items * draw.random() ** 2)
        rows.append((user, item, draw.choice((3, 4, 5, 5, 5)), at))
    path.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        with open(path / f"ratings-{number}.tsv", "w") as out:
            out.write("user_id:token\titem_id:token\trating:float\ttimestamp:float\n")
            for row in rows[number::files]:
                out.write("%d\t%d\t%d\t%d\n" % row)
    return str(path / "ratings-*.tsv")


def worker_pids(coordinator_pid):
    """Pids of the worker processes of a run, oldest first."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(stat[1]) == coordinator_pid and stat[0] != "Z":
            found.append(int(entry.name))
    return sorted(found)


class Run:
    """A `millrace run` in the background."""

    def __init__(self, folder, job, *flags):
        self.folder = pathlib.Path(folder)
        self.summary_path = self.folder / "summary.json"
        self.stderr_path = self.folder / "stderr.txt"
        command = [MILLRACE, "run", str(job), "--quiet", "--summary", str(self.summary_path)]
        command += [str(flag) for flag in flags]
        self.stderr = open(self.stderr_path, "w")
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.stderr)

    def manifests(self):
        return sorted(self.folder.glob("checkpoints/*/chk-*/manifest.json"))

    def wait_checkpoints(self, count):
        """Waits until the number of the newest checkpoint is at least `count`, or the end."""
        end = time.monotonic() + TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < end:
            numbers = [int(path.parent.name.split("-")[1]) for path in self.manifests()]
            if numbers and max(numbers) >= count:
                return True
            time.sleep(0.005)
        return False

    def finish(self, status=0):
        got = self.process.wait(timeout=TIMEOUT_S)
        self.stderr.close()
        # A leak check that meets a thread on its way out says so of its own.
        text = re.sub(r"==\d+==Unable to get registers from thread \d+\.\n", "", self.stderr_path.read_text())
        if got != status:
            raise AssertionError(f"exit status {got}, not {status}\n{text[-4000:]}")
        return text

    def summary(self):
        return json.loads(self.summary_path.read_text())


class Case(unittest.TestCase):
    """A test with a folder of its own, and the video job on made ratings."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.runs = 0

    def place(self):
        self.runs += 1
        place = self.folder / f"run-{self.runs}"
        place.mkdir()
        return place

    def start(self, *flags, job=VIDEO, place=None):
        return Run(place or self.place(), job, *flags)

    def run_job(self, *flags, job=VIDEO, place=None, status=0):
        run = self.start(*flags, job=job, place=place)
        run.stderr_text = run.finish(status)
        return run

    def lines(self, run, sink="out"):
        return sorted(line for part in sorted((run.folder / sink).glob("part-*"))
                      for line in part.read_text().splitlines())

    def checksum(self, run, sink="out"):
        return hashlib.sha256("\n".join(self.lines(run, sink)).encode()).hexdigest()


def video_flags(ratings):
    """The video job on these ratings, all sinks below the run's folder."""
    return ["-D", f"events.path={ratings}", "-D", "out.path=out", "-D", "metrics.path=metrics",
            "-D", "bad.path=bad", "-D", "checkpoint.dir=checkpoints"]


def stop_and_continue(run, pid, until):
    """SIGSTOPs a worker until `until()` is true, then lets it go on."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + TIMEOUT_S
    while not until() and time.monotonic() < end and run.process.poll() is None:
        time.sleep(0.01)
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass

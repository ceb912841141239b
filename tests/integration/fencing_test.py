#!/usr/bin/env python3
"""Two coordinators on one folder: one rules, the other does no harm and says so."""
import os
import signal
import time
import unittest

import harness

EVENTS = 12000
ENDED = "millrace: this run ends: "


class Folder(harness.Case):
    def setUp(self):
        super().setUp()
        ratings = harness.make_ratings(self.folder / "in", events=EVENTS)
        undisturbed = self.run_job(*harness.video_flags(ratings))
        self.expected = self.checksum(undisturbed)
        self.old = self.place()  # the folder that both write to; each has its own summary and log
        self.flags = ["-p", 2, "--workers", 2, "-D", f"events.path={ratings}",
                      "-D", "checkpoint.interval=200ms", "-D", "debug.sink-delay=10ms"]
        for field in ("out.path=out", "metrics.path=metrics", "bad.path=bad",
                      "checkpoint.dir=checkpoints"):
            name, value = field.split("=")
            self.flags += ["-D", f"{name}={self.old / value}"]
        self.job_dir = self.old / "checkpoints" / "video"

    def held(self, part, *flags, place=None):
        """A run that has completed a checkpoint at this part of the log and goes on."""
        rows = int(EVENTS * part) // harness.SCALE
        before = self.newest()
        run = self.start(*self.flags, "-D", f"debug.hold-after-rows={rows}", *flags, place=place)
        end = time.monotonic() + harness.TIMEOUT_S
        while self.newest() == before and time.monotonic() < end:
            self.assertIsNone(run.process.poll())
            time.sleep(0.005)
        return run

    def newest(self):
        """(epoch, number) of the newest checkpoint; nothing when there is none."""
        names = [path.parent.name for path in self.job_dir.glob("chk-*/manifest.json")]
        return max(((name.split("-e")[1].split("-a")[0], name.split("-")[1]) for name in names),
                   default=None)

    def files(self):
        return {str(path): path.read_bytes() for path in self.old.rglob("*")
                if path.is_file() and path.parent != self.old and path.parent.name != ".tmp"}

    def ends_fenced(self, run):
        text = run.finish(1)
        self.assertEqual(text.count(ENDED), 1, text)
        self.assertIn("a newer run of job `video`", text)
        self.assertNotIn("resume with", text)
        self.assertFalse(run.summary_path.exists())


class Fencing(Folder):
    def test_old_one_wakes_after_the_end(self):
        old = self.held(0.4, place=self.old)
        os.kill(old.process.pid, signal.SIGSTOP)
        new = self.start(*self.flags, "-s", self.job_dir)
        self.assertIn("takes the job over", new.finish())
        self.assertEqual(self.checksum(old), self.expected)
        before = self.files()
        os.kill(old.process.pid, signal.SIGCONT)
        self.ends_fenced(old)
        after = self.files()
        self.assertEqual({name for name in before if before[name] != after.get(name)}, set())
        self.assertEqual(self.checksum(old), self.expected)

    def test_old_one_wakes_while_the_new_one_runs(self):
        old = self.held(0.3, place=self.old)
        os.kill(old.process.pid, signal.SIGSTOP)
        new = self.held(0.7, "-s", self.job_dir)
        os.kill(old.process.pid, signal.SIGCONT)
        self.ends_fenced(old)
        new.finish()
        self.assertEqual(self.checksum(old), self.expected)
        self.assertEqual(new.summary()["restarts"], 0)

    def test_all_of_the_old_one_stops(self):
        """Its workers too: what they were told before they stopped, they do after they wake."""
        old = self.held(0.4, place=self.old)
        pids = [old.process.pid, *harness.worker_pids(old.process.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        new = self.held(0.7, "-s", self.job_dir)
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
        self.ends_fenced(old)
        new.finish()
        self.assertEqual(self.checksum(old), self.expected)

    def test_successor_of_one_without_a_checkpoint(self):
        old = self.start(*self.flags, "-D", "checkpoint.interval=1h", place=self.old)
        while not list((self.old / "out").glob(".part-*")):
            self.assertIsNone(old.process.poll())
            time.sleep(0.005)
        old.process.kill()
        old.process.wait()
        old.finish(-signal.SIGKILL)
        self.run_job(*self.flags)
        self.assertEqual(self.checksum(old), self.expected)
        self.assertEqual(self.newest()[0], "2")
        for part in (self.old / "out").glob("part-*"):
            self.assertEqual(part.name.split("-")[2], "2")
        self.assertEqual(list((self.old / "out").glob(".part-*")), [])


class OneFolder(Folder):
    def test_second_run_beside_the_first_is_refused(self):
        first = self.held(0.4, place=self.old)
        second = self.run_job(*self.flags, status=2)
        self.assertIn(f"a job `video` is running with this checkpoint folder (process "
                      f"{first.process.pid})", second.stderr_text)
        first.finish()
        self.assertEqual(self.checksum(first), self.expected)

    def test_run_from_nothing_leaves_earlier_checkpoints(self):
        first = self.run_job(*self.flags, place=self.old)
        before = self.files()
        again = self.run_job(*self.flags, "-D", "out.path=out", "-D", "metrics.path=metrics", "-D",
                             "bad.path=bad", "-D", "checkpoint.retain=1")
        after = self.files()
        kept = {name for name in before if "/epochs/" not in name}
        self.assertEqual({name for name in kept if before[name] != after.get(name)}, set())
        self.assertEqual(self.checksum(again), self.expected)
        number = first.summary()["checkpoints"]["completed"]
        self.assertIn(f"{self.job_dir} has {min(number, 3)} checkpoint", again.stderr_text)
        self.assertIn(f"-s {self.job_dir / f'chk-{number:06}-e1-a1'}", again.stderr_text)
        self.run_job(*self.flags, "-s", self.job_dir / f"chk-{number:06}-e1-a1")
        self.assertEqual(self.checksum(first), self.expected)


if __name__ == "__main__":
    unittest.main()

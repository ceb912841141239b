#!/usr/bin/env python3
"""Input that stays wrong ends the job at once, with one line that names file and place."""
import gzip
import os
import shutil
import signal
import unittest

import harness
from records_test import JOB, event
from restore_test import DEDUP
from restore_test import JOB as KEYED

WHOLE = "no checkpoint is whole"
MEND = "restore the folder from a copy, or start anew without it"


class Damage(harness.Case):
    def setUp(self):
        super().setUp()
        self.text = "".join(event(number) + "\n" for number in range(20000)).encode()
        self.here = self.place()

    def refused(self, *flags):
        run = self.run_job(*flags, job="job.yaml", place=self.here, status=2)
        self.assertEqual(len(run.stderr_text.splitlines()), 1, run.stderr_text)
        self.assertEqual(run.summary()["restarts"], 0)
        return run.stderr_text

    def test_gzip(self):
        packed = gzip.compress(self.text)
        (self.here / "job.yaml").write_text(JOB.replace("in.jsonl", "in.gz"))
        (self.here / "in.gz").write_bytes(packed[:5000])
        self.assertRegex(self.refused(), "^millrace: the job has failed: operator events, split in.gz: in.gz: the "
                         "compressed data is cut off near byte 5000, byte [0-9]+ of its text; get it again from "
                         "its source, or leave it out of `path`$")
        (self.here / "in.gz").write_bytes(packed[:5000] + b"damaged" + packed[5007:])
        self.assertRegex(self.refused(), "in.gz: the compressed data is damaged near byte [0-9]+, byte [0-9]+ of")

    def test_shrunk(self):
        (self.here / "job.yaml").write_text(JOB)
        (self.here / "in.jsonl").write_bytes(self.text)
        self.run_job(*"-D restart.strategy=none -D checkpoint.interval=300ms -D debug.sink-delay=25ms "
                     "-D debug.crash-after-checkpoint=1".split(), job="job.yaml", place=self.here, status=1)
        (self.here / "in.jsonl").write_bytes(self.text[:self.text.index(b"\n") + 1])
        self.assertRegex(self.refused("-s", "checkpoints/records"), "in.jsonl: ends at byte [0-9]+, before")


class Checkpoints(harness.Case):
    """A checkpoint that is damaged, and all others with it, ends the job at once."""

    def setUp(self):
        super().setUp()
        self.here = self.place()
        (self.here / "in.jsonl").write_text("\n".join(event(number) for number in range(20000)) + "\n")
        (self.here / "job.yaml").write_text(KEYED % DEDUP)

    def begin(self, *flags):
        """A run that stands still once its one checkpoint has state."""
        run = self.start(*"-D checkpoint.interval=300ms -D checkpoint.retain=1 -D debug.sink-delay=25ms "
                         "-D restart.delay=10ms".split(), *flags, job="job.yaml", place=self.here)
        count = 1
        while not list(self.here.glob("checkpoints/changed/shared/*.sst")):
            self.assertTrue(run.wait_checkpoints(count))
            count += 1
        self.assertTrue(run.wait_checkpoints(count))
        [self.worker] = harness.worker_pids(run.process.pid)
        os.kill(self.worker, signal.SIGSTOP)
        return run

    def damage(self, *kinds):
        for kind in kinds:
            for path in self.here.glob(f"checkpoints/changed/{kind}"):
                path.write_bytes(path.read_bytes()[:-3] + b"...")

    def test_while_it_runs(self):
        for kinds, what in ((["shared/*", "copies/*"], "/shared/.*damaged file: its checksum is not the manifest's"),
                            (["chk-*/manifest.json"], "chk-.*/manifest.json: .*")):
            with self.subTest(kinds):
                self.setUp()
                run = self.begin()
                self.damage(*kinds)
                os.kill(self.worker, signal.SIGKILL)
                text = run.finish(2)
                self.assertRegex(text, f"millrace: the job has failed: .*checkpoints/changed: {WHOLE}.*{what}; {MEND}")
                self.assertEqual(text.count("the job starts again"), 1, text)
                self.assertEqual(run.summary()["restarts"], 1)
                again = self.run_job("-s", "checkpoints/changed", job="job.yaml", place=self.here, status=2)
                self.assertRegex(again.stderr_text, f"^millrace: .*checkpoints/changed: {WHOLE}.*{what}; {MEND}\n$")

    def test_all_are_gone(self):
        """It does not begin anew: what it has written is there."""
        run = self.begin()
        for path in self.here.glob("checkpoints/changed/chk-*"):
            shutil.rmtree(path)
        os.kill(self.worker, signal.SIGKILL)
        self.assertRegex(run.finish(2), f"the job has failed: .*checkpoints/changed: {WHOLE}; the last one, [0-9]+, is gone; "
                         + MEND)

    def test_what_it_began_from(self):
        run = self.begin()
        run.process.send_signal(signal.SIGINT)
        os.kill(self.worker, signal.SIGCONT)
        run.finish()
        run = self.start("-s", "checkpoints/changed", "-D", "checkpoint.interval=1h", "-D", "debug.sink-delay=20ms",
                         job="job.yaml", place=self.here)
        while not harness.worker_pids(run.process.pid):
            self.assertIsNone(run.process.poll())
        [worker] = harness.worker_pids(run.process.pid)
        os.kill(worker, signal.SIGSTOP)
        self.damage("shared/*", "copies/*")
        os.kill(worker, signal.SIGKILL)
        self.assertRegex(run.finish(2), f"the job has failed: .*checkpoints/changed: {WHOLE}; .*damaged file: .*; {MEND}")
        self.assertLessEqual(run.summary()["restarts"], 2)  # the worker may meet it first


if __name__ == "__main__":
    unittest.main()

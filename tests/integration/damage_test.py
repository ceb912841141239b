#!/usr/bin/env python3
"""Input that stays wrong ends the job at once, with one line that names file and place."""
import gzip
import unittest

import harness
from records_test import JOB, event


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
        self.run_job(*"-D restart.strategy=none -D checkpoint.interval=300ms -D debug.hold-after-rows=9000 "
                     "-D debug.crash-after-checkpoint=1".split(), job="job.yaml", place=self.here, status=1)
        (self.here / "in.jsonl").write_bytes(self.text[:self.text.index(b"\n") + 1])
        self.assertRegex(self.refused("-s", "checkpoints/records"), "in.jsonl: ends at byte [0-9]+, before")


if __name__ == "__main__":
    unittest.main()

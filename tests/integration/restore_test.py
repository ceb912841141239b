#!/usr/bin/env python3
"""A checkpoint meets a changed job: what of its state is still wanted is told."""
import signal
import unittest

import harness
from records_test import event

JOB = """
job: {name: changed}
checkpoint: {dir: ./checkpoints, interval: 50ms}
operators:
  - {id: events, kind: source/file, path: in.jsonl, format: json,
     schema: {user: i64, item: utf8, rating: f64, ts: timestamp},
     time: {field: ts, unit: ms, out-of-orderness: 5s}}
  - {id: clean, kind: clean, from: events, filter: "rating >= 1"%s}
  - {id: out, kind: sink/file, from: clean, path: out}
"""
DEDUP = ", dedup: {by: [user, item, ts], within: 1s}"


class Changed(harness.Case):
    def test_dropped_state_needs_the_flag(self):
        place = self.place()
        (place / "in.jsonl").write_text("\n".join(event(number) for number in range(20000)) + "\n")
        (place / "job.yaml").write_text(JOB % DEDUP)
        run = self.start("-p", 2, "-D", "debug.hold-after-rows=8000", job="job.yaml", place=place)
        self.assertTrue(run.wait_checkpoints(1))
        run.process.send_signal(signal.SIGINT)
        run.finish()
        (place / "job.yaml").write_text(JOB % "")
        resume = ["-p", 3, "-s", "checkpoints/changed"]
        refused = self.run_job(*resume, job="job.yaml", place=place, status=2)
        self.assertIn("has not: operator `clean`, state `seen`; ", refused.stderr_text)
        self.assertEqual(len(refused.stderr_text.splitlines()), 1)
        taken = self.run_job(*resume, "-n", job="job.yaml", place=place)
        self.assertIn("operator `clean`, state `seen`", taken.stderr_text)
        self.assertEqual(len(self.lines(taken)), sum(number % 6 >= 1 for number in range(20000)))

    def test_more_files_after_the_end(self):
        place = self.place()
        rows = [event(number) + "\n" for number in range(200)]
        (place / "job.yaml").write_text(JOB.replace("in.jsonl", "'in-*.jsonl'") % "")
        (place / "in-1.jsonl").write_text("".join(rows[:100]))
        self.run_job(job="job.yaml", place=place)
        (place / "in-2.jsonl").write_text("".join(rows[100:]))
        run = self.run_job("-s", "checkpoints/changed", job="job.yaml", place=place)
        self.assertEqual(len(self.lines(run)), sum(number % 6 >= 1 for number in range(200)))


if __name__ == "__main__":
    unittest.main()

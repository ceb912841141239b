#!/usr/bin/env python3
"""Bad records: each in the dead-letter output with its offset and reason, all others arrive."""
import json
import os
import subprocess
import unittest

import harness

JOB = """
job: {name: records}
checkpoint: {dir: ./checkpoints}
operators:
  - {id: events, kind: source/file, path: in.jsonl, format: json,
     schema: {user: i64, item: utf8, rating: f64, ts: timestamp},
     time: {field: ts, unit: ms, out-of-orderness: 5s}}
  - {id: clean, kind: clean, from: events, filter: "rating >= 1"}
  - {id: out, kind: sink/file, from: clean, path: out}
  - {id: bad, kind: sink/file, from: events.rejected, path: bad}
  - {id: late, kind: sink/file, from: events.late, path: late}
"""


def event(number, **changes):
    row = {"user": number % 50, "item": f"i{number % 7}", "rating": number % 6,
           "ts": 1000000000000 + number * 1000}
    row.update(changes)
    return json.dumps(row)


class Records(harness.Case):
    def test_dead_letters(self):
        place = self.place()
        lines = [event(number) for number in range(1000)]
        lines[500] = '{"user": 1, "item": "unclosed, "rating": 3, "ts": 1000000500000}'
        lines[600] = '{"user": 1, "item": "a", "ts": 10000006'
        lines[700] = event(700, item="x" * (1 << 20))
        lines[800] = event(800, user="not a number")
        lines[900] = event(900, ts=1000000000000)
        offsets = {}
        at = 0
        for number, line in enumerate(lines):
            offsets[number] = at
            at += len(line) + 1
        (place / "in.jsonl").write_text("\n".join(lines) + "\n")
        (place / "job.yaml").write_text(JOB)
        run = self.run_job("-p", 2, "--workers", 2, job="job.yaml", place=place)
        bad = [json.loads(line) for line in self.lines(run, "bad")]
        self.assertEqual(sorted(row["offset"] for row in bad),
                         [offsets[number] for number in (500, 600, 700, 800)])
        for row in bad:
            self.assertTrue(row["reason"])
        self.assertEqual(len(self.lines(run, "late")), 1)
        good = sum(1 for number in range(1000)
                   if number not in (500, 600, 700, 800, 900) and number % 6 >= 1)
        self.assertEqual(len(self.lines(run)), good)
        operators = run.summary()["operators"]
        self.assertEqual(run.stderr_text, "")
        self.assertEqual(operators["events"]["in"], 1000)
        self.assertEqual(operators["events"]["in"],
                         operators["clean"]["out"]["out"] + operators["events"]["out"]["rejected"]
                         + operators["events"]["out"]["late"] + operators["clean"]["filtered"])

    def test_nobody_reads_them(self):
        place = self.place()
        lines = [event(0), "{", "[]", event(900), event(901, ts=1000000000000)]
        (place / "in.jsonl").write_text("\n".join(lines) + "\n")
        (place / "job.yaml").write_text("".join(line for line in JOB.splitlines(True) if "events." not in line))
        run = self.run_job(job="job.yaml", place=place)
        self.assertEqual(run.stderr_text.splitlines(), [
            f"millrace: events: {count} records were {port}; to see them, add {{id: bad, kind: sink/stdout, from: events.{port}}}"
            for port, count in (("late", 1), ("rejected", 2))])

    def test_all_are_rejected(self):
        """A schema that fits no record: told in one line, and a mistake unless somebody reads them."""
        place = self.place()
        (place / "in.jsonl").write_text("".join(event(number, user=f"u{number}") + "\n" for number in range(1200)))
        told = "millrace: events: all 1200 records were rejected, the first: in.jsonl at byte 0: user: is a text, expected i64"
        for job, status, more in ((JOB, 0, ""), ("".join(line for line in JOB.splitlines(True) if "events." not in line), 2,
                                  "; to see them, add {id: bad, kind: sink/stdout, from: events.rejected}")):
            for flags in ((), ("-p", 2, "--workers", 2, "-D", "events.split-size=10kb")):
                with self.subTest(status=status, flags=flags):
                    here = self.place()
                    (here / "job.yaml").write_text(job)
                    (here / "in.jsonl").symlink_to(place / "in.jsonl")
                    run = self.run_job(*flags, job="job.yaml", place=here, status=status)
                    self.assertEqual(run.stderr_text, told + more + "\n")
                    self.assertEqual(run.summary()["state"], "finished")

    def test_nobody_reads_stdout(self):
        """As with `| head`: the job ends at once and is not tried again."""
        place = self.place()
        (place / "in.jsonl").write_text("".join(event(number) + "\n" for number in range(100)))
        (place / "job.yaml").write_text(JOB.split("  - {id: out")[0] + "  - {id: out, kind: sink/stdout, from: clean}\n")
        ours, theirs = os.pipe()
        os.close(ours)
        with os.fdopen(theirs, "wb") as closed:
            done = subprocess.run([harness.MILLRACE, "run", "job.yaml", "--quiet"], cwd=place, stdout=closed, timeout=60,
                                  stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr, "millrace: the job has failed: operator out, subtask 0: stdout: nobody reads it any "
                                      "more; to print the first rows, write `limit`\n")


if __name__ == "__main__":
    unittest.main()

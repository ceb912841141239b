#!/usr/bin/env python3
"""A checkpoint meets a changed job: what of its state is still wanted is told."""
import json
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
RANKING = """
job: {name: ranked}
checkpoint: {dir: ./checkpoints}
operators:
  - {id: events, kind: source/file, path: "in-*.jsonl", format: json,
     schema: {user: i64, item: utf8, kind: utf8, year: i64, ts: timestamp}, time: {field: ts, unit: ms}}
  - {id: profile, kind: feature/profile, from: events, key: user}
  - {id: neighbours, kind: feature/covisitation, from: profile.pairs, window: {tumbling: 1m}}
  - id: ranking
    kind: learn/ranking
    from: profile
    tables: {neighbours: neighbours}
    remember: 64
    items: 20
    top: 3
    attributes: {tags: [kind], numbers: [year]}
  - {id: out, kind: sink/file, from: ranking, path: out}
"""
FEATURES = "the restored weights are of other features; leave `attributes` and `direct` as they were"
DEDUP = ", dedup: {by: [user, item, ts], within: 1s}"


class Changed(harness.Case):
    def one_line(self, run):
        """What is told beside that the job had ended."""
        lines = [line for line in run.stderr_text.splitlines() if "the job had ended there" not in line]
        self.assertEqual(len(lines), 1, run.stderr_text)
        return lines[0]

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

    def test_ranking_options_of_the_state(self):
        """What learn/ranking has laid its arrays out for is not changed under them."""
        place = self.place()
        rows = [json.dumps({"user": number % 9, "item": f"i{number * 7 % 13}", "kind": "ab"[number % 2],
                            "year": 1990 + number % 20, "ts": 1000000000000 + number * 1000})
                for number in range(600)]
        (place / "in-1.jsonl").write_text("\n".join(rows[:300]) + "\n")
        (place / "job.yaml").write_text(RANKING)
        self.run_job(job="job.yaml", place=place)
        (place / "in-2.jsonl").write_text("\n".join(rows[300:]) + "\n")
        for changes, option, told in (
                ("dims=64", "dims", "the restored vectors are of another length; leave `dims` as it was"),
                ("embeddings=3", "embeddings",
                 "so many are not in the restored state; leave `embeddings` as it was"),
                ("attributes.numbers=[]", "attributes", FEATURES),
                ("direct=true", "attributes", FEATURES),
                # as many features, other ones
                ("attributes.numbers=[] direct=true", "attributes", FEATURES),
                ("remember=128", "remember",
                 "the restored ring has another length; leave `remember` as it was"),
                ("items=8", "items", "more items are restored than there is room for; raise `items`")):
            with self.subTest(changes):
                flags = [word for change in changes.split() for word in ("-D", f"ranking.{change}")]
                refused = self.run_job("-s", "checkpoints/ranked", *flags, job="job.yaml", place=place, status=2)
                self.assertIn(f"operator ranking.{option}: {told}", self.one_line(refused))
        (place / "job.yaml").write_text(RANKING.replace("attributes", "# attributes"))
        refused = self.run_job("-s", "checkpoints/ranked", job="job.yaml", place=place, status=2)
        self.assertIn(": ranking.attributes: the checkpoint's state does not fit", self.one_line(refused))
        (place / "job.yaml").write_text(RANKING)
        taken = self.run_job("-s", "checkpoints/ranked", job="job.yaml", place=place)
        self.assertIn("the job had ended there, with its windows closed operator=neighbours", taken.stderr_text)
        self.assertEqual(len(self.lines(taken)), len(rows))

    def test_more_files_after_the_end(self):
        place = self.place()
        rows = [event(number) + "\n" for number in range(200)]
        (place / "job.yaml").write_text(JOB.replace("in.jsonl", "'in-*.jsonl'") % "")
        (place / "in-1.jsonl").write_text("".join(rows[:100]))
        self.run_job(job="job.yaml", place=place)
        (place / "in-2.jsonl").write_text("".join(rows[100:]))
        run = self.run_job("-s", "checkpoints/changed", job="job.yaml", place=place)
        self.assertEqual(len(self.lines(run)), sum(number % 6 >= 1 for number in range(200)))
        self.assertEqual(run.stderr_text, "")  # it has no windows


if __name__ == "__main__":
    unittest.main()

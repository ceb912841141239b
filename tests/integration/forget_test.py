#!/usr/bin/env python3
"""Features that drop what is silent: where new users and items come for ever, each for a while only, their
states and tables hold the last days, and not all that ever came.

usage: forget_test.py (environment: MILLRACE, MILLRACE_SOURCE)
"""
import unittest

import harness

FEATURES = ("exposure", "recent", "popular", "trend")
JOB = """
job: {name: forget}
operators:
  - {id: events, kind: source/file, path: in.csv, format: csv, schema: {ts: timestamp, user: i64, item: i64, category: i32}, time: {field: ts, unit: s}}
  - {id: exposure, kind: feature/exposure, from: events, key: user, item: item, forget: 2d, window: {tumbling: 1h}}
  - {id: recent, kind: feature/recent, from: events, key: user, columns: [item], forget: 2d, window: {tumbling: 1h}}
  - {id: popular, kind: feature/popularity, from: events, key: item, forget: 2d, window: {tumbling: 1h}}
  - {id: trend, kind: feature/trend, from: events, key: item, now: 1h, forget: 2d, window: {tumbling: 1h}}
  - {id: tired, kind: feature/fatigue, from: events, user: user, item: item, tables: {exposure: exposure}}
  - {id: out, kind: sink/file, from: tired, path: out}
"""


class Forget(harness.Case):
    def cells(self, *flags):
        """By feature, at the end: how many cells its state has, with those of its table."""
        place = self.place()
        with open(place / "in.csv", "w") as out:
            out.write("ts,user,item,category\n")
            for i in range(40000 // harness.SCALE):  # ten at a time, who come twice
                name = i // 20 * 10 + i % 10
                out.write(f"{1700000000 + 120 * i * harness.SCALE},{name},{name},1\n")
        (place / "job.yaml").write_text(JOB)
        # Small batches: what has expired is collected between them.
        run = self.run_job("-D", "checkpoint.interval=50ms", "-D", "debug.chaos=7", *flags, job="job.yaml", place=place)
        chains = [subtask for process in run.summary()["processes"] for subtask in process.get("subtasks", [])]
        return {feature: sum(chain["state_cells"] for chain in chains if chain["chain"].startswith(feature))
                for feature in FEATURES}

    def test_state_is_bounded(self):
        dropped = self.cells()
        kept = self.cells(*(word for feature in FEATURES for word in ("-D", f"{feature}.forget=0s")))
        for feature in FEATURES:
            self.assertGreaterEqual(kept[feature], 20000 // harness.SCALE)
            self.assertLess(dropped[feature], kept[feature] * 2 / 3, feature)


if __name__ == "__main__":
    unittest.main()

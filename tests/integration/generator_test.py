#!/usr/bin/env python3
"""The generated world is the same rows, whatever makes them: any parallelism, a worker killed at any
row, another parallelism after a restore; and they keep what the columns promise."""
import collections
import json
import operator
import os
import signal
import unittest

import harness

JOB = """\
job: {name: generator}
operators:
  - {id: world, kind: source/generator, users: 300, items: 120, candidates: 12, days: 14, site: %s}
  - {id: out, kind: sink/file, from: world, path: out}
"""
HELD = ("-p", 2, "--workers", 2, "-D", "checkpoint.interval=50ms", "-D", "restart.delay=10ms")


class Generator(harness.Case):
    def setUp(self):
        super().setUp()
        self.job = self.folder / "job.yaml"
        self.site("shop")

    def site(self, name):
        self.job.write_text(JOB % name)

    def world(self, *flags, **more):
        return self.run_job(*flags, job=self.job, **more)

    def test_parallelism_and_seed(self):
        for name in ("shop", "video", "news"):
            self.site(name)
            alone = self.world("-p", 1, "--workers", 1)
            many = self.world("-p", 4, "--workers", 2, "-D", "debug.chaos=3")
            self.assertGreater(len(self.lines(alone)), 2000)
            self.assertEqual(self.checksum(alone), self.checksum(many), name)
        other = self.world("-D", "world.seed=2")
        self.assertNotEqual(self.checksum(other), self.checksum(alone))

    def test_killed_at_any_row(self):
        """Within a read (of 128 rows), at its ends, and far in."""
        expected = self.checksum(self.world())
        for rows in (1, 2, 7, 127, 128, 129, 255, 256, 300, 1000, 2500):
            run = self.world(*HELD, "-D", f"debug.hold-after-rows={rows}", "-D",
                             "debug.crash-after-checkpoint=1")
            self.assertEqual(run.summary()["restarts"], 1, rows)
            self.assertEqual(self.checksum(run), expected, f"after {rows} rows")

    def test_worker_killed(self):
        expected = self.checksum(self.world())
        run = self.start(*HELD, "-D", "debug.hold-after-rows=1500", "-D", "debug.sink-delay=10ms",
                         job=self.job)
        self.assertTrue(run.wait_checkpoints(1))
        os.kill(harness.worker_pids(run.process.pid)[1], signal.SIGKILL)
        run.finish()
        self.assertEqual(run.summary()["restarts"], 1)
        self.assertEqual(self.checksum(run), expected)

    def test_restored_at_another_parallelism(self):
        expected = self.checksum(self.world())
        for parallelism in (1, 3, 8):
            run = self.start(*HELD, "-D", "debug.hold-after-rows=700", "-D",
                             "debug.sink-delay=20ms", job=self.job)
            self.assertTrue(run.wait_checkpoints(1))
            run.process.send_signal(signal.SIGINT)
            run.finish()
            self.assertEqual(run.summary()["state"], "stopped")
            before = len(self.lines(run))
            self.world("-p", parallelism, "-s", "checkpoints/generator", place=run.folder)
            self.assertLess(before, len(self.lines(run)))
            self.assertEqual(self.checksum(run), expected, f"-p {parallelism}")

    def test_longer_world_begins_alike(self):
        """More days only add rows: what came before is the same."""
        short = self.lines(self.world("-D", "world.days=5"))
        whole = [json.loads(line) for line in self.lines(self.world())]
        shown = [json.loads(line) for line in short]
        for row in whole + shown:
            del row["world"]
        last = max(row["ts"] for row in shown)
        key = operator.itemgetter("rec_id")
        self.assertEqual(sorted(shown, key=key),
                         sorted((row for row in whole if row["ts"] <= last), key=key))

    def test_columns(self):
        self.site("news")
        rows = [json.loads(line) for line in self.lines(self.world())]
        self.assertEqual(len({row["rec_id"] for row in rows}), len(rows))
        sessions = collections.Counter(row["session_id"] for row in rows)
        self.assertLessEqual(max(sessions.values()), 6)
        for row in rows:
            hour = (row["ts"] - 1735689600000) // 3600000
            request = row["rec_id"] & 7
            self.assertEqual(row["rec_id"], 2 << 50 | row["user_id"] << 24 | hour * 8 + request)
            self.assertEqual(row["session_id"], row["rec_id"] - request)
            self.assertEqual((row["hour_local"], row["weekday"], row["day_of_year"]),
                             (hour % 24, (hour // 24 + 2) % 7, hour // 24 + 1))
            self.assertEqual(row["holiday"] == "none", row["holiday_days"] is None)
            self.assertEqual(row["budget_low"], row["net"] != "wifi" and row["budget_used"] > .8)
            self.assertEqual(row["region"], row["city"] % 8)
            self.assertEqual(row["hemisphere"], "south" if row["region"] == 7 else "north")
            items = row["items"]
            self.assertEqual(len({item["item_id"] for item in items}), 12)
            for item in items:
                self.assertEqual(item["category"], item["item_id"] % 1000000 % 12)
                self.assertTrue(0 <= item["age"] <= 1 and item["weight"] > 0)


if __name__ == "__main__":
    unittest.main()

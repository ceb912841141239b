#!/usr/bin/env python3
"""One input, one result: at any parallelism, batch size, schedule and cut of the input."""
import unittest

import harness


class Determinism(harness.Case):
    def setUp(self):
        super().setUp()
        self.ratings = harness.make_ratings(self.folder / "in", events=8000, files=8)
        self.flags = harness.video_flags(self.ratings)

    def test_parallelism_and_workers(self):
        alone = self.run_job(*self.flags, "-p", 1, "--workers", 1)
        many = self.run_job(*self.flags, "-p", 4, "--workers", 2)
        self.assertGreater(len(self.lines(alone)), 1000)
        self.assertEqual(self.checksum(alone), self.checksum(many))
        workers = [process for process in many.summary()["processes"]
                   if process["role"] == "worker"]
        self.assertEqual(len(workers), 2)
        for process in workers:
            self.assertGreater(process["rows"], 0)
            self.assertGreater(process["cpu_s"], 0)
            self.assertGreater(process["bytes_sent"], 0)

    def test_chaos(self):
        plain = self.run_job(*self.flags, "-p", 2, "--workers", 1)
        for seed in range(1, 6):
            wild = self.run_job(*self.flags, "-p", 4, "--workers", 2, "-D", f"debug.chaos={seed}")
            self.assertEqual(self.checksum(plain), self.checksum(wild), f"seed {seed}")

    def test_compressed_channels(self):
        plain = self.run_job(*self.flags, "-p", 2, "--workers", 2)
        packed = self.run_job(*self.flags, "-p", 2, "--workers", 2, "-D", "network.compress=true")
        self.assertEqual(self.checksum(plain), self.checksum(packed))

    def test_prefix(self):
        """The first half of the log gives exactly what the whole log gives up to there."""
        whole = self.folder / "in" / "ratings-0.tsv"
        one = harness.make_ratings(self.folder / "one", events=6000)
        rows = (self.folder / "one" / "ratings-0.tsv").read_text().splitlines(True)
        half = self.folder / "half.tsv"
        middle = len(rows) // 2
        half.write_text("".join(rows[:middle + 1]))
        last = int(rows[middle].split("\t")[3])
        first = int(rows[middle + 1].split("\t")[3])
        self.assertTrue(whole.exists() and first >= last)
        full = self.run_job(*harness.video_flags(one), "-p", 2, "--workers", 2)
        part = self.run_job(*harness.video_flags(half), "-p", 2, "--workers", 2)
        prefix = set(self.lines(part))
        self.assertEqual(len(prefix), len(self.lines(part)))
        self.assertLessEqual(prefix, set(self.lines(full)))
        self.assertGreater(len(prefix), 100)


if __name__ == "__main__":
    unittest.main()

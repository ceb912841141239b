#!/usr/bin/env python3
"""jobs/ecommerce.yaml, a loop that learns from what it served: the same lists at any parallelism and through
a kill, the lists of a prefix, reasons on every impression, the page."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

import harness

SHOP = harness.SOURCE / "jobs" / "ecommerce.yaml"
TUNE = harness.SOURCE / "jobs" / "tune.yaml"
USERS, DAYS, DAY0_MS, DAY_MS = 120 // harness.SCALE, 4, 1735689600000, 86400000
QUICK = ["-D", "checkpoint.interval=200ms", "-D", "restart.delay=10ms"]
PLAIN = ["-D", "out.compression=none", "-D", "impressions.compression=none"]
SINKS = ["recommendations", "impressions", "truth", "offline", "clicks"]


class Shop(harness.Case):
    def flags(self, days=DAYS):
        return ["-D", f"events.users={USERS}", "-D", f"events.days={days}", *QUICK, *PLAIN]

    def rows(self, run, sink):
        """In order; without the column that says how long the world lasts."""
        rows = [json.loads(line) for line in self.lines(run, f"results/{sink}")]
        for row in rows:
            row.pop("world", None)
        return sorted(rows, key=lambda row: (row["rec_id"], row.get("position", 0)))

    def sums(self, run):
        return {sink: self.checksum(run, f"results/{sink}") for sink in SINKS}

    def reasons(self, run):
        script = pathlib.Path(__file__).parent / "reasons.py"
        done = subprocess.run([sys.executable, script, run.folder / "results" / "impressions"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def prefix(self, whole):
        """The first half of the days gives what the whole gives up to there."""
        first, half = self.run_job(*self.flags(DAYS // 2), "-p", 2, job=SHOP), DAY0_MS + DAYS // 2 * DAY_MS
        for sink in ("recommendations", "impressions"):
            short, long = (self.rows(run, sink) for run in (first, whole))
            self.assertEqual(short, [row for row in long if row["ts"] < half], sink)

    def test_same_lists_at_any_parallelism_and_for_a_prefix(self):
        one = self.run_job(*self.flags(), "-p", 1, "--report", "report.html", job=SHOP)
        four = self.run_job(*self.flags(), "-p", 4, "--workers", 2, job=SHOP)
        self.assertEqual(self.sums(one), self.sums(four))
        self.assertGreater(len(self.lines(one, "results/recommendations")), 100 // harness.SCALE)
        self.assertIn("What each factor brings", (one.folder / "report.html").read_text())
        self.reasons(one)
        self.prefix(one)

    def test_reasons_of_a_log_in_zstd(self):
        """As the job writes it, unless told otherwise."""
        run = self.run_job("-D", f"events.users={USERS}", "-D", "events.days=1", *QUICK, "-p", 2, job=SHOP)
        self.assertTrue(list((run.folder / "results/impressions").glob("part-*.zst")))
        self.reasons(run)

    def test_kill_in_the_middle(self):
        expected = self.sums(self.run_job(*self.flags(), "-p", 2, job=SHOP))
        run = self.start(*self.flags(), "-p", 2, "--workers", 2, "-D", "debug.hold-after-rows=100", job=SHOP)
        self.assertTrue(run.wait_checkpoints(1))
        os.kill(harness.worker_pids(run.process.pid)[1], signal.SIGKILL)
        run.finish()
        self.assertEqual(run.summary()["restarts"], 1)
        self.assertEqual(self.sums(run), expected)

    @unittest.skipIf(harness.SCALE > 1, "too long with sanitizers")
    def test_sixty_days(self):
        """By the truth of the world: the factors win, the one without effect neither wins nor loses.
        tests/bench/world.py has two years, other sites and worlds with other effects."""
        run = self.run_job("-D", "events.days=60", "-p", 2, *PLAIN, job=SHOP)
        rows = [json.loads(line) for line in self.lines(run, "results/truth")]
        arms = {row["arm"]: row for row in rows if row["by"] == "all"}
        for arm in ("environment", "location", "time", "network"):
            self.assertGreater(arms[arm]["clicks_uplift_low"], 0, arm)
        self.assertLess(abs(arms["decoy"]["clicks_uplift"]), 0.0005)
        self.reasons(run)
        self.tune(run)

    def tune(self, run):
        """jobs/tune.yaml over the log of the shop: what is served is about right, so no search is accepted."""
        done = subprocess.run([harness.MILLRACE, "run", TUNE, "--quiet", "-D", "searched.generations=3"],
                              cwd=run.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [line.split() for line in done.stdout.splitlines()]
        heads = [k for k, words in enumerate(lines) if "factor" in words]
        self.assertEqual([lines[k][0] for k in heads], ["factor", "method"], done.stdout)
        strengths = {words[0]: [float(word) for word in words[1:]] for words in lines[1:heads[1]]}
        self.assertEqual(len(strengths), 2 + 14)
        strength, se = strengths["location"][:2]
        self.assertLess(abs(strength - 1), 4 * se)
        self.assertGreater(strength, 2 * se)
        searched = lines[heads[1] + 1:]
        self.assertEqual(len(searched), 3 * 13)
        self.assertEqual({words[-1] for words in searched}, {"no"}, done.stdout)

    def test_jobs_of_the_bench(self):
        """What tests/bench/world.py makes of the three jobs can be planned, with fewer rankers too."""
        sys.path.insert(0, str(harness.SOURCE / "tests" / "bench"))
        world_effects, world_runs = (__import__(name) for name in ("world_effects", "world_runs"))
        runs = world_runs.Runs(pathlib.Path(harness.MILLRACE).parent, self.folder, DAYS)
        for site in ("shop", "video", "news"):
            for arms in (None, ["decoy", *world_effects.FACTORS], ["environment"]):
                (self.folder / "job.yaml").write_text(runs.job(site, arms=arms, adds=world_runs.learnt()))
                done = subprocess.run([harness.MILLRACE, "info", "job.yaml"], cwd=self.folder, text=True,
                                      capture_output=True, check=False)
                self.assertEqual(done.returncode, 0, f"{site} {arms}: {done.stderr}")


if __name__ == "__main__":
    unittest.main()

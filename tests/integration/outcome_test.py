#!/usr/bin/env python3
"""What users of the generated world do is the same at any parallelism and through a kill, and its rows keep
what the event schema promises: clicks have impressions, propensities add up, base and reasons are the
logit of what was predicted, the truth of a row is the sum of its terms. Two rankers meet the same luck."""
import collections
import json
import math
import unittest

import harness

JOB = """\
job: {name: outcome}
operators:
  - {id: world, kind: source/generator, users: 120, items: 120, candidates: 20, length: 8, days: 8, site: %(site)s}
  - {id: drawn, kind: generator/outcome, from: world}
  - id: labelled
    kind: join/interval
    inputs: {left: drawn.impressions, right: drawn.clicks}
    key: [rec_id, item_id]
    upper: 30m
    matched: clicked
    prefix: click.
  - {id: learnt, kind: learn/clicks, from: labelled, window: {tumbling: 1h}}
  - {id: base, kind: score/clicks, from: world, tables: {items: learnt.items, users: learnt.users, model: learnt.model}}
  - id: delivery
    kind: adjust/delivery
    from: base
    content: %(content)s
    tables: {fetched: {from: fetched.table, delay: 1h}}
  - {id: lists, kind: adjust/explore, from: delivery, share: 0.2, all: true}
  - {id: marked, kind: adjust/prefetch, from: lists}
  - {id: fetched, kind: feature/recent, from: marked.fetched, columns: [item_id], keep: 6, distinct: true, window: {tumbling: 1h}}
  - {id: served, kind: generator/outcome, from: marked, key: user_id}
"""
PORTS = ("impressions", "clicks", "plays", "dwell", "purchases", "feedback", "truth", "judged")
for port in PORTS:
    JOB += f"  - {{id: sink-{port}, kind: sink/file, from: served.{port}, path: {port}}}\n"
JOB += "  - {id: sink-drawn, kind: sink/file, from: drawn.impressions, path: drawn}\n"
JOB += "  - {id: sink-clicks-drawn, kind: sink/file, from: drawn.clicks, path: clicks-drawn}\n"


def name_of(row):
    return row["rec_id"], row["item_id"]


class Outcome(harness.Case):
    def job(self, site="shop"):
        job = self.folder / "job.yaml"
        job.write_text(JOB % {"site": site, "content": "video" if site == "video" else "page"})
        return job

    def rows(self, run, sink):
        return [json.loads(line) for line in self.lines(run, sink)]

    def test_same(self):
        for site in ("shop", "video", "news"):
            job = self.job(site)
            alone = self.run_job("-p", 1, "--workers", 1, job=job)
            many = self.run_job("-p", 4, "--workers", 2, "-D", "debug.chaos=5", job=job)
            killed = self.run_job("-p", 2, "--workers", 2, "-D", "checkpoint.interval=50ms", "-D",
                                  "debug.hold-after-rows=500", "-D",
                                  "debug.crash-after-checkpoint=1", "-D", "restart.delay=10ms",
                                  job=job)
            self.assertEqual(killed.summary()["restarts"], 1)
            for sink in PORTS:
                if sink != "purchases":
                    self.assertGreater(len(self.lines(alone, sink)), 10)
                self.assertEqual(self.checksum(alone, sink), self.checksum(many, sink), sink)
                self.assertEqual(self.checksum(alone, sink), self.checksum(killed, sink), sink)

    def check_lists(self, impressions):
        lists = collections.defaultdict(list)
        for row in impressions:
            lists[row["rec_id"]].append(row)
            logit = row["score"]
            self.assertAlmostEqual(logit, row["base"] + sum(
                value for name, value in row["reasons"].items() if name != "base"), places=9)
            served = row["p_served"] * row["position"] ** 0.5
            self.assertLess(abs(math.log(served / (1 - served)) - logit), 1e-5)
            self.assertAlmostEqual(row["propensity_explore"], 1 / row["candidates"])
            self.assertEqual(row["policy"], "uniform" if row["explore"] else "greedy")
            self.assertAlmostEqual(row["bitrate"], row["variant"] * row["weight"])
        for rows in lists.values():
            self.assertEqual(sorted(row["position"] for row in rows),
                             list(range(1, rows[0]["list_len"] + 1)))
            self.assertLessEqual(sum(row["propensity"] for row in rows), rows[0]["list_len"] + 1e-9)

    def check_events(self, run, shown):
        clicks = {name_of(row): row for row in self.rows(run, "clicks")}
        for name, row in clicks.items():
            self.assertEqual(row["position"], shown[name]["position"])
            self.assertEqual(row["ts"], shown[name]["ts"] + row["since_ms"])
            self.assertTrue(0 < row["since_ms"] < 1800000)
        for sink in ("plays", "dwell"):
            self.assertEqual({name_of(row) for row in self.rows(run, sink)}, set(clicks))
        for row in self.rows(run, "plays"):
            impression = shown[name_of(row)]
            for column in ("variant", "bitrate", "net", "budget_low", "prefetched"):
                self.assertEqual(row[column], impression[column])
            if row["prefetched"]:
                self.assertTrue(row["net"] != "wifi" and row["started"] and row["bytes"] == 0)
            else:
                self.assertEqual(row["thr_q20"], impression["thr_q20"])
            self.assertEqual(row["started"], row["start_ms"] <= 3000)
        for row in self.rows(run, "dwell"):
            self.assertGreater(row["ts"], clicks[name_of(row)]["ts"])
        for row in self.rows(run, "purchases"):
            self.assertGreater(row["ts"], clicks[name_of(row)]["ts"])
        for row in self.rows(run, "feedback"):
            self.assertGreater(row["ts"], shown[name_of(row)]["ts"])
            self.assertEqual(row["category"], shown[name_of(row)]["category"])
        return clicks

    def check_truth(self, run, shown, clicks):
        truth = {name_of(row): row for row in self.rows(run, "truth")}
        judged = {(row["rec_id"], item["item_id"]): item
                  for row in self.rows(run, "judged") for item in row["items"]}
        self.assertEqual(set(truth), set(shown))
        expected = 0
        for name, row in truth.items():
            free = row["p"] * row["position"] ** 0.5
            self.assertLess(abs(math.log(free / (1 - free)) - sum(row["theta"].values())), 1e-9)
            self.assertLess(abs(judged[name]["truth"]["p"] - free), 1e-12)
            self.assertEqual(judged[name]["truth"]["conversion"], row["e_conv"])
            self.assertEqual(judged[name]["truth"]["dwell"], row["e_dwell"])
            self.assertEqual(judged[name]["position"], row["position"])
            expected += row["p"]
        self.assertLess(abs(len(clicks) - expected), 4 * expected ** 0.5)

    def check_fetched(self, impressions):
        """On the way some items are on the device; what the ranker knows of it is so."""
        away = [row for row in impressions if row["net"] != "wifi"]
        known = [row for row in away if row["p_start"] == 1]
        self.assertGreater(sum(row["prefetched"] for row in away), len(away) / 100)
        self.assertGreater(sum(row["prefetched"] for row in known), 10)
        self.assertFalse(any(row["prefetched"] for row in impressions if row["net"] == "wifi"))

    def test_rows(self):
        for site in ("shop", "video", "news"):
            run = self.run_job(job=self.job(site))
            impressions = self.rows(run, "impressions")
            shown = {name_of(row): row for row in impressions}
            self.assertEqual(len(shown), len(impressions))
            self.check_lists(impressions)
            self.check_truth(run, shown, self.check_events(run, shown))
            self.assertNotIn("world", impressions[0])
            self.check_fetched(impressions)

    def test_luck(self):
        """Without fatigue: what is clicked in one list is clicked in the other, if higher there."""
        run = self.run_job("-D", "world.effect.fatigue=0", "-D", "world.days=20", job=self.job())
        clicks = {name_of(row) for row in self.rows(run, "clicks")}
        drawn = {name_of(row) for row in self.rows(run, "clicks-drawn")}
        served = {name_of(row): row["position"] for row in self.rows(run, "impressions")}
        both = 0
        for row in self.rows(run, "drawn"):
            name = name_of(row)
            if name not in served:
                continue
            low, high = (clicks, drawn) if served[name] > row["position"] else (drawn, clicks)
            self.assertTrue(name not in low or name in high)
            both += name in low
        self.assertGreater(both, 20)
        self.assertTrue(all(row["theta"]["fatigue"] == 0 for row in self.rows(run, "truth")))

    def test_refused(self):
        job = self.folder / "job.yaml"
        job.write_text("job: {name: refused}\noperators:\n"
                       "  - {id: world, kind: source/generator}\n"
                       "  - {id: out, kind: generator/outcome, from: world, key: session_id}\n"
                       "  - {id: sink, kind: sink/file, from: out, path: out}\n")
        self.assertIn("not keyed by user_id alone", self.run_job(job=job, status=2).stderr_text)


if __name__ == "__main__":
    unittest.main()

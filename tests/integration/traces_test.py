#!/usr/bin/env python3
"""Real link traces in the place of drawn links: each kind has the throughput that its traces have, any
parallelism gives the same rows, and poor links show in what starts. Skipped where there are no traces."""
import collections
import json
import tarfile
import unittest

import harness

TRACES = sorted((harness.SHARED / "data" / "network-traces").glob("*.tar.gz"))
TIMES = {"wifi": 6, "5g": 10, "4g": 4, "3g": 1}
JOB = """\
job: {name: traces}
operators:
  - {id: world, kind: source/generator, site: video, users: 400, items: 60, candidates: 10, days: 10, traces: "%s"}
  - {id: watched, kind: generator/outcome, from: world, policy: popular}
  - {id: out, kind: sink/file, from: world, path: out}
  - {id: plays, kind: sink/file, from: watched.plays, path: plays}
"""


def mean_mbits(paths):
    """Mean over files of the mean by time."""
    means = []
    for path in paths:
        rows = [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
        span = [(until - since) for (since, _), (until, _) in zip(rows, rows[1:])]
        means.append(sum(s * rate for s, (_, rate) in zip(span, rows[1:])) / sum(span))
    return sum(means) / len(means)


@unittest.skipUnless(TRACES, "no link traces beside the sources")
class Traces(harness.Case):
    def test_replay(self):
        folder = self.folder / "my traces"
        for archive in TRACES:
            with tarfile.open(archive) as files:
                files.extractall(folder / archive.name.split(".")[0])
        job = self.folder / "job.yaml"
        job.write_text(JOB % folder)
        alone = self.run_job("-p", 1, "--workers", 1, job=job)
        rows = [json.loads(line) for line in self.lines(alone)]
        many = self.run_job("-p", 4, "--workers", 2, "-D", "debug.chaos=5", job=job)
        self.assertEqual(self.checksum(alone), self.checksum(many))
        self.assertEqual({row["world"].split("traces=")[1] for row in rows}, {str(folder)})

        seen = collections.defaultdict(list)
        for row in rows:
            if row["net"] == "wifi" or row["place"] != "commute":
                seen["wifi" if row["net"] == "wifi" else "oboe"].append(row["thr_mean"] / TIMES[row["net"]])
        fcc, oboe = list(folder.rglob("trace_*http*")), list(folder.rglob("oboe_trace_*"))
        self.assertGreater(min(len(fcc), len(oboe)), 50)
        self.assertAlmostEqual(sum(seen["wifi"]) / len(seen["wifi"]), mean_mbits(fcc), delta=0.2)
        self.assertAlmostEqual(sum(seen["oboe"]) / len(seen["oboe"]), mean_mbits(oboe), delta=0.3)

        plays = [json.loads(line) for line in self.lines(alone, "plays")]
        poor = [play for play in plays if play["thr_mean"] and play["thr_mean"] < 1]
        good = [play for play in plays if play["thr_mean"] and play["thr_mean"] > 8]
        failed = [sum(not play["started"] for play in some) / len(some) for some in (poor, good)]
        self.assertGreater(failed[0], 3 * failed[1])


if __name__ == "__main__":
    unittest.main()

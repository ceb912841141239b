#!/usr/bin/env python3
"""A plug-in's operator in a job: the same rows at parallelism 1 and 2, with chaos, and over a kill and
restore; `millrace info` knows it; plug-ins that do not fit are refused with one line each; and one that
opens slowly is waited for.

usage: plugin_test.py MILLRACE PLUGIN_DIR
"""
import collections
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

JOB = """
job: {{name: plugin}}
plugins: [{plugins}]
operators:
  - {{id: events, kind: source/file, path: in-*.jsonl, schema: {{ts: timestamp, user: i64, amount: f64, tags: utf8}}, time: {{field: ts, unit: ms}}}}
  - {{id: scaled, kind: example/scale, from: events, key: user, column: {column}, factor: 1.5}}
  - {{id: out, kind: sink/file, from: scaled, path: out}}
"""
SLOW = """
job: {{name: slow, parallelism: 1}}
plugins: [{}]
operators:
  - {{id: events, kind: source/file, path: in-*.jsonl, schema: {{ts: timestamp}}, time: {{field: ts, unit: ms}}}}
  - {{id: slow, kind: example/slow, from: events}}
"""
RUNS = {
    "parallelism 1": ["-p", "1"],
    "parallelism 2": ["-p", "2", "--workers", "2"],
    "parallelism 4, chaos": ["-p", "4", "--workers", "2", "-D", "debug.chaos=3"],
    "kill and restore": ["-p", "2", "--workers", "2", "-D", "checkpoint.interval=30ms",
                         "-D", "debug.hold-after-rows=40", "-D",
                         "debug.crash-after-checkpoint=1", "-D", "restart.delay=1ms"],
}
BUILD = "build it against runtime/api/plugin.h of this version"
PATH = "give the path of a shared object, from the folder where millrace runs"
REFUSED = {  # file: the whole line, where {0} is its path
    "missing": 'plug-in "{0}" cannot be loaded: {0}: cannot open shared object file: No such file '
               "or directory; " + PATH,
    "wrong_symbol": 'plug-in "{0}" has no symbol millrace_plugin; export const struct plugin '
                    "millrace_plugin",
    "wrong_abi": 'plug-in "{0}" has plug-in interface 42, this millrace has 1; ' + BUILD,
    "wrong_name": 'plug-in "{0}" has an operator "clean", and there is one already; rename it',
    "wrong_host": 'plug-in "{0}" will not run here: the moon is full',
}


def make(folder):
    """The input, and the rows that must come out of it."""
    draw = random.Random(1)
    rows = [{"ts": 1000 * i + draw.randrange(1000), "user": draw.randrange(9),
             "amount": draw.choice([None, 0.25, -3.0, 17.5]), "tags": "a" * draw.randrange(9)}
            for i in range(400)]
    for part in range(2):
        lines = [json.dumps({k: v for k, v in row.items() if v is not None})
                 for row in rows[part::2]]
        (folder / f"in-{part}.jsonl").write_text("\n".join(lines) + "\n")
    seen = collections.Counter()
    for row in rows:
        seen[row["user"]] += 1
        row["scaled"] = None if row["amount"] is None else row["amount"] * 1.5
        row["rows"] = seen[row["user"]]
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def run(millrace, folder, verb, flags=()):
    return subprocess.run([millrace, verb, "job.yaml", *flags], cwd=folder, capture_output=True,
                          text=True, timeout=100, stdin=subprocess.DEVNULL)


def check_runs(millrace, plugin):
    for name, flags in RUNS.items():
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            expected = make(folder)
            (folder / "job.yaml").write_text(JOB.format(plugins=plugin, column="amount"))
            result = run(millrace, folder, "run", ["--quiet", "--summary", "s.json", *flags])
            assert result.returncode == 0, f"{name}: {result.stderr[-2000:]}"
            got = [json.dumps(json.loads(line), sort_keys=True)
                   for part in sorted((folder / "out").glob("part-*"))
                   for line in part.read_text().splitlines()]
            assert sorted(got) == expected, f"{name}: other rows"
            restarts = json.loads((folder / "s.json").read_text())["restarts"]
            assert restarts == ("kill" in name), f"{name}: {restarts} restarts"


def check_info(millrace, plugin):
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        make(folder)
        (folder / "job.yaml").write_text(JOB.format(plugins=plugin, column="amount"))
        result = run(millrace, folder, "info")
        assert result.returncode == 0 and "scaled f64, rows i64" in result.stdout, result
        result = subprocess.run([millrace, "info", plugin], capture_output=True, text=True, check=False)
        assert result.returncode == 0 and result.stdout.startswith("example/scale: "), result
        assert "By how much." in result.stdout and "clean" not in result.stdout, result
        (folder / "job.yaml").write_text(JOB.format(plugins=plugin, column="tags"))
        result = run(millrace, folder, "run")
        assert result.returncode == 2, result
        assert result.stderr.startswith("job.yaml:6:") and "the column is not f64" in result.stderr


def check_page(millrace, plugin):
    """The job and the event of README.md."""
    page = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    job = re.search(r"```yaml\n(# mine.yaml\n.*?)```", page, re.S).group(1)
    event = re.search(r"echo '(.*?)' > in.jsonl", page).group(1)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        shutil.copy(plugin, folder)
        (folder / "job.yaml").write_text(job)
        (folder / "in.jsonl").write_text(event + "\n")
        result = run(millrace, folder, "run", ["--quiet"])
        assert result.returncode == 0 and '"scaled":3.75,"rows":1}' in result.stdout, result


def check_refused(millrace, plugins):
    expected = dict(REFUSED)
    for name, text in expected.items():
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            make(folder)
            path = plugins / f"{name}.so"
            (folder / "job.yaml").write_text(JOB.format(plugins=path, column="amount"))
            result = run(millrace, folder, "run")
            line = "job.yaml:3:11: plugins[0]: " + text.format(path) + "\n"
            assert result.returncode == 2, (name, result)
            assert result.stderr == line, f"{name}\n{result.stderr}\n{line}"
    with tempfile.TemporaryDirectory() as place:  # an operator's own interface, whatever its size
        folder = pathlib.Path(place)
        (folder / "job.yaml").write_text(
            JOB.format(plugins=plugins / "wrong_operator.so", column="amount"))
        result = run(millrace, folder, "run")
        assert result.returncode == 2 and result.stderr.count("\n") == 1, result
        assert "an operator of interface 8 and" in result.stderr, result.stderr


def check_slow(millrace, plugin):
    """A worker that is still opening its subtasks is alive, however long it takes."""
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        make(folder)
        (folder / "job.yaml").write_text(SLOW.format(plugin))
        result = run(millrace, folder, "run", ["--quiet", "--summary", "s.json", "-D", "heartbeat.interval=100ms",
                                               "-D", "heartbeat.timeout=1500ms"])
        assert result.returncode == 0, result
        assert json.loads((folder / "s.json").read_text())["restarts"] == 0, result


def main():
    millrace = str(pathlib.Path(sys.argv[1]).resolve())
    plugins = pathlib.Path(sys.argv[2]).resolve()
    check_runs(millrace, plugins / "scale.so")
    check_info(millrace, plugins / "scale.so")
    check_page(millrace, plugins / "scale.so")
    check_refused(millrace, plugins)
    check_slow(millrace, plugins / "slow.so")


if __name__ == "__main__":
    main()

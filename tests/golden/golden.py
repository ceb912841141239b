#!/usr/bin/env python3
"""Golden cases of operators: a folder with job.yaml, its input files, and for every sink with a
path one expected file, SINK-ID.jsonl (rows are a set: compared sorted). A folder with err.txt
must fail with exit status 2 and exactly these lines on stderr instead.

Each case runs at parallelism 1, 2 and 4, with random batch sizes and schedule (debug.chaos), and
once across a checkpoint, a kill and a restore at two workers. `--update` rewrites the expected
files from parallelism 1; read the diff.

usage: golden.py MILLRACE CASE_DIR [--update]
"""
import difflib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TIMEOUT_S = 120

RUNS = {
    "parallelism 1": ["-p", "1"],
    "parallelism 2": ["-p", "2", "--workers", "2"],
    "parallelism 4, chaos": ["-p", "4", "--workers", "2", "-D", "debug.chaos=7"],
    # The sources wait after some rows until checkpoint 1 is complete; then a worker is killed.
    "kill and restore": [
        "-p", "2", "--workers", "2", "-D", "checkpoint.interval=30ms",
        "-D", "debug.hold-after-rows=3", "-D", "debug.crash-after-checkpoint=1",
        "-D", "restart.delay=1ms", "-D", "heartbeat.timeout=60s",
    ],
}


def sinks(job_text):
    """Sink ids and paths, by the words of the job file: enough for these small files."""
    found = {}
    for entry in re.split(r"\n\s*-\s*(?=\{|id:|kind:)", job_text):
        if not re.search(r"kind:\s*sink/file", entry):
            continue
        name = re.search(r"\bid:\s*([\w-]+)", entry)
        path = re.search(r"\bpath:\s*([^\s,}]+)", entry)
        if name and path:
            found[name.group(1)] = path.group(1)
    return found


def run(millrace, case, work, flags):
    for source in case.iterdir():
        if source.is_file():
            shutil.copy(source, work)
    command = [millrace, "run", "job.yaml", "--quiet", "--summary", "summary.json"] + flags
    return subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=TIMEOUT_S,
                          stdin=subprocess.DEVNULL)


def rows(folder):
    found = []
    for part in sorted(folder.glob("part-*")):
        found += part.read_text().splitlines()
    return sorted(found)


def diff(expected, got, name):
    return "\n".join(difflib.unified_diff(expected, got, f"expected {name}", "got", lineterm="",
                                          n=1))


def check_error(millrace, case, update):
    with tempfile.TemporaryDirectory() as work:
        result = run(millrace, case, pathlib.Path(work), [])
    got = result.stderr.splitlines()
    if update:
        (case / "err.txt").write_text("".join(line + "\n" for line in got))
        return []
    expected = (case / "err.txt").read_text().splitlines()
    problems = [] if result.returncode == 2 else [f"exit status {result.returncode}, not 2"]
    return problems + ([diff(expected, got, "err.txt")] if got != expected else [])


def check_run(millrace, case, name, flags, update):
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        result = run(millrace, case, work, flags)
        if result.returncode != 0:
            return [f"{name}: exit status {result.returncode}\n{result.stderr[-3000:]}"]
        for sink, path in sinks((case / "job.yaml").read_text()).items():
            got = rows(work / path)
            expected_file = case / f"{sink}.jsonl"
            if update:
                expected_file.write_text("".join(row + "\n" for row in got))
            expected = sorted(expected_file.read_text().splitlines())
            if got != expected:
                problems.append(f"{name}: {diff(expected, got, expected_file.name)}")
        summary = json.loads((work / "summary.json").read_text())
        if "kill" in name and summary["restarts"] != 1:
            problems.append(f"{name}: {summary['restarts']} restarts, not 1\n{result.stderr[-3000:]}")
    return problems


def main():
    millrace, case = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2])
    update = "--update" in sys.argv[3:]
    if (case / "err.txt").exists():
        problems = check_error(millrace, case, update)
    else:
        problems = []
        for name, flags in RUNS.items():
            problems += check_run(millrace, case, name, flags, update)
            update = False
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

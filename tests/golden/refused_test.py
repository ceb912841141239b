#!/usr/bin/env python3
"""What operators refuse. refused/operators.yaml holds operators that are right, for others to read
from; each table refused/FAMILY.txt has rows such as

    score/blend: from: events, weights: {title: 1}
        weights: "title" is no column of f64; name columns of the items

a kind with its fields, and below, further in, all that is told about it. A table is one job, which is
planned and not run. What is refused while a job runs stands in refused/running.txt: each row is a job,
with the operators that it needs. Each text that is given to describe_error has to come in some row, or in
the err.txt of a golden case. `--update` rewrites what is told; read the diff.

usage: refused_test.py MILLRACE [--update]
"""
import difflib
import pathlib
import re
import subprocess
import sys
import tempfile

GOLDEN = pathlib.Path(__file__).parent
TABLES = GOLDEN / "refused"
SOURCE = GOLDEN.parents[1]
OPERATORS = (TABLES / "operators.yaml").read_text()
# Each event is a session of its own.
EVENTS = "".join(f'{{"ts": {10 * number}, "user": 1}}\n' for number in range(3000))
ENDED = re.compile(r"millrace: the job has failed: |(?<=: )operator row, subtask 0: ")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[(),]|[^"(),]+')
TOLD = re.compile(r"job\.yaml:(\d+):\d+: operators\[\d+\](?:\.|: )(.*)")


def read_table(path):
    """[row, [what is told]] each; comments and empty lines are rows of which nothing is told."""
    rows = []
    for line in path.read_text().splitlines():
        if line.startswith("    "):
            rows[-1][1].append(line.strip())
        else:
            rows.append([line, []])
    return rows


def is_row(text):
    return bool(text) and not text.startswith("#")


def write_job(rows):
    job = "job: {name: refused}\noperators:\n" + OPERATORS
    first = job.count("\n") + 1
    for number, (text, _) in enumerate(rows):
        kind, _, fields = text.partition(": ")
        job += f"  - {{id: row-{number}, kind: {kind}, {fields}}}\n" if is_row(text) else "\n"
    return first, job


def call(millrace, job, *words):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "job.yaml").write_text(job)
        (work / "in.jsonl").write_text(EVENTS)
        (work / "empty").mkdir()
        return subprocess.run([millrace, *words], cwd=work, capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL)


def told_running(millrace, rows):
    """The same of jobs that run."""
    got, others = [], []
    for text, _ in rows:
        if not is_row(text):
            got.append([text, []])
            continue
        kind, _, fields = text.partition(": ")
        sink = "" if kind.startswith("sink/") else "  - {id: out, kind: sink/file, from: row, path: out}\n"
        job = (f"job: {{name: refused}}\noperators:\n{needed(fields)}"
               f"  - {{id: row, kind: {kind}, {fields}}}\n{sink}")
        result = call(millrace, job, "run", "job.yaml", "-p", "1", "--quiet")
        got.append([text, [ENDED.sub("", line) for line in result.stderr.splitlines()]])
        if result.returncode != 2:
            others.append(f"exit status {result.returncode}, not 2: {text}")
    return got, others


def needed(fields):
    """Those operators.yaml entries whose names are among the words of a row, and theirs."""
    entries = dict((re.search(r"\bid: ([\w-]+)", entry).group(1), entry) for entry in
                   re.findall(r"^  - .*\n(?:^    .*\n)*", OPERATORS, re.M))
    wanted, more = set(), {fields}
    while more:
        words = {word for text in more for word in re.findall(r"[\w-]+", text)}
        names = {name for name in entries if name in words} - wanted
        wanted |= names
        more = {entries[name] for name in names}
    return "".join(entry for name, entry in entries.items() if name in wanted)


def told_planning(millrace, rows):
    """The rows as they are, and what is told beside them."""
    first, job = write_job(rows)
    result = call(millrace, job, "info", "job.yaml")
    got, others = [[text, []] for text, _ in rows], []
    for line in result.stderr.splitlines():
        match = TOLD.fullmatch(line)
        row = int(match.group(1)) - first if match else -1
        if row >= 0:
            got[row][1].append(match.group(2))
        else:
            others.append(line)
    if result.returncode != 2:
        others.append(f"exit status {result.returncode}, not 2")
    return got, others


def lines(rows):
    return [line for text, told in rows for line in [text] + ["    " + part for part in told]]


def arguments(text, at):
    """Of a call, whose bracket ends before `at`: each the words of its strings, with a blank line for
    each place that is filled in."""
    found, depth = [""], 1
    for token in TOKEN.finditer(text, at):
        part = token.group()
        depth += (part == "(") - (part == ")")
        if depth == 0:
            break
        if part == "," and depth == 1:
            found.append("")
        elif part[0] == '"':
            found[-1] += re.sub(r"%[-.*\d]*[a-z]*", "\n", part[1:-1].replace('\\"', '"'))
        elif re.search(r"\w", part):
            found[-1] += "\n"
    return found


def untold(told):
    """What an operator may refuse while planning, and no row or err.txt tells."""
    for path in sorted(SOURCE.glob("operators/*/*.c")):
        text = path.read_text()
        for call in re.finditer(r"\bdescribe_error\(", text):
            what = max(arguments(text, call.end())[4].split("\n"), key=len)
            if len(what) > 5 and what not in told:
                line = text.count("\n", 0, call.start()) + 1
                yield f'operators/{path.parent.name}/{path.name}:{line}: no row has: {what.strip()}'


def main():
    millrace, update = str(pathlib.Path(sys.argv[1]).resolve()), "--update" in sys.argv[2:]
    problems = []
    for path in sorted(TABLES.glob("*.txt")):
        expected = read_table(path)
        told = told_running if path.name == "running.txt" else told_planning
        got, others = told(millrace, expected)
        if update:
            path.write_text("".join(line + "\n" for line in lines(got)))
            expected = got
        problems += others
        problems += [f"{path.name}: nothing is expected of: {text}" for text, told in expected
                     if is_row(text) and not told]
        problems += difflib.unified_diff(lines(expected), lines(got), f"expected {path.name}", "got",
                                         lineterm="", n=1)
    files = [*TABLES.glob("*.txt"), *GOLDEN.glob("*/err.txt")]
    problems += untold("".join(path.read_text() for path in files))
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

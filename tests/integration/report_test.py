#!/usr/bin/env python3
"""The page of `millrace run --report`: whole in one file, its data those of the rows, and the same at
any parallelism and through a kill but for its title.

usage: report_test.py (environment: MILLRACE, MILLRACE_SOURCE)
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MILLRACE = os.environ["MILLRACE"]
SOURCE = pathlib.Path(os.environ["MILLRACE_SOURCE"])

SECTIONS = """
  - {id: rates, kind: sink/report, from: clicks, title: "Rates </script> & <b>", note: By place, plot: bars,
     x: level, y: ctr, y-title: clicks an impression, low: ctr_low, high: ctr_high, series: arm, where: "by = 'place'"}
  - {id: periods, kind: sink/report, from: clicks, title: Periods, plot: lines, x: from, y: ctr, series: arm, where: "by = 'period'", columns: [from, arm, ctr]}
  - {id: nothing, kind: sink/report, from: clicks, title: Nothing, where: "by = 'nowhere'"}
"""
LIFTS = """
  - {id: lifts, kind: sink/report, from: place-lifts, title: Lifts, plot: lifts}
  - {id: all-lifts, kind: sink/file, from: place-lifts, path: all-lifts}
"""
RUNS = {
    "1": ["-p", "1"],
    "4": ["-p", "4", "--workers", "2", "-D", "debug.chaos=3"],
    "kill": ["-p", "2", "--workers", "2", "-D", "checkpoint.interval=30ms", "-D",
             "debug.hold-after-rows=3", "-D", "debug.crash-after-checkpoint=1", "-D",
             "restart.delay=1ms"],
}


def run(folder, flags, case="evaluate-clicks", sections=SECTIONS):
    case = SOURCE / "tests/golden" / case
    shutil.copy(case / "in.jsonl", folder)
    (folder / "job.yaml").write_text((case / "job.yaml").read_text() + sections)
    result = subprocess.run([MILLRACE, "run", "job.yaml", "--report", "page.html"] + flags,
                            cwd=folder, capture_output=True, text=True, timeout=120, check=False,
                            stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        sys.exit(f"exit status {result.returncode}\n{result.stderr[-3000:]}")
    if not re.search(r"^finished \| [\d.]+( [kM])? rows \| \d+\.\d s$", result.stderr, re.M):
        sys.exit(f"nothing tells of the end\n{result.stderr[-3000:]}")
    if list(folder.glob("page.html.*")):
        sys.exit("something is left beside the page")
    page = (folder / "page.html").read_text()
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return page, json.loads(data.group(1)), folder


def check_page(page):
    if re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page) or "@import" in page:
        yield "the page asks for something outside"
    if page.count("</script>") != 3:
        yield "a text of the data ended its script"


def check_data(data, folder):
    sections = data["sections"]
    if [section["id"] for section in sections] != ["rates", "periods", "nothing"]:
        yield f"sections {[section['id'] for section in sections]}"
        return
    rows = [json.loads(line) for part in (folder / "clicks").glob("part-*")
            for line in part.read_text().splitlines()]
    for section, by in zip(sections, ("place", "period", "nowhere")):
        expected = sorted(json.dumps(row) for row in rows if row["by"] == by)
        if sorted(json.dumps(row) for row in section["rows"]) != expected:
            yield f"{section['id']}: rows differ from those of sink/file"
    if sections[0]["title"] != "Rates </script> & <b>" or sections[0]["plot"] != "bars":
        yield f"options {sections[0]['title']} {sections[0]['plot']}"
    if sections[0].get("y_title") != "clicks an impression" or "x_title" in sections[0]:
        yield "titles of the axes"
    if sections[1]["columns"] != ["from", "arm", "ctr"] or \
            sections[1]["types"]["from"] != "timestamp":
        yield "columns or types of the second section"


def check_lifts():
    """Of a table of lifts the newest row of each class."""
    with tempfile.TemporaryDirectory() as folder:
        _, data, where = run(pathlib.Path(folder), ["-p", "2"], "adjust-factors", LIFTS)
        newest = {}
        for part in (where / "all-lifts").glob("part-*"):
            for row in map(json.loads, part.read_text().splitlines()):
                if row["window_end"] > newest.get(row["class"], row)["window_end"] or \
                        row["class"] not in newest:
                    newest[row["class"]] = row
    got = {row["class"]: row for row in data["sections"][0]["rows"]}
    if got != newest or len(data["sections"][0]["rows"]) != len(newest) or len(newest) < 2:
        yield "lifts: not the newest row of each class"


def main():
    problems, first = list(check_lifts()), None
    for name, flags in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            page, data, where = run(pathlib.Path(folder), flags)
            problems += list(check_page(page)) + list(check_data(data, where))
            if ("operators" in data) != (name != "kill"):
                problems.append(f"{name}: counts of rows are {'there' if 'operators' in data else 'missing'}")
            data.pop("operators", None)
            first = first or data
            if data != first:
                problems.append(f"{name}: another page than at parallelism 1")
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What README.md and jobs/README.md tell to type: whole jobs can be planned, and each -D names what one of
the jobs has; and the manual pages.

usage: docs_test.py (environment: MILLRACE, MILLRACE_SOURCE)
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MILLRACE = os.environ["MILLRACE"]
SOURCE = pathlib.Path(os.environ["MILLRACE_SOURCE"])
PAGES = [SOURCE / "README.md", SOURCE / "jobs/README.md"]
PLACEHOLDER = re.compile(r"[A-Z]{3,}|^value$|\.\.\.")


def info(job, *flags):
    return subprocess.run([MILLRACE, "info", str(job), *flags], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)


def whole_jobs(folder):
    """Those of the pages that stand there whole. A plug-in's is run by tests/plugin."""
    for page in PAGES:
        for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)):
            if "job: {" in block and "plugins:" not in block:
                path = folder / f"{page.parent.name}-{number}.yaml"
                path.write_text(block)
                yield path


def longer_jobs(folder):
    """Blocks of jobs/README.md that are lines for jobs/ecommerce.yaml, behind it."""
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", PAGES[1].read_text(), re.S)):
        if "job: {" not in block:
            path = folder / f"longer-{number}.yaml"
            path.write_text((SOURCE / "jobs/ecommerce.yaml").read_text() + block)
            yield path


def manuals():
    """Each operator's page says what it does, what goes in and what comes out."""
    kinds = re.findall(r"^  (\S+)", subprocess.run([MILLRACE, "info"], capture_output=True, text=True, check=True).stdout, re.M)
    if len(kinds) < 50:
        yield f"only {kinds} are known"
    for kind in kinds:
        text = re.search(r"\nDESCRIPTION\n(.*?)\n\n", info(kind).stdout, re.S)
        for word, but in (("In", "source/"), ("Out", "sink/")):
            if not text or not (kind.startswith(but) or re.search(rf"^ *{word}[:,]", text[1], re.M)):
                yield f"info {kind}: there is no \"{word}\" in its description"


def overrides(text):
    for name, value in re.findall(r'-D ([\w.-]+)=("[^"]*"|[^\s`,;|)]+)', text):
        value = value.strip('"')
        if not PLACEHOLDER.search(name) and not PLACEHOLDER.search(value):
            yield f"{name}={value}"


def main():
    problems = list(manuals())
    with tempfile.TemporaryDirectory() as folder:
        jobs = list(whole_jobs(pathlib.Path(folder)))
        if not jobs:
            problems.append("no job stands in the pages")
        longer = list(longer_jobs(pathlib.Path(folder)))
        if not longer:
            problems.append("no lines for jobs/ecommerce.yaml stand in jobs/README.md")
        for job in jobs + longer:
            told = info(job)
            if told.returncode != 0:
                problems.append(f"{job.name}: {told.stderr}")
        jobs += sorted((SOURCE / "jobs").glob("*.yaml"))
        given = sorted({override for page in PAGES for override in overrides(page.read_text())})
        if len(given) < 10:
            problems.append(f"only {given} were found")
        for override in given:
            if all(info(job, "-D", override).returncode != 0 for job in jobs):
                problems.append(f"-D {override}: no job takes it")
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

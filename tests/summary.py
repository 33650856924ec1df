#!/usr/bin/python3
"""summary.py FOLDER - adds up the suites that tools/run-tests.sh has run.

Each suite NAME left there NAME.rc (its exit status), NAME.log (its output) and, where it was pytest,
NAME.xml (junit); a NAME that begins with `unit-` is a cmocka program; any other without NAME.xml is a
plain check, which counts only when it fails. The last line printed is exactly `N passed, N failed`; the
exit status is 1 when anything failed. A suite that crashed, hung or ran nothing counts as a failure.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree


def of_junit(path):
    tests = failed = skipped = 0
    for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
        tests += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    # A test that fails once more in its teardown is counted twice among the bad ones.
    return max(0, tests - failed - skipped), failed, skipped


def of_cmocka(text):
    def count(word):
        return sum(map(int, re.findall(rf"^\[ +{word} +\] (\d+) test", text, re.M)))

    return count("PASSED"), count("FAILED"), count("SKIPPED")


def read_suite(folder, name):
    status = (folder / f"{name}.rc").read_text().strip()
    junit = folder / f"{name}.xml"
    note = ""
    passed = failed = skipped = 0
    try:
        if name.startswith("unit-"):
            passed, failed, skipped = of_cmocka((folder / f"{name}.log").read_text(errors="replace"))
        elif junit.exists():
            passed, failed, skipped = of_junit(junit)
    except (OSError, ValueError, xml.etree.ElementTree.ParseError) as error:
        note = f"  {error}"
    if status != "0" and failed == 0:
        failed = 1
        note = "  hung, and was ended" if status in ("124", "137") else f"  ended with {status or 'nothing'}"
    elif name.startswith("unit-") and passed + failed + skipped == 0:
        failed = 1
        note = note or "  ran no test"
    return passed, failed, skipped, note


def main(folder):
    all_passed = all_failed = 0
    for mark in sorted(folder.glob("*.rc"), key=lambda path: path.stat().st_mtime):
        passed, failed, skipped, note = read_suite(folder, mark.stem)
        left_out = f", {skipped} skipped" if skipped else ""
        print(f"{mark.stem:28}{passed:5} passed, {failed} failed{left_out}{note}")
        all_passed += passed
        all_failed += failed
    if all_passed + all_failed == 0:
        all_failed = 1
    print(f"{all_passed} passed, {all_failed} failed")
    return 1 if all_failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: summary.py FOLDER")
    sys.exit(main(pathlib.Path(sys.argv[1])))

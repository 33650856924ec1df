"""What the docs name exists: each row of docs/field-failures.md has tests, or says that it has none yet."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def rows():
    for line in (ROOT / "docs/field-failures.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and set(cells[0]) != {"-"} and cells[2] != "tests":
            yield cells


def is_there(name):
    """Whether the function of FILE::FUNCTION is there; in a C file it must also be in a list of tests."""
    file, _, function = name.partition("::")
    path = ROOT / "tests" / file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if path.suffix == ".py":
        return re.search(rf"^def {function}\(", text, re.M) is not None
    listed = re.search(rf"\((?:{function}|{function.removeprefix('test_')})[,)]", text.partition("\nint main(")[2])
    return f"static void {function}(" in text and listed is not None


def test_each_field_failure_names_tests_that_exist():
    table = list(rows())
    assert len(table) >= 45
    missing = [name for row in table for name in re.findall(r"`([^`]+::[^`]+)`", row[2]) if not is_there(name)]
    assert not missing
    assert not [row[0] for row in table if "::" not in row[2] and "not yet" not in row[2]]


def test_a_name_without_a_test_is_seen():
    assert is_there("engine/test_docs.py::test_a_name_without_a_test_is_seen")
    assert not is_there("engine/test_docs.py::test_another")
    assert not is_there("engine/test_nowhere.py::test_another")
    assert is_there("unit/test_policy.c::test_unhealthy_for")
    assert not is_there("unit/test_policy.c::test_unhealthy")

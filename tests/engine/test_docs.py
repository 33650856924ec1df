"""What the docs name exists: each row of docs/field-failures.md has tests, or says that it has none yet."""
import importlib.util
import json
import pathlib
import re

import pytest

from steps import LABEL, sick_and_healed

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
API = ROOT / "docs/api.md"


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


# ---- docs/api.md

def render(document, template):
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools/make-docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.render(document, template)


def test_the_description_of_the_api_is_that_of_the_table(engine, autoheal):
    """docs/api.md is what `make docs` writes; a call that came or changed since makes it stale."""
    document = autoheal(engine).get("/api").json()
    template = (ROOT / "docs/api.md.in").read_text(encoding="utf-8")
    text = API.read_text(encoding="utf-8")
    assert text == render(document, template), "docs/api.md is stale: run make docs"
    for path, item in document["paths"].items():
        for method in item:
            assert f"### {method.upper()} {path.replace('{name}', 'NAME')}\n" in text
    del document["paths"]["/health"]
    with pytest.raises(SystemExit):
        render(document, template)


def assert_shown(shown, real, where):
    """Whether all that is shown is there. What is null tells nothing of its inside, an empty array neither."""
    if isinstance(shown, dict) and isinstance(real, dict):
        if where.endswith(".labels"):
            return
        assert set(shown) <= set(real), f"{where}: {set(shown) - set(real)}"
        for k in shown:
            assert_shown(shown[k], real[k], f"{where}.{k}")
    elif isinstance(shown, list) and isinstance(real, list):
        for a, b in zip(shown[:1], real[:1]):
            assert_shown(a, b, where + "[]")


def test_the_shapes_it_shows_are_those_of_the_answers(engine, autoheal):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)
    found = 0
    for part in re.split(r"^### ", API.read_text(encoding="utf-8"), flags=re.M)[1:]:
        heading, block = part.split("\n", 1)[0], re.search(r"^```json\n(.*?)^```", part, re.M | re.S)
        method, path = heading.split()
        if block and method == "GET":
            real = ah.get(path.replace("NAME", "web"), token=True).json()
            assert_shown(json.loads(block[1]), real, path)
            found += 1
    assert found >= 6


def test_its_kinds_of_events_are_those_there_are():
    rows = re.findall(r"^\| (`[a-z_`, ]+) \| `", API.read_text(encoding="utf-8").partition("| event_type |")[2], re.M)
    shown = re.findall(r"`(\w+)`", " ".join(rows))
    table = re.search(r"kind_names\[AUDIT_KINDS\].*?\};", (ROOT / "audit.c").read_text(encoding="utf-8"), re.S)[0]
    assert set(shown) == set(re.findall(r'= "(\w+)"', table)) and len(shown) == len(set(shown))

"""docs/limits.md tells of every limit of the source, with its value, and names tests that exist."""
import importlib.util
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TEMPLATE = (ROOT / "docs/limits.md.in").read_text(encoding="utf-8")


def tool():
    spec = importlib.util.spec_from_file_location("make_limits", ROOT / "tools/make-limits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_there(name):
    """Whether the function of FILE::FUNCTION is there; in a C file it must also be in a list of tests."""
    file, _, function = name.partition("::")
    path = ROOT / "tests" / file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if path.suffix == ".py":
        return re.search(rf"^def {function}\(", text, re.M) is not None
    listed = re.search(rf"\(\s*(?:{function}|{function.removeprefix('test_')})[,)]", text.partition("\nint main(")[2])
    return f"static void {function}(" in text and listed is not None


def test_it_is_what_make_docs_writes():
    text, _ = tool().render(TEMPLATE, tool().limits())
    assert (ROOT / "docs/limits.md").read_text(encoding="utf-8") == text, "docs/limits.md is stale: make docs"


def test_no_limit_of_the_source_is_missing():
    _, named = tool().render(TEMPLATE, tool().limits())
    assert set(tool().limits()) == named


def test_the_rule_finds_what_it_should(tmp_path):
    (tmp_path / "a.h").write_text("#define A_MAX 64 /* so many */\n#define A_WAIT_MS \\\n\t(2 * 60 * 1000ull) /* long\n\t * words */\n"
                                  "#define A_QUEUE A_MAX\n#define A_WORD \"x\"\n#define A_FLAG 7\n#define A_TEXT_MAX sizeof(x)\n")
    assert tool().limits(tmp_path) == {("a.h", "A_MAX"): 64, ("a.h", "A_WAIT_MS"): 120000, ("a.h", "A_QUEUE"): 64}


def test_values_are_readable():
    human = tool().human
    assert [human(*pair) for pair in ((262144, "B"), (6144, "B"), (300, "B"), (1536, "B"), (1 << 20, "B"), (65536, "n"), (1500, "ms"),
                                      (60, "s"), (600000, "ms"), (3600000, "ms"), (200, "us"), (500, "ms"))] == \
        ["256 KiB", "6 KiB", "300 bytes", "1.5 KiB", "1 MiB", "65,536", "1.5 s", "60 s", "10 min", "1 h", "200 µs", "500 ms"]


def test_each_row_names_tests_that_exist():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TEMPLATE.splitlines() if line.startswith("| @")]
    bounds = [row for row in rows if len(row) == 4]
    assert len(bounds) > 100 and {len(row) for row in rows} == {2, 4}
    assert not [row[0] for row in bounds if "::" not in row[3]]
    assert not [name for name in re.findall(r"`(\w+/[^`]+::[^`]+)`", TEMPLATE) if not is_there(name)]

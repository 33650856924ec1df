#!/usr/bin/python3
"""make-limits.py - writes docs/limits.md: docs/limits.md.in with the values that the source has.

A limit is a `#define NAME value` of a .c or .h file whose name has MAX in it, or ends in one of the words below, and
whose value is a number. The template names it as @NAME, or @file.c:NAME where several files have such a name, with its
unit in braces: B bytes, ms, s, n nothing; by itself the name's last word tells a time. In a row the first cell holds
the names, and the values become the second.
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENDS = ("MIN", "MS", "S", "US", "SIZE", "QUEUE", "HIGH", "LEAST", "TRIES", "KEPT", "KEEP", "LENT", "AHEAD", "PIECE", "LIMIT",
        "SLOTS", "BACKLOG", "FULL", "BUFFER", "TURN", "EVIDENCE")
DEFINE = re.compile(r"^#define[ \t]+([A-Z][A-Z0-9_]*)[ \t]+(.*?)[ \t]*(?:/\*.*)?$", re.M)
MARK = re.compile(r"@((?:[a-z_]+\.[ch]:)?[A-Z][A-Z0-9_]+)(?:\{(\w+)\})?")
ELSEWHERE = {"FD_SETSIZE": 1024}


def defines(root=ROOT):
    """{(file, name): the value's text} of all that is defined."""
    out = {}
    for path in sorted(root.glob("*.[ch]")):
        text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
        for name, value in DEFINE.findall(text):
            out[path.name, name] = value
    return out


def number(text, file, known):
    """What a value comes to, or None where it is no number."""
    def put(match):
        name = match.group(0)
        inner = known.get((file, name)) or next((v for (_, n), v in known.items() if n == name), None)
        value = ELSEWHERE.get(name) if inner is None else number(inner, file, known)
        return "None" if value is None else str(value)
    text = re.sub(r"\b[A-Z][A-Z0-9_]+\b", put, re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]*\b", r"\1", text))
    if not re.fullmatch(r"[0-9a-fA-FxX+*<() -]+", text):
        return None
    try:
        return eval(text, {"__builtins__": {}})     # digits and signs alone
    except (SyntaxError, TypeError):
        return None


def limits(root=ROOT):
    """{(file, name): number} of the limits."""
    known = defines(root)
    out = {}
    for (file, name), text in known.items():
        words = name.split("_")
        if "MAX" in words or (len(words) > 1 and words[-1] in ENDS):
            value = number(text, file, known)
            if value is not None:
                out[file, name] = value
    return out


def human(value, unit):
    if unit == "B":
        for size, word in ((1 << 20, "MiB"), (1 << 10, "KiB")):
            if value >= size and value % (size // 2) == 0:
                return f"{value / size:g} {word}"
        return f"{value:,} bytes"
    if unit == "us":
        return f"{value} µs"
    if unit in ("ms", "s"):
        ms = value * (1000 if unit == "s" else 1)
        for size, word in ((366 * 86400000, "years"), (86400000, "days"), (3600000, "h"), (60000, "min"), (1000, "s")):
            if ms >= size and ms % size == 0 and (ms != 60000 or word != "min"):
                return f"{ms // size} {word.rstrip('s') if ms == size and len(word) > 3 else word}"
        return f"{ms:,} ms" if ms < 1000 else f"{ms / 1000:g} s"
    return f"{value:,}"


def render(template, found):
    """The text of docs/limits.md, and the limits that it names; an unknown name ends it."""
    named = set()

    def value_of(mark, unit):
        file, _, name = mark.rpartition(":")
        hits = [key for key in found if key[1] == name and file in ("", key[0])]
        if len(hits) != 1:
            raise SystemExit(f"docs/limits.md.in: @{mark} fits {len(hits)} limits of the source")
        named.add(hits[0])
        last = name.rpartition("_")[2]
        return name, human(found[hits[0]], unit or {"MS": "ms", "S": "s", "US": "us"}.get(last, "n"))

    out = []
    for line in template.splitlines():
        cells = line.split(" | ", 1)
        marks = MARK.findall(cells[0]) if line.startswith("| @") else []
        if marks:
            pairs = [value_of(*mark) for mark in marks]
            line = f"| {', '.join(f'`{name}`' for name, _ in pairs)} | {', '.join(v for _, v in pairs)} | {cells[1]}"
        out.append(line)
    return "\n".join(out) + "\n", named


if __name__ == "__main__":
    source = limits()
    text, shown = render((ROOT / "docs/limits.md.in").read_text(encoding="utf-8"), source)
    missing = sorted(f"{file}:{name}" for file, name in set(source) - shown)
    if missing:
        raise SystemExit("docs/limits.md.in does not tell of " + ", ".join(missing))
    (ROOT / "docs/limits.md").write_text(text, encoding="utf-8")

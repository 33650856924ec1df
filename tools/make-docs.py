#!/usr/bin/python3
"""make-docs.py [BINARY] - writes docs/api.md: the calls as GET /api of the binary tells them, between the prose of
docs/api.md.in. There a line `@call METHOD PATH [EXAMPLE]` stands for a call (EXAMPLE: its query or its body), and
`@others` for those that have no such line."""
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WHO = {"nothing": "Anybody may call it, whatever `AUTOHEAL_API_READS` says.", "read": "",
       "write": "It needs the token.", "token": "It needs the token, even with `AUTOHEAL_API_WRITES=open`."}


def ask(binary):
    """GET /api of the binary, which is run for that, without an engine and with nothing set."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/api.sock"
        env = {"DOCKER_HOST": f"unix://{folder}/none", "AUTOHEAL_LISTEN": f"unix:{path}", "AUTOHEAL_INSTANCE": f"docs{os.getpid()}"}
        process = subprocess.Popen([binary], env=env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 10
            while True:
                connection = http.client.HTTPConnection("localhost")
                connection.sock = socket.socket(socket.AF_UNIX)
                try:
                    connection.sock.connect(path)
                    connection.request("GET", "/api")
                    return json.load(connection.getresponse())
                except OSError:
                    if time.monotonic() > end or process.poll() is not None:
                        raise
                    time.sleep(0.02)
                finally:
                    connection.close()
        finally:
            process.terminate()
            process.wait()


def type_of(schema):
    names = {"integer": "number", "boolean": "true or false", "string": "text", "array": "list of texts"}
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(names.get(t, t) for t in types)


def rows_of(document, operation):
    for p in operation["parameters"]:
        if "$ref" in p:
            p = document["components"]["parameters"][p["$ref"].rpartition("/")[2]]
        if p["in"] == "query":
            yield p["name"], f"query, {type_of(p['schema'])}", p["schema"]["description"]
    body = operation.get("requestBody")
    if body:
        schema = body["content"]["application/json"]["schema"]
        for name, member in schema["properties"].items():
            needed = ", needed" if name in schema["required"] else ""
            yield name, f"body, {type_of(member)}{needed}", member["description"]


def example(method, path, operation, given):
    words = ["curl"]
    if "text/event-stream" in operation["responses"]["200" if "200" in operation["responses"] else "202"].get("content", {}):
        words.append("-N")
    if method != "GET":
        words += ["-X", method, '-H "Authorization: Bearer $TOKEN"']
    body = given if given.startswith("{") else ""
    if body:
        words += ["-H 'Content-Type: application/json'", f"-d '{body}'"]
    address = "localhost:8080" + path.replace("{name}", "web") + ("" if body else given)
    return " ".join([*words, f"'{address}'" if "?" in address else address])


def section(document, method, path, given=""):
    """One call."""
    operation = document["paths"][path][method.lower()]
    lines = [f"### {method} {path.replace('{name}', 'NAME')}", ""]
    needs = WHO[operation["x-needs"]]
    lines += [operation["summary"] + "." + (" " + needs if needs else ""), ""]
    rows = list(rows_of(document, operation))
    if rows:
        lines += ["| name | where, what | |", "|---|---|---|"]
        lines += [f"| `{name}` | {where} | {words} |" for name, where, words in rows] + [""]
    lines += ["Answers: " + ", ".join(s for s in operation["responses"] if s != "default") + ".", ""]
    return lines + ["```", example(method, path, operation, given), "```"]


def render(document, template):
    """The text of docs/api.md."""
    calls = [(m.upper(), p) for p, item in document["paths"].items() for m in item]
    named = re.findall(r"^@call (\w+) (\S+)", template, re.M)
    missing = set(named) - set(calls)
    if missing:
        raise SystemExit(f"docs/api.md.in names calls that do not exist: {sorted(missing)}")
    out = []
    for line in template.splitlines():
        word, _, rest = line.partition(" ")
        if word == "@call":
            method, path, given = (rest.split(" ", 2) + [""])[:3]
            out += section(document, method, path, given)
        elif word == "@others":
            for method, path in calls:
                if (method, path) not in named:
                    out += section(document, method, path) + [""]
        else:
            out.append(line)
    return "\n".join(out).rstrip() + "\n"


if __name__ == "__main__":
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/autoheal"
    (ROOT / "docs/api.md").write_text(render(ask(str(program)), (ROOT / "docs/api.md.in").read_text(encoding="utf-8")),
                                      encoding="utf-8")

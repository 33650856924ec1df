"""GET /api: what it says of itself is OpenAPI, and true."""
import re

import pytest

import harness
from steps import LABEL

METHODS = {"get", "put", "post", "delete"}
TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}


@pytest.fixture
def ah(engine, autoheal):
    engine.add("web", labels=LABEL)
    return autoheal(engine)


def calls(ah, token=False):
    """(method, path, operation) of each call of the index."""
    for path, item in ah.get("/api", token=token).json()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def answer_of(ah, method, path, **more):
    """Status and Content-Type of one call about the container web. A stream is not read to its end."""
    path = path.replace("{name}", "web")
    if method == "GET" and path.endswith("/stream"):
        method = "HEAD"
    answer = ah.request(method, path, **more)
    return answer.status, answer.headers["content-type"].partition(";")[0]


# ---- its form

def check_schema(schema):
    types = schema.get("type", [])
    assert set([types] if isinstance(types, str) else types) <= TYPES and ("type" in schema or not schema)
    assert set(schema.get("required", [])) <= set(schema.get("properties", {}))
    for inner in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        check_schema(inner)
    assert set(schema) <= {"type", "required", "properties", "items", "description"}


def check_content(content):
    assert content
    for media, body in content.items():
        assert re.fullmatch(r"[a-z]+/[a-z-]+", media)
        check_schema(body["schema"])


def resolve(document, thing):
    if "$ref" not in thing:
        return thing
    assert set(thing) == {"$ref"}
    where, at = thing["$ref"], document
    assert where.startswith("#/")
    for step in where[2:].split("/"):
        at = at[step]
    return at


def check_operation(document, path, operation):
    named = re.findall(r"\{(\w+)\}", path)
    parameters = [resolve(document, p) for p in operation["parameters"]]
    assert [p["name"] for p in parameters if p["in"] == "path"] == named
    assert all(p["required"] is True for p in parameters if p["in"] == "path")
    assert len({(p["name"], p["in"]) for p in parameters}) == len(parameters)
    for p in parameters:
        assert p["in"] in ("path", "query") and re.fullmatch(r"\w+", p["name"])
        check_schema(p["schema"])
    if "requestBody" in operation:
        assert isinstance(operation["requestBody"]["required"], bool)
        check_content(operation["requestBody"]["content"])
    assert any(re.fullmatch("2..", status) for status in operation["responses"])
    for status, response in operation["responses"].items():
        assert re.fullmatch("[2345][0-9][0-9]|default", status)
        response = resolve(document, response)
        assert response["description"]
        check_content(response["content"])
    for way in operation["security"]:
        assert set(way) <= set(document["components"]["securitySchemes"])
    assert operation["summary"] and operation["x-needs"] in ("nothing", "read", "write", "token")


def test_it_is_openapi(ah):
    answer = ah.get("/api")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["openapi"] == "3.1.0" and document["info"]["title"] == "autoheal"
    assert document["info"]["version"] in harness.run("--version").stdout
    assert [set(s) for s in document["servers"]] == [{"url"}]
    ids = []
    for path, item in document["paths"].items():
        assert path.startswith("/") and set(item) <= METHODS and item
        for operation in item.values():
            check_operation(document, path, operation)
            ids.append(operation["operationId"])
    assert len(set(ids)) == len(ids) > 15 and all(re.fullmatch("[a-z_]+", i) for i in ids)
    assert document["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    assert "get_api_containers_name_explain" in ids


def test_what_a_call_takes(ah):
    document = ah.get("/api").json()
    events = document["paths"]["/api/events"]["get"]
    shown = {p["name"]: p["schema"]["type"] for p in (resolve(document, p) for p in events["parameters"])}
    assert shown == {"limit": "integer", "type": "string", "container": "string", "since": "integer", "host": "string"}
    assert "400" in events["responses"] and "401" not in events["responses"]
    assert events["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"
    select = document["paths"]["/api/containers/select"]["post"]
    body = select["requestBody"]
    assert body["required"] is True
    schema = body["content"]["application/json"]["schema"]
    assert schema["required"] == ["container_ids", "enabled"] and schema["properties"]["enabled"]["type"] == "boolean"
    assert {"200", "400", "401", "403", "404", "409", "415", "422"} <= set(select["responses"])
    enable = document["paths"]["/api/maintenance/enable"]["post"]["requestBody"]
    assert enable["required"] is False
    assert enable["content"]["application/json"]["schema"]["properties"]["for"]["type"] == ["string", "number"]
    told = document["paths"]["/api/notifications/config"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert {name: p["type"] for name, p in told["properties"].items()} == {"event_filters": "array", "services": "array"}
    assert told["properties"]["services"]["items"] == {"type": "object"}


# ---- that it is true

def test_every_get_of_it_answers(ah):
    seen = 0
    for method, path, operation in calls(ah):
        if method != "GET":
            continue
        status, media = answer_of(ah, method, path)
        good = operation["responses"]["200"]["content"]
        if status == 404 and "{name}" in path and not path.startswith("/api/containers"):
            continue                            # nothing is named web there
        assert status == 200 and media in good, (path, status, media)
        assert answer_of(ah, "HEAD", path)[0] == 200
        seen += 1
    assert seen >= 10


def test_every_change_of_it_wants_the_token(engine, autoheal, ah):
    """None may be called without: 401, and 403 where no token is set; before anything else is looked at."""
    without = autoheal(engine, AUTOHEAL_API_TOKEN=None)
    changes = [(m, p, o) for m, p, o in calls(ah) if m != "GET"]
    assert len(changes) >= 7
    for method, path, operation in changes:
        assert operation["x-needs"] in ("write", "token") and operation["security"] == [{"bearer": []}]
        assert {"401", "403"} <= set(operation["responses"])
        for given in ({}, {"token": "wrong"}, {"body": "{", "headers": {"Content-Type": "text/plain"}}):
            assert answer_of(ah, method, path, **given)[0] == 401, path
        assert answer_of(without, method, path)[0] == 403
    assert not ah.events("config") and not ah.events("maintenance") and not engine.posts()


def test_every_body_must_be_json(ah):
    """Of the right type, whole, and there where it is needed; and an error is one of those that are told."""
    seen = 0
    for method, path, operation in calls(ah):
        body = operation.get("requestBody")
        if not body:
            continue
        for given, kind, status in (("{}", "text/plain", 415), ("{", "application/json", 400), ("\xff", "application/json", 400),
                                    ("x" * 65537, "application/json", 413), ("[[1]]", "application/json", 422)):
            if status == 413 and f"{method} {path}" in ("PUT /api/config", "POST /api/config/import"):
                status = 400                    # they take larger ones
            answer = ah.request(method, path.replace("{name}", "web"), {"Content-Type": kind}, given.encode("latin-1"), token=True)
            assert answer.status == status and str(status) in operation["responses"], (path, given[:9], answer)
            assert answer.json()["error"]
        if body["required"]:
            answer = ah.request(method, path.replace("{name}", "web"), {"Content-Length": None}, token=True)
            assert answer.status == 411 and "411" in operation["responses"]
        seen += 1
    assert seen >= 3


def test_what_needs_the_token_even_with_open_writes(engine, autoheal):
    engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_API_WRITES="open")
    for method, path, operation in calls(ah):
        if operation["x-needs"] == "write":
            assert operation["security"] == [{}, {"bearer": []}] and "401" not in operation["responses"]
            assert answer_of(ah, method, path, body="{")[0] not in (401, 403)
        if operation["x-needs"] == "token":
            assert operation["security"] == [{"bearer": []}] and answer_of(ah, method, path)[0] == 401


def test_reads_that_need_the_token(engine, autoheal):
    engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_API_READS="token")
    assert ah.get("/api").status == 401
    for method, path, operation in calls(ah, token=True):
        if operation["x-needs"] == "nothing":
            assert path == "/health" and operation["security"] == []
        else:
            assert operation["security"] == [{"bearer": []}] and "401" in operation["responses"]
        if method == "GET":
            assert answer_of(ah, method, path)[0] == (200 if path == "/health" else 401)
    assert ah.get("/").status == 200            # the page itself holds nothing; it asks for the token


def test_an_address_knows_its_methods(ah):
    """A method that an address has not is 405, and Allow names those it has."""
    document = ah.get("/api").json()
    for path, item in document["paths"].items():
        for method in METHODS - set(item):
            if path == "/api/containers/select" and method == "get":
                continue                        # a container may be named so
            answer = ah.request(method.upper(), path.replace("{name}", "web"), token=True, headers={"Content-Length": "0"})
            allowed = set(answer.headers["allow"].lower().split(", "))
            assert answer.status == 405 and set(item) | ({"head"} if "get" in item else set()) <= allowed
            assert method not in allowed

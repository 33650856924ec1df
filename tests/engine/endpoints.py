"""The requests that docs/engines.md says autoheal sends: its table is what the tests hold every request against."""
import re

from harness import ROOT

LINE = re.compile(r"^\| `(GET|POST|PUT|DELETE|HEAD) (/[A-Za-z/]*)` \|")


def documented():
    """[(method, path)], with ID in the path where a container's id stands."""
    lines = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8").splitlines()
    return [match.groups() for match in map(LINE.match, lines) if match]


def endpoint(request):
    """What a request of the scripted engine's record is in the words of the table."""
    path = re.sub(r"^/exec/[^/]+/(?=json$|start$)", "/exec/ID/", request.path)
    return request.method, re.sub(r"^/containers/[^/]+/(?=json$|logs$|restart$|start$|stop$|kill$|exec$)", "/containers/ID/", path)


def undocumented(requests):
    table = set(documented())
    return [r for r in requests if endpoint(r) not in table]

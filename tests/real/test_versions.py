"""What is said of the engine is what the engine says of itself."""
import re


def test_the_status_names_version_and_api(engine, autoheal):
    """/api/status and the log, next to the engine's own GET /version and the header of its answers."""
    said = engine.get("/version")
    service = autoheal(engine)
    shown, = service.get("/api/status", token=True).json()["engines"]
    assert shown["connected"] and shown["engine"].lower() == "docker"
    assert shown["version"] == said["Version"]
    assert shown["api_version"] == min(said["ApiVersion"], "1.55", key=lambda v: [int(n) for n in v.split(".")])
    assert service.log_lines("connected.*Docker " + re.escape(f"{said['Version']}, API {shown['api_version']}"))

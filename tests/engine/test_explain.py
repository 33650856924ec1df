"""Why a container is or is not watched, how it stands, and what happens next: in words, from the API and on the command line."""
import pytest

from steps import LABEL, sick_and_healed


@pytest.fixture
def web(engine):
    return engine.add("web", labels=LABEL)


def explained(ah, name):
    """The explanation, after a look at its shape; and the answers by question."""
    answer = ah.get(f"/api/containers/{name}/explain")
    assert answer.status == 200, answer
    shown = answer.json()
    assert {"container", "host", "watched", "phase", "steps", "next_action", "text"} <= set(shown)
    assert shown["host"] == "local" and shown["text"]
    for step in shown["steps"]:
        assert step["question"].endswith("?") and step["answer"] in ("yes", "no") and step["because"]
    return shown, {s["question"]: (s["answer"], s["because"]) for s in shown["steps"]}


def test_why_it_is_watched(engine, web, autoheal):
    ah = autoheal(engine)
    shown, answers = explained(ah, "web")
    assert (shown["container"], shown["watched"], shown["phase"], shown["next_action"]) == \
        ("web", True, "watching", None)
    assert answers["AUTOHEAL_EXCLUDE names it?"][0] == "no" and answers["a person excluded it?"][0] == "no"
    assert answers["it has the label autoheal=true?"][0] == "yes"
    assert answers["it is in quarantine?"][0] == "no" and answers["it needs help?"] == ("no", "healthy")
    assert "it has the label autoheal=true" in shown["text"] and "watching" in shown["text"]


@pytest.mark.parametrize("labels,question", [
    ({}, "it has no label autoheal=true?"), ({"autoheal": "false"}, "its label says autoheal=false?"),
    ({**LABEL, "com.docker.compose.oneoff": "True"}, "it is a one-off run of Compose?")])
def test_why_it_is_not_watched(engine, autoheal, labels, question):
    """The rule that decides is the last that is asked."""
    engine.add("plain", labels=labels)
    ah = autoheal(engine)
    shown, answers = explained(ah, "plain")
    assert shown["watched"] is False and shown["phase"] == "unwatched" and shown["next_action"] is None
    assert answers[question][0] == "yes" and question[:-1] in shown["text"]
    assert [q for q, (a, _) in answers.items() if a == "yes"] == [question, "it is not watched?"]


def test_what_it_waits_for(engine, web, autoheal):
    """The gate that holds it is named with the time that is left; the next action is that of the container itself."""
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="600", AUTOHEAL_BACKOFF="false")
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    ah.wait_phase("web", "waiting")
    shown, answers = explained(ah, "web")
    assert shown["phase"] == "waiting" and shown["next_action"]["action"] == "restart"
    assert "cooldown" in shown["next_action"]["reason"]
    answer, because = answers["the cooldown after its last restart is not over?"]
    assert answer == "yes" and 590 <= int(because.split()[0]) <= 600
    assert "cooldown" in shown["text"] and "next: restart" in shown["text"]
    ah.post("/api/maintenance/enable")
    shown, answers = explained(ah, "web")
    assert any("maintenance is on" in q and a == "yes" for q, (a, _) in answers.items())


def test_quarantine_is_explained_by_its_counts(engine, autoheal):
    web = engine.add("web", labels={**LABEL, "autoheal.max.restarts": "1"}, interval=0.1)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false")
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    ah.wait_event("quarantine", "web")
    shown, answers = explained(ah, "web")
    assert shown["phase"] == "quarantined"
    assert answers["it is in quarantine?"][0] == "yes" and "limit is 1" in answers["it is in quarantine?"][1]


def test_names_and_forms(engine, autoheal):
    engine.add("one", labels=LABEL, id="abcdef" + "1" * 58)
    engine.add("two", labels={**LABEL, "monitoring.id": "my app/ä"}, id="abcdef" + "2" * 58)
    ah = autoheal(engine)
    assert explained(ah, "my%20app%2F%C3%A4")[0]["container"] == "two"
    assert explained(ah, "abcdef1")[0]["container"] == "one"
    answer = ah.get("/api/containers/abcdef/explain")
    assert answer.status == 409 and "one" in answer.json()["error"] and "two" in answer.json()["error"]
    assert ah.get("/api/containers/nope/explain").status == 404
    answer = ah.post("/api/containers/one/explain")
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"


# ---- on the command line

def test_the_command_explains(engine, web, autoheal):
    engine.add("two", labels={**LABEL, "monitoring.id": "my app/ä"})
    ah = autoheal(engine)
    done = ah.command("explain", "web")
    assert done.returncode == 0 and not done.stderr
    first, *steps = done.stdout.split("\n\n", 1)
    assert first == explained(ah, "web")[0]["text"]
    assert "it has the label autoheal=true? yes: " in steps[0]
    assert "'two'" in ah.command("explain", "my app/ä").stdout
    for name in ("nope", "x" * 400):
        done = ah.command("explain", name)
        assert done.returncode == 1 and done.stderr.strip() and not done.stdout


def test_the_command_brings_the_token_where_reading_needs_it(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_API_READS="token")
    assert ah.command("explain", "web").returncode == 0
    assert ah.get("/api/containers/web/explain").status == 401
    assert ah.command("explain", "web", AUTOHEAL_API_TOKEN="wrong").returncode == 1


def test_the_command_without_a_service_or_a_name(engine, web, autoheal):
    ah = autoheal(engine)
    done = ah.command("explain", "web", AUTOHEAL_INSTANCE="nobody")
    assert done.returncode == 1 and "@autoheal-nobody" in done.stderr
    for args in (["explain"], ["explain", ""], ["explain", "web", "db"]):
        done = ah.command(*args)
        assert done.returncode == 64 and len(done.stderr.splitlines()) == 1

"""What the build makes: the same bytes wherever it is done, and a list of what is in them."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = ROOT / "build" / "autoheal"
SBOM = ROOT / "build" / "autoheal.spdx.json"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The sources in another folder, of another length, without anything that was built."""
    folder = tmp_path_factory.mktemp("another-place-to-build-in") / "autoheal"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("build", ".git", "__pycache__", "node_modules"))
    return folder


def test_the_binary_is_the_same_in_another_folder(elsewhere):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "build/autoheal"], cwd=elsewhere, env=environment, text=True,
                          capture_output=True, timeout=500, check=False)
    assert not done.returncode, done.stdout + done.stderr
    assert (elsewhere / "build" / "autoheal").read_bytes() == BINARY.read_bytes()


def test_nothing_in_it_tells_where_it_was_built():
    text = BINARY.read_bytes()
    assert str(ROOT).encode() not in text
    assert b"/build/bearssl" not in text


def test_the_list_of_materials_names_all_that_is_linked():
    sbom = json.loads(SBOM.read_text(encoding="utf-8"))
    assert sbom["spdxVersion"] == "SPDX-2.3"
    packages = {p["name"]: p for p in sbom["packages"]}
    assert set(packages) == {"autoheal", "BearSSL", "jsmn", "musl"}
    assert packages["autoheal"]["checksums"][0]["checksumValue"] == sha256(BINARY)
    for package in packages.values():
        assert re.fullmatch(r"[0-9a-f]{64}", package["checksums"][0]["checksumValue"])
        assert package["versionInfo"] and package["versionInfo"] != "NOASSERTION"
    known = {p["SPDXID"] for p in sbom["packages"]} | {"SPDXRef-DOCUMENT"}
    for relation in sbom["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= known
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", sbom["creationInfo"]["created"])


def test_the_list_is_made_the_same_again(tmp_path):
    again = tmp_path / "again.json"
    version = json.loads(SBOM.read_text(encoding="utf-8"))["packages"][0]["versionInfo"]
    subprocess.run([ROOT / "tools" / "make-sbom.sh", again, BINARY, version], check=True)
    assert again.read_bytes() == SBOM.read_bytes()

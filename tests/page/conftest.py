"""Fixtures for the tests of the page: a browser for all of them, and the private engine of tests/real.

SKIP_REAL=1 skips what needs either; without it, a browser or an engine that is missing fails them in words.
"""

import importlib.util
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import browser as chromium  # noqa: E402

REAL = HERE.parent / "real/conftest.py"
spec = importlib.util.spec_from_file_location("real_conftest", REAL)
real = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real)
shared_engine, engine, own_engine = real.shared_engine, real.engine, real.own_engine
program, autoheal = real.program, real.autoheal


@pytest.fixture(scope="session")
def browser():
    if os.environ.get("SKIP_REAL", "") not in ("", "0"):
        pytest.skip("SKIP_REAL is set: not shown in a real browser")
    missing = chromium.missing()
    if missing:
        pytest.fail(f"no browser for this test: {missing}\n(SKIP_REAL=1 leaves these tests out)", pytrace=False)
    with chromium.Browser() as running:
        yield running


@pytest.fixture
def opened(browser):
    """opened(address, **how): a page; what its script or its policy complains about fails the test at its end."""
    pages = []

    def show(address, **how):
        pages.append(browser.page(address, **how))
        return pages[-1]

    yield show
    if pages:
        assert pages[-1].faults() == []

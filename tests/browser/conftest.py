"""The whole service in processes of its own, and a real Chromium in front of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
STOP_S = 60
PATIENCE_MS = 30_000
"""How long a page may take where other work goes on: it waits thrice what its last look took."""
expect.set_options(timeout=PATIENCE_MS)

# Runs before any script of the page, so that no violation is missed.
WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass
class Visit:
    """A tab, and everything about it that should not be there."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with its dispatcher, on a port of its own."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "sweeper.cli", "serve", "--port", "0", "--json"]
    log = (home / "serve.log").open("w")
    process = subprocess.Popen(
        [*command, "--data", str(home)],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        yield _told_address(process, home)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()
            log.close()


def _told_address(process: "subprocess.Popen[str]", home: Path) -> str:
    """The address that `--json` prints first."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("}") or (line.startswith("{") and line.rstrip().endswith("}")):
            return str(json.loads(text)["url"])
    raise AssertionError((home / "serve.log").read_text())


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        pytest.skip(f"no Chromium on PATH; looked for {', '.join(CHROMIUM_NAMES)}")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser, base_url: str) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=base_url, viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(PATIENCE_MS)
    opened.add_init_script(WATCH_POLICY)
    yield opened
    opened.close()


@pytest.fixture
def visit(context: BrowserContext, base_url: str) -> Iterator[Visit]:
    """A tab that ends the test if it complains, or asks any other origin."""
    found = Visit(page=context.new_page())
    origin = urlsplit(base_url)[:2]

    def on_request(url: str) -> None:
        if urlsplit(url)[:2] != origin and not url.startswith(("data:", "blob:")):
            found.complaints.append(f"asked another origin: {url}")

    found.page.on("request", lambda request: on_request(request.url))
    found.page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    found.page.on(
        "console",
        lambda message: (
            found.complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    yield found
    assert found.complaints == []

"""What tests of pages do again and again: fill in the form and submit it."""

import re

from playwright.sync_api import Page, expect

ENDED = '#state[data-ended="yes"]'
TRAINED_MS = 120_000


def fill_form(page: Page, *, seed: int) -> None:
    """A sweep of two optimizers at three values, twenty steps each."""
    page.goto("/new")
    page.get_by_label("lion", exact=True).check()
    page.get_by_label("Points", exact=True).fill("3")
    page.get_by_label("Seeds", exact=False).fill(str(seed))
    page.get_by_label("Steps", exact=True).fill("20")
    expect(page.locator("#p-points")).to_have_text("6")


def submit_form(page: Page) -> None:
    page.get_by_role("button", name="Submit sweep").click()
    page.wait_for_url(re.compile("/sweeps/"))

"""What WCAG 2.2 asks of the structure of every page, read from its HTML."""

import itertools
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from sweeper.storage.store import Store
from tests.api import played
from tests.api.conftest import SPEC

VOID = frozenset({"input", "link", "meta", "rect", "path", "br"})
Attributes = dict[str, str | None]


class Element:
    """A tag with its attributes, ancestors and text."""

    def __init__(self, tag: str, attributes: Attributes, parents: tuple["Element", ...]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parents = parents
        self.text = ""


class Page(HTMLParser):
    """All elements of a page, in order; a tag that is not closed is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        assert [element.tag for element in self._open] == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), tuple(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop().tag == tag, tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs), tuple(self._open)))

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]


@pytest.fixture
def map_id(client: TestClient) -> str:
    second = {"parameter": "momentum", "values": [0.5, 0.9]}
    answer = client.post("/api/v1/sweeps", json=SPEC | {"second_axis": second})
    return str(answer.json()["id"])


@pytest.fixture(params=["list", "empty list", "sweep", "map", "trial", "form", "routes", "error"])
def page(request: pytest.FixtureRequest, client: TestClient, store: Store) -> Page:
    ask: dict[str, Callable[[], str]] = {
        "empty list": lambda: "/",
        "form": lambda: "/new",
        "routes": lambda: "/api",
        "error": lambda: "/nowhere",
    }
    if request.param in ask:
        path = ask[request.param]()
    else:
        sweep_id = request.getfixturevalue("map_id" if request.param == "map" else "sweep_id")
        played.finish_all(store)
        rows = client.get(f"/api/v1/sweeps/{sweep_id}/trials").json()["items"]
        trial = f"/trials/{rows[0]['trial_id']}"
        sweep = f"/sweeps/{sweep_id}"
        path = {"list": "/", "sweep": sweep, "map": sweep, "trial": trial}[request.param]
    return Page(client.get(path, headers={"accept": "text/html"}).text)


def test_a_page_has_a_language_a_title_and_one_heading(page: Page) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    assert page.all("title")[0].text.endswith("Sweeper")
    assert len(page.all("h1")) == 1
    levels = [int(element.tag[1]) for element in page.all("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_ids_are_unique(page: Page) -> None:
    ids = Counter(e.attributes["id"] for e in page.elements if "id" in e.attributes)
    assert [name for name, count in ids.items() if count > 1] == []


def test_every_control_has_a_label(page: Page) -> None:
    labelled = {label.attributes.get("for") for label in page.all("label")}
    for control in page.all("input", "select", "textarea"):
        inside = any(parent.tag == "label" and parent.text.strip() for parent in control.parents)
        assert inside or control.attributes.get("id") in labelled, control.attributes


def test_every_button_and_link_has_a_name(page: Page) -> None:
    for element in page.all("a", "button"):
        assert element.text.strip() or element.attributes.get("aria-label"), element.attributes


def test_every_picture_has_a_text_or_is_hidden(page: Page) -> None:
    for element in page.all("svg", "img"):
        hidden = element.attributes.get("aria-hidden") == "true"
        assert hidden or element.attributes.get("aria-label"), element.attributes


def test_references_between_elements_hold(page: Page) -> None:
    ids = {element.attributes.get("id") for element in page.elements}
    for element in page.elements:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            if name in element.attributes:
                assert element.attributes[name] in ids, (element.tag, element.attributes)


def test_only_states_speak_by_themselves(page: Page) -> None:
    speaking = [e for e in page.elements if "aria-live" in e.attributes]
    assert [e.attributes["aria-live"] for e in speaking] == ["polite"] * len(speaking)
    assert len(speaking) <= 1
    for element in speaking:
        assert element.attributes["data-live"] == "state"


def test_headers_of_tables_have_a_scope(page: Page) -> None:
    for header in page.all("th"):
        assert header.attributes.get("scope") in ("col", "row")

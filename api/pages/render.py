"""From a context dataclass to HTML."""

import dataclasses
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from api import static_files
from api.pages import words

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FOLDER = Path(__file__).parent.parent / "templates"


@cache
def environment() -> Environment:
    """Templates that escape everything and do not know undefined names."""
    env = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals["static"] = static_files.address
    for function in (
        words.sign,
        words.value,
        words.setting,
        words.state_size,
        words.loss,
        words.short,
        words.rounded,
        words.duration,
        words.moment,
        words.count,
        words.sign_icon,
    ):
        env.filters[function.__name__] = function
    return env


def page(context: "DataclassInstance", *, status: int = 200) -> HTMLResponse:
    """The page of a context: `SweepPage` fills `sweep_page.html`."""
    template = environment().get_template(template_name(type(context)))
    fields = {field.name: getattr(context, field.name) for field in dataclasses.fields(context)}
    return HTMLResponse(template.render(fields), status, {"cache-control": "no-cache"})


def template_name(context: type[Any]) -> str:
    """`SweepPage` -> `sweep_page.html`."""
    parts = "".join(f"_{c.lower()}" if c.isupper() else c for c in context.__name__)
    return f"{parts.lstrip('_')}.html"

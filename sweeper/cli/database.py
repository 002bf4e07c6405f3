"""`db`: the schema of the database."""

import typer

from sweeper.cli import home as homes
from sweeper.cli import options
from sweeper.cli.output import BROKEN, print_json, say
from sweeper.errors import NotFound

app = typer.Typer(no_args_is_help=True, help="Create, upgrade and check the database.")


@app.command()
def upgrade(
    data: options.Data = options.HOME,
    database: options.Database = None,
    as_json: options.AsJson = False,
) -> None:
    """Bring the database to the schema of this version; create it if it is empty.

    The embedded SQLite file is upgraded by itself when the service starts; a PostgreSQL server
    wants this command, once, before a new version is started on it.

    Example: sweeper db upgrade --database postgresql://sweeper@db/sweeper
    """
    from sweeper.storage.store import upgrade as upgrade_schema

    home = homes.prepare(data)
    upgrade_schema(homes.database_url(home, database))
    if as_json:
        print_json({"upgraded": True})
    else:
        say("the database has the schema of this version")


@app.command()
def check(
    data: options.Data = options.HOME,
    database: options.Database = None,
    as_json: options.AsJson = False,
) -> None:
    """Check that the schema fits and that no point is lost; exits 1 if something is wrong.

    Exits 3 if there is no database yet, and makes none.

    Example: sweeper db check
    """
    from sweeper.storage.engine import parse_url, sqlite_path
    from sweeper.storage.store import open_store

    url = homes.database_url(data, database)
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not sqlite_path(parsed).exists():
        raise NotFound(f"there is no database yet: the service makes {sqlite_path(parsed)}")
    store = open_store(url)
    try:
        problems = [
            f"{problem} (sweep {sweep}, trial {trial})"
            for problem, sweep, trial in store.results.integrity()
        ]
    finally:
        store.close()
    if as_json:
        print_json({"problems": problems})
    else:
        say("\n".join(problems) or "the schema fits, and no point is lost")
    if problems:
        raise typer.Exit(BROKEN)

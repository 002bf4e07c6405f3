"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="SWEEPER_DATA",
        help="Home folder: database, data sets, checkpoints, logs.",
        file_okay=True,
    ),
]
HOME = Path(".sweeper")

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="SWEEPER_DATABASE",
        help="sqlite:///file.db or postgresql://user:password@host/name; "
        "default: sweeper.db in the home folder.",
    ),
]

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="SWEEPER_URL",
        help="Address of the service; default: the one that serves the home folder, "
        "or http://127.0.0.1:8000.",
    ),
]

Key = Annotated[
    str | None, typer.Option("--key", envvar="SWEEPER_KEY", help="Bearer key, where one is needed.")
]

SweepId = Annotated[str, typer.Argument(help="Id of the sweep; `latest` is the newest.")]

Host = Annotated[str, typer.Option(envvar="SWEEPER_HOST", help="Address to bind.")]
Port = Annotated[
    int,
    typer.Option(envvar="SWEEPER_PORT", min=0, max=65535, help="Port to bind; 0 takes a free one."),
]
TrustedNetwork = Annotated[
    bool,
    typer.Option(
        "--trusted-network",
        envvar="SWEEPER_TRUSTED_NETWORK",
        help="Allow a bind off loopback: everybody who reaches it may do everything.",
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host", help="A further host name under which browsers may ask; repeatable."
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        envvar="RAY_ADDRESS",
        help="Ray cluster to use, host:port; default: a local one.",
    ),
]
Cpus = Annotated[
    int | None, typer.Option(min=1, help="CPUs of a local Ray cluster; default: all there are.")
]
Devices = Annotated[
    int,
    typer.Option(
        envvar="SWEEPER_DEVICES",
        min=1,
        help="GPUs of one machine, or processes on its CPUs, that a stack trains on together.",
    ),
]
Checkpoints = Annotated[
    str | None,
    typer.Option(
        envvar="SWEEPER_CHECKPOINTS",
        help="Folder or URL (s3://bucket/folder) of checkpoints; default: in the home folder.",
    ),
]
KeepCheckpoints = Annotated[
    bool,
    typer.Option(
        "--keep-checkpoints",
        envvar="SWEEPER_KEEP_CHECKPOINTS",
        help="Keep the last checkpoint of every stack that finishes.",
    ),
]
ParentFd = Annotated[int | None, typer.Option("--parent-fd", hidden=True)]

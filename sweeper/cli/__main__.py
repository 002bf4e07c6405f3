"""`python -m sweeper.cli`: the same command, by module."""

from sweeper.cli import main

main()

"""`python -m scheduler.cli` is `headrace`."""

from scheduler.cli.main import main

main()

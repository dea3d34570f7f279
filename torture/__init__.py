"""Campaigns that try to break the promises of docs/reliability.md: `python -m torture`."""

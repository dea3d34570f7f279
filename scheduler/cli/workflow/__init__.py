"""Workflow files: what they hold, how they are enqueued and planned."""

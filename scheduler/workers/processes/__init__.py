"""Runs commands for tasks, as children of this process that do not outlive it.

- commands: one command line, the end of its output, the end of its whole group
- guard: a process that ends our commands if we are killed
- outcomes: how a command ended, in words and as a result
- taskio: what a command is told of its task, and what it prints as a result
"""

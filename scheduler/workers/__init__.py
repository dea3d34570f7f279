"""Runs handlers for claimed tasks, in a program that embeds the scheduler."""

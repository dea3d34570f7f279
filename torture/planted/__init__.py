"""Bugs planted on purpose, one at a time, to see that the tests would find them.

`python -m torture.planted` plants each in a copy of the tree, runs the tests that should see it,
then the others, and prints by which it was caught.
"""

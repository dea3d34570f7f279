"""The same scheduler in several concurrency models, for `sections/models.py` to compare.

`model` says what each of them offers. `pipelined` is the product; `locked` (Trio) and `threaded`
put one lock around `state`, `grouped` lets its callers share commits; `direct` keeps nothing in
memory. All use the domain code and the
schema of the product, and write the same rows. `driving` lets producers loose on any of them.
"""

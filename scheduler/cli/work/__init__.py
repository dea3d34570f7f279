"""`work`: runs a command for each task that comes."""

"""`run`: a workflow file from its start to its end."""

"""The sections of the suite: each yields figures, tables and charts of one subject."""

"""What becomes of what was measured: text, pictures, one page and one file of results."""

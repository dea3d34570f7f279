"""What a tool is made of: its fields, its answer, its errors and their hints."""

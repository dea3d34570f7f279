"""Real headrace processes: how they are started, spoken to and killed."""

"""One database file shared by many processes: an owner, and those who reach it by its socket."""

"""Longer runs that kill what they test, again and again: nothing may be lost or done twice."""

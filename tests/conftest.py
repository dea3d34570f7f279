"""What all tests need."""

from __future__ import annotations

import signal

# Processes under test must hear Ctrl-C also where whoever started the tests ignores it (nohup).
signal.signal(signal.SIGINT, signal.default_int_handler)

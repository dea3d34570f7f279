"""Other task queues on the same work, one file each; `peer.py` says what each of them does."""

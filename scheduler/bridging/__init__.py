"""The handle outside Trio: for tasks of an asyncio loop, and for threads.

- ferry: calls on their way into the loop of another thread
- crossing: one coroutine function, run in Trio for somebody who waits elsewhere
- asyncio_door: where the calls of a handle in asyncio go
- thread_door: where those of a blocking handle go
- blocking: the blocking handle
- background: a thread of its own that runs Trio
"""

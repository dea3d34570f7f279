"""One database file, many processes: an owner, and those who reach it through its socket.

- connecting: connect(), a handle that owns the file or reaches whoever does
- seeker: finds the owner, or becomes it, over and over
- door: where the calls of such a handle go, over any number of owners
- serving: serve(), the owner's side of the socket
- session: one connection there
- link: the same connection at the other side
- wire: commands and answers as JSON
- framing: texts with their length in front, on a stream
- address: where the socket is, and who may connect
"""

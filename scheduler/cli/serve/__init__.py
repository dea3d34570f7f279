"""`mcp` and `serve`: the endpoint for agents, and how to add it to their clients."""

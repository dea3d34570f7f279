"""The MCP endpoint: the tools with which agents queue, plan, claim and finish work."""

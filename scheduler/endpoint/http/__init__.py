"""MCP over Streamable HTTP, behind a token."""

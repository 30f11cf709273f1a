"""The HTTP side: REST, the live WebSocket, sign-in, and the built web."""

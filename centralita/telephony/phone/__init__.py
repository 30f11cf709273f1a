"""A scripted SIP phone: what the demonstration, the bench and the tests call and answer with.

It shares no code with the server's side (no pjsua2), so that both cannot be wrong in the same way.
"""

"""`./dev bench load`: a real server under many calls at once.

`generator/` is a program of our own that makes them: SIP and RTP over UDP, in one thread of C.
The usual one for SIP, sipp, cannot serve here: it sends the audio of all calls from one port
and reads nothing of what it gets, so that it cannot say what callers hear.
"""

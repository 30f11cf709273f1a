"""What was said, kept: conversations in stereo, voicemails, their files."""

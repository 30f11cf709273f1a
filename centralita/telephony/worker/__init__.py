"""The media worker process: SIP dialogs and RTP by pjsua2, and nothing else."""

"""Who takes which call: queues, agents, offers."""

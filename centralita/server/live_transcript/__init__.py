"""What caller and agent say, as words on the agent's page while they talk."""

"""What an agent does with a call: hold, consult, transfer, conference, park."""

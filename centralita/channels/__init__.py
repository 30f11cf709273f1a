"""How a message leaves the house: a sender for each channel, and the postman who goes round."""

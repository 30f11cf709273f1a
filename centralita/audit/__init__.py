"""Who did what to what is kept: entries that are chained, so that none can be changed unseen."""

"""Interactive voice response: flows, and what runs them."""

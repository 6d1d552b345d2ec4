"""What a request must pass before it may change anything. Functions over values; no Flask."""

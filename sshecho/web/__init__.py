"""What operators look at: metrics, health, and a page of the live sessions (``--metrics``)."""

"""Token counts without a network, what calibrates them, and prices of requests before they are sent."""

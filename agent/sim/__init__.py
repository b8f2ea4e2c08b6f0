"""A fleet of thousands of nodes against a real broker: real outboxes and connections, no cameras."""

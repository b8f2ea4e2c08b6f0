"""The node's side of the wire: what waits for the centre, the broker connection, and the flow between them."""

"""What was seen, drawn for people: a film with boxes, and a timeline. `analyse` is its one user."""

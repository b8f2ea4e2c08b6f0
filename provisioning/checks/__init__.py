"""What is tried on a node before a technician leaves it, and by its doctor: each check is a tick or what to do."""

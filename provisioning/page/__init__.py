"""The technician's page: eight steps on a phone, from the six words to a signed acceptance report."""

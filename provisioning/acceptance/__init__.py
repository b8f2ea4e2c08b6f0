"""Acceptance: what was measured on site, what is missing or waived, and the signed report of both."""

"""Seeing: from pictures to motion, detections and tracks. Knows media time only."""

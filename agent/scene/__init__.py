"""What a camera's picture means: zones, lines, rules and incidents. All pure: media time and tracks in, findings out."""

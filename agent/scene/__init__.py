"""What a camera's picture means: zones, lines, rules and incidents. All pure: tracks in, findings out."""

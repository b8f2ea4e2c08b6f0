"""How a release bundle is made, on a developer's machine; `firmware_scripts/release.py` installs it."""

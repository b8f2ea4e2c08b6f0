"""`python -m agent.processes`, as the supervisor and the systemd units begin a process."""

import sys

from agent.processes.entry import main

sys.exit(main())

"""The node's half of enrolment: its key, its papers, its set-up window, and the floor of its clock."""

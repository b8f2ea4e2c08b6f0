"""The office's and the technician's side: it may import from `agent`; `agent` never imports from here."""

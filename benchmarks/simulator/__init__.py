"""A small company in one process: the real jobs, store and SDKs over the stand-ins, with faults where a script says."""

"""Each kind of charge: from what was agreed and what happened to the lines it owes."""

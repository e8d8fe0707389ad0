"""Which CRM field becomes which term, and which ledger account a line gets."""

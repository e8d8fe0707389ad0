"""Which CRM field becomes which term, and which ledger account a line gets."""

from pathlib import Path

SHIPPED = Path(__file__).parent
"""The folder of the mapping files that come with Netterms; a company usually keeps its own copies."""

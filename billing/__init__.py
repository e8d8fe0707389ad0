"""What is owed and what is paid, computed purely: no I/O, no clock, no SQL, no vendor's word.

Read ``terms.py`` and ``charges.py`` (what is agreed) and ``facts.py`` (what happened) first. ``amendments.py`` folds
changes into plain terms, ``kinds/`` turn each charge into lines, ``passes/`` work out what concerns several charges,
``plan.py`` puts both together ("should"), ``invoicing.py`` subtracts what is settled. ``reading/`` and ``showing/``
serve people.
"""

"""The field's worked examples, a file per letter: each case as a terms file, shown as ``netterms plan`` shows it."""

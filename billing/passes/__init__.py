"""What concerns several charges of a contract: worked out over the lines of all of them."""

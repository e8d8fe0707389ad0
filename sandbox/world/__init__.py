"""The seeded company: who its customers are, what they bought, and how they pay."""

from sandbox.world.build import build_world, stamp
from sandbox.world.model import FAULTS, PRODUCTS, Buyer, CrmRecord, Habit, Product, World

__all__ = ["FAULTS", "PRODUCTS", "Buyer", "CrmRecord", "Habit", "Product", "World", "build_world", "stamp"]

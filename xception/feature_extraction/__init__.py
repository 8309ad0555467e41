"""Features of photographs: rows of numbers from any layers, tables of them, and similar photographs."""

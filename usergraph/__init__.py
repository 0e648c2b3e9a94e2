"""User Graph: who follows whom, and who may see whom."""

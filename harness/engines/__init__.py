"""Engines place cases in fresh processes; all keep the contract of `harness.engines.engine`."""

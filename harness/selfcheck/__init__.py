"""The self-check: whether what is measured on this machine is true, before anybody trusts it."""

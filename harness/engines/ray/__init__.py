"""The engine on a Ray cluster; needs the extra `ray`."""

"""The engine on a Ray cluster; needs the extra `ray`."""

from harness.engines.ray.engine import RayEngine, from_options

__all__ = ["RayEngine", "from_options"]

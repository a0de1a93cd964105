"""What the distribution holds. Everything that is only data is in pyproject.toml.

`twisted.plugins` has no `__init__.py` on purpose: it is a folder that Twisted gathers from every place on the path
(docs.twisted.org, "Creating Twisted plugins"), so it has to be named here.
"""

from __future__ import annotations

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["hmsgw", "hmsgw.*"]), "twisted.plugins"])

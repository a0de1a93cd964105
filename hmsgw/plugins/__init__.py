"""The catalogue: one plugin a file, nothing else; listing this folder is reading the catalogue.

`hmsgw.chain.catalogue` names those that ship. Any other file put here is a drop-in plugin (docs/plugins.md).
"""

"""Python files of drop-in folders as modules.

Knows: how a file becomes a module from the bytes that were verified, and what `import` means inside it. Refuses to
know: which files are plugins and what a plugin must have. Strategy: compile and run the bytes in a fresh namespace,
with no bytecode cache and no entry left in `sys.modules`; `import` inside such a file first looks among the listed
files of its own folder, and never takes anything else from there. A file whose bytes, and those of the files it
imports, are what they were keeps its module and so its state.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from os.path import dirname, join, realpath
from types import ModuleType
from typing import Any

from hmsgw.chain.api import HTTPError, Response
from hmsgw.chain.catalogue import SHIPPED

_CATALOGUE_PACKAGE = "hmsgw.plugins"


class SourceFile:
    """One file that was run. siblings: the files of its folder that it imports, anywhere in its code.

    reading: the folder while the file is being loaded, None afterwards: an old reading must not outlive itself.
    """

    __slots__ = ("digest", "module", "path", "reading", "siblings", "stem", "text")

    def __init__(self, stem: str, path: str, content: bytes, module: ModuleType) -> None:
        self.stem = stem
        self.path = path
        self.text = content.decode("utf-8", "replace")
        self.digest = hashlib.sha256(content).digest()
        self.module = module
        self.siblings: dict[str, SourceFile] = {}
        self.reading: Folder | None = None

    def family(self) -> Iterator[SourceFile]:
        """Itself and every file that it imports, directly or not, each once."""
        seen = {self.stem: self}
        queue = [self]
        while queue:
            file = queue.pop()
            yield file
            for sibling in file.siblings.values():
                if sibling.stem not in seen:
                    seen[sibling.stem] = sibling
                    queue.append(sibling)

    def show_in_tracebacks(self) -> None:
        """Let tracebacks quote the lines that were run, whatever stands on disk by then."""
        lines = self.text.splitlines(keepends=True)
        linecache.cache[self.path] = (len(self.text), None, lines, self.path)


class Folder:
    """The listed files of one folder in one reading of a configuration.

    path: absolute. contents: stem -> bytes. previous: what an earlier reading made of the same folder.
    """

    def __init__(self, path: str, contents: Mapping[str, bytes], previous: Mapping[str, SourceFile]) -> None:
        self.path = path
        self.contents = contents
        self.files: dict[str, SourceFile] = {}
        self._previous = previous
        self._failed: dict[str, BaseException] = {}

    def path_of(self, stem: str) -> str:
        return join(self.path, f"{stem}.py")

    def load(self, stem: str) -> SourceFile:
        """The file `stem`.py, run at most once. Raises whatever its code raises, SystemExit included."""
        if stem in self.files:
            return self.files[stem]
        if stem in self._failed:
            raise self._failed[stem]
        earlier = self._previous.get(stem)
        if earlier is not None and self._unchanged(earlier):
            for file in earlier.family():
                self.files.setdefault(file.stem, file)
            return self.files[stem]
        try:
            return self._run(stem)
        except BaseException as error:
            self.files.pop(stem, None)
            self._failed[stem] = error
            raise

    def _unchanged(self, earlier: SourceFile) -> bool:
        return all(
            file.stem in self.contents
            and hashlib.sha256(self.contents[file.stem]).digest() == file.digest
            and self.files.get(file.stem, file) is file
            for file in earlier.family()
        )

    def _run(self, stem: str) -> SourceFile:
        content, path = self.contents[stem], self.path_of(stem)
        tree: Any = compile(content, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        code = compile(tree, path, "exec", dont_inherit=True)
        module = ModuleType(f"hmsgw_dropin_{hashlib.sha256(path.encode() + content).hexdigest()[:16]}.{stem}")
        file = self.files[stem] = SourceFile(stem, path, content, module)
        file.reading = self
        module.__dict__.update(
            __file__=path,
            __builtins__={**vars(builtins), "__import__": _importer(file, frozenset(self.contents))},
            HTTPError=HTTPError,
            Response=Response,
        )
        # Class decorators such as dataclass look their module up by name while it runs.
        sys.modules[module.__name__] = module
        try:
            exec(code, module.__dict__)
            for name in _named_imports(tree):
                if name in self.contents and name not in file.siblings and not _is_standard(name):
                    file.siblings[name] = self.load(name)
        finally:
            file.reading = None
            del sys.modules[module.__name__]
        return file


def _named_imports(tree: ast.AST) -> Iterator[str]:
    """The first part of every name that the code imports, function bodies included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module:
                yield node.module.partition(".")[0]
            elif node.level == 1:
                yield from (alias.name for alias in node.names)


def _is_standard(name: str) -> bool:
    """A file called `time.py` is a plugin called `time`; for everybody else `import time` stays what it was."""
    return name in sys.stdlib_module_names


def _importer(file: SourceFile, stems: frozenset[str]) -> Callable[..., Any]:
    """`__import__` for the code of one file. stems: the files of its folder that were read."""
    folder_path = dirname(file.path)
    from_elsewhere: set[str] = set()

    def sibling(stem: str) -> ModuleType:
        if stem not in stems:
            raise ImportError(f"there is no {stem}.py among the files of {folder_path}")
        if stem not in file.siblings:
            if file.reading is None:
                raise ImportError(f"{stem}.py was not loaded with {file.path}: name it in an import statement there")
            file.siblings[stem] = file.reading.load(stem)
        return file.siblings[stem].module

    def import_(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if level > 1:
            raise ImportError("a drop-in plugin imports from its own folder only, not from the folder above it")
        if level == 1 and not name:
            namespace = ModuleType(file.module.__name__)
            for item in fromlist or ():
                setattr(namespace, item, sibling(item))
            return namespace
        head, _, rest = name.partition(".")
        if level == 1 or (head in stems and not _is_standard(head)):
            if rest:
                raise ImportError(f"{name}: the folder of a plugin holds files, not packages")
            return sibling(head)
        if name == _CATALOGUE_PACKAGE or name not in from_elsewhere:
            _refuse_unlisted(name, fromlist or (), folder_path)
            from_elsewhere.add(name)
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    return import_


def _refuse_unlisted(name: str, fromlist: Sequence[str], folder_path: str) -> None:
    """Nothing of a plugin folder comes in by another way than the bytes that were listed.

    `sys.path` may well hold such a folder (twistd puts the current one there), and hmsgw/plugins is part of a package.
    """
    if name == _CATALOGUE_PACKAGE or name.startswith(_CATALOGUE_PACKAGE + "."):
        inner = [name[len(_CATALOGUE_PACKAGE) + 1 :]] if name != _CATALOGUE_PACKAGE else list(fromlist)
        for item in inner:
            if item not in SHIPPED and item != "*":
                raise ImportError(f"{_CATALOGUE_PACKAGE}.{item} is not a plugin of the catalogue; for a file of the "
                                  f"plugin's own folder write: import {item}")  # fmt: skip
    head = name.partition(".")[0]
    if head in sys.builtin_module_names or _is_standard(head):
        return
    module = sys.modules.get(head)
    try:
        spec = find_spec(head) if module is None else getattr(module, "__spec__", None)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    places = [spec.origin] if spec.origin else []
    places += list(spec.submodule_search_locations or ())
    if any(realpath(dirname(place)) == realpath(folder_path) for place in places):
        raise ImportError(
            f"{head} lies in the folder of this plugin and is not one of the files that were read with it"
        )

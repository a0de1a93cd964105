"""What a plugin's name means in one configuration.

Knows: the order set-ups, drop-ins, catalogue, shorthand; which options a use ends up with; what it counts as.
Refuses to know: routes, and where drop-ins come from. Strategy: each distinct use (name and options) is resolved once,
however many routes have it, and its faults are told once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from traceback import walk_tb
from typing import Any, NamedTuple

from hmsgw.chain import catalogue
from hmsgw.chain.api import OptionError
from hmsgw.chain.dropins import DropIn, DropIns, entry_point_problem, in_words
from hmsgw.chain.options import UseOptions, canonical, place, split
from hmsgw.chain.uses import PreparedUse
from hmsgw.config.faults import Fault
from hmsgw.config.model import PluginUse
from hmsgw.config.parse import parse_settings
from hmsgw.config.shorthand import expand


class _Meaning(NamedTuple):
    """What a use is before its options are read. options: its own, with those of its set-up and its shorthand."""

    use: PluginUse
    plugin: str
    identity: str
    generic: UseOptions
    options: dict[str, Any] | None
    dropin: DropIn | None


class Names:
    """Resolves uses. objects: what drop-ins' `configure` returned, (file, options) -> object."""

    def __init__(
        self,
        set_ups: Mapping[str, PluginUse],
        found: DropIns,
        earlier: Mapping[tuple[object, str], Any],
        faults: list[Fault],
        verify: Callable[[Any, Any], None],
    ) -> None:
        self.objects: dict[tuple[object, str], Any] = {}
        self._dropins = found.plugins
        self._faulty = found.faulty | {name for name, use in set_ups.items() if not use.is_sound}
        self._is_all_known = not found.unread
        self._earlier = earlier
        self._faults = faults
        self._verify = verify
        self._resolved: dict[tuple[str, str], PreparedUse | None] = {}
        self._set_ups: dict[str, tuple[PluginUse, UseOptions, dict[str, Any] | None]] = {}
        for name, use in set_ups.items():
            if use.is_sound:
                self._set_ups[name] = (use, *split(use, faults, set_up=True))
        self._refuse_hidden()
        for name, (use, _, _) in self._set_ups.items():
            self.resolve(PluginUse(name=name, where=use.where, option_where=use.option_where))

    def resolve(self, use: PluginUse) -> PreparedUse | None:
        """None when it has a fault, which is then appended."""
        if not use.is_sound or (use.name in self._faulty and use.name not in self._set_ups):
            return None
        key = (use.name, canonical(use.options))
        if key not in self._resolved:
            meaning = self._meaning(use)
            self._resolved[key] = None if meaning is None else self._prepared(meaning)
        found = self._resolved[key]
        return found if found is None or found.where == use.where else replace(found, where=use.where)

    def _refuse_hidden(self) -> None:
        """A drop-in takes a name of the catalogue only where a set-up says so."""
        replacing = {
            generic.plugin or name: use for name, (use, generic, _) in self._set_ups.items() if generic.replaces
        }
        for name, dropin in self._dropins.items():
            if (name in catalogue.NAMES or name in catalogue.LATER) and name not in replacing:
                self._fault_in_file(dropin, (
                    f"{name} is a plugin of the catalogue; rename the file, or say under `plugins:` that it is meant: "
                    f"{name}: {{replaces: true}}"
                ))  # fmt: skip
        for name, use in replacing.items():
            if name not in self._dropins:
                self._fault(use, "replaces", f"there is no drop-in called {name} that could replace anything")

    def _meaning(self, use: PluginUse) -> _Meaning | None:
        generic, options = split(use, self._faults, set_up=False)
        plugin, identity, set_up = use.name, use.name, self._set_ups.get(use.name)
        if set_up is not None:
            base, base_generic, base_options = set_up
            plugin = base_generic.plugin or use.name
            said = (use.options or {}).keys()
            generic = UseOptions(
                mode=generic.mode if "mode" in said else base_generic.mode,
                deadline=generic.deadline if "deadline" in said else base_generic.deadline,
            )
            if options:
                identity += canonical(options)
                use = PluginUse(name=use.name, where=use.where, option_where={**base.option_where, **use.option_where})
            else:
                use = PluginUse(name=use.name, where=use.where, option_where=base.option_where)
            options = {**(base_options or {}), **(options or {})} if base_options or options else None
        elif options:
            identity += canonical(options)
        dropin = self._dropins.get(plugin)
        if dropin is not None or plugin in catalogue.NAMES:
            return _Meaning(use, plugin, identity, generic, options, dropin)
        if plugin in self._faulty:
            return None
        if plugin in catalogue.LATER:
            self._fault(use, None if set_up is None else "plugin", f"`{plugin}` is not in this version")
            return None
        expanded = expand(plugin)
        if expanded is None:
            if self._is_all_known:
                self._fault(use, None if set_up is None else "plugin", self._unknown(plugin, set_up is not None))
            return None
        return self._shorthand(_Meaning(use, expanded[0], identity, generic, options, None), plugin, expanded[1])

    def _shorthand(self, meaning: _Meaning, short: str, means: dict[str, Any]) -> _Meaning | None:
        own = meaning.options or {}
        for option in own.keys() & means.keys():
            self._fault(meaning.use, option, f"`{short}` says `{option}` already; write `{meaning.plugin}` instead")
        if own.keys() & means.keys():
            return None
        return meaning._replace(options={**means, **own})

    def _prepared(self, meaning: _Meaning) -> PreparedUse | None:
        if meaning.dropin is not None:
            return self._dropin_use(meaning, meaning.dropin)
        module = catalogue.module_of(meaning.plugin)
        own = dict(meaning.options or {})
        can_refuse = "mode" in module.Settings.__dataclass_fields__
        if can_refuse:
            own["mode"] = meaning.generic.mode
        elif meaning.generic.mode != "enforce":
            self._fault(meaning.use, "mode", f"`{meaning.plugin}` refuses nothing, so it has no `mode`")
        before = len(self._faults)
        settings = parse_settings(
            module.Settings, own, dict(meaning.use.option_where), meaning.use.where, self._faults
        )  # fmt: skip
        if settings is None or len(self._faults) > before:
            return None
        try:
            self._verify(module, settings)
        except OptionError as error:
            self._option_faults(meaning.use, meaning.plugin, error)
            return None
        except Exception as error:
            self._fault(meaning.use, None, f"{meaning.plugin} can't be checked: {in_words(error)}")
            return None
        answers = bool(getattr(module, "ANSWERS", False))
        return self._use(meaning, module=module, settings=settings, answers=answers, is_rate=meaning.plugin == "rate")

    def _dropin_use(self, meaning: _Meaning, dropin: DropIn) -> PreparedUse | None:
        target = self._target(meaning, dropin)
        if target is None:
            return None
        expanded = expand(dropin.name)
        is_rate = dropin.name == "rate" or (expanded is not None and expanded[0] == "rate")
        answers = bool(getattr(target, "ANSWERS", False)) and hasattr(target, "run")
        return self._use(
            meaning, target=target, settings=meaning.options or {}, answers=answers, is_rate=is_rate,
            file=dropin.file.path,
        )  # fmt: skip

    def _use(
        self, meaning: _Meaning, *, settings: Any, answers: bool, is_rate: bool, module: Any = None, target: Any = None,
        file: str = "",
    ) -> PreparedUse:  # fmt: skip
        expanded = expand(meaning.use.name)
        shadow = meaning.generic.mode == "shadow"
        return PreparedUse(
            name=meaning.use.name,
            plugin=meaning.plugin,
            identity=meaning.identity,
            where=meaning.use.where,
            module=module,
            settings=settings,
            target=target,
            shadow=shadow,
            deadline_s=meaning.generic.deadline,
            answers=answers and not shadow,
            is_rate=is_rate or (expanded is not None and expanded[0] == "rate"),
            file=file,
        )

    def _target(self, meaning: _Meaning, dropin: DropIn) -> Any:
        """The object whose `run` and `on_response` are called: the module, or what `configure` made of the options."""
        configure = getattr(dropin.module, "configure", None)
        if configure is None:
            if meaning.options:
                first = next(iter(meaning.options))
                self._fault(meaning.use, first, f"plugin {dropin.name} has no options: there is no configure(options)")
                return None
            return dropin.module
        key = (dropin.file, canonical(meaning.options))
        if key not in self.objects:
            made = self._earlier[key] if key in self._earlier else self._configured(meaning, dropin, configure)
            if made is None:
                return None
            self.objects[key] = made
        return self.objects[key]

    def _configured(self, meaning: _Meaning, dropin: DropIn, configure: Callable[[dict[str, Any]], Any]) -> Any:
        try:
            made = configure(_copy(meaning.options or {}))
        except OptionError as error:
            self._option_faults(meaning.use, f"plugin {dropin.name}", error)
            return None
        except BaseException as error:
            line = _line_in(error, dropin.file.path)
            self._fault(meaning.use, None, f"plugin {dropin.name} refused its options: {in_words(error)}{line}")
            return None
        points = {name: getattr(made, name) for name in ("run", "on_response", "transform") if hasattr(made, name)}
        wanted = "configure must return an object with run(req), on_response(req, resp) or transform(req)"
        problem = None if points else wanted
        for name, value in points.items():
            problem = problem or entry_point_problem(name, value)
        if problem is not None:
            self._fault_in_file(dropin, f"plugin {dropin.name}: {problem}")
            return None
        return made

    def _unknown(self, name: str, is_set_up: bool) -> str:
        known = {*self._dropins, *catalogue.NAMES} if is_set_up else {*self._set_ups, *self._dropins, *catalogue.NAMES}
        close = get_close_matches(name, sorted(known), 1)
        if close:
            return f"no plugin is called `{name}`; did you mean `{close[0]}`?"
        file = name.replace("-", "_")
        if is_set_up:
            return (
                f"no plugin is called `{name}`; say which one this is a set-up of, `plugin: rate` for example, or put "
                f"one of your own into plugins/{file}.py beside this file"
            )
        return f"no plugin is called `{name}`; a plugin of your own goes into plugins/{file}.py beside this file"

    def _option_faults(self, use: PluginUse, whose: str, error: OptionError) -> None:
        for one in (error, *error.others):
            self._fault(use, one.option, f"{whose}: {one}")

    def _fault(self, use: PluginUse, option: str | None, message: str) -> None:
        self._faults.append(Fault(place(use, option), message))

    def _fault_in_file(self, dropin: DropIn, message: str) -> None:
        self._faults.append(Fault(dropin.where, message))


def _copy(options: Any) -> Any:
    """Plain data of its own for a plugin to keep or to change."""
    if isinstance(options, dict):
        return {key: _copy(value) for key, value in options.items()}
    return [_copy(value) for value in options] if isinstance(options, (list, tuple)) else options


def _line_in(error: BaseException, path: str) -> str:
    """` (FILE line N)`: where in the plugin's own file an exception came from."""
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == path]
    return f" ({path} line {lines[-1]})" if lines else ""

"""Only requests that say who they are: `{require-header: {name: x-agency, values: [cdc, gsa]}}`."""

from hmsgw.chain.api import OptionError


def configure(options):
    unknown = sorted(options.keys() - {"name", "values"})
    if unknown:
        raise OptionError("there is no such option; there are name and values", unknown[0])
    if not isinstance(options.get("name"), str):
        raise OptionError("give the name of a header field", "name")
    return RequireHeader(options["name"], options.get("values"))


class RequireHeader:
    def __init__(self, name, values):
        self.name = name
        self.values = values

    def run(self, req):
        value = req.headers.get(self.name)
        if value is None:
            raise HTTPError(403, f"Tell us who you are in {self.name}.")
        if self.values and value not in self.values:
            raise HTTPError(403, "This agency is not served here.")

    def explain(self, req):
        return f"wants {self.name} to be one of {self.values}" if self.values else f"wants a {self.name}"

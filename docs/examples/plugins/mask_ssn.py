"""Social security numbers leave no answer of ours: 123-45-6789 becomes ***-**-6789, wherever the pieces are cut, in
header fields and trailers too. The gateway sees to it that a body comes whole and in no coding (docs/plugins.md)."""

import re

FOLLOWED = re.compile(rb"(?<!\d)\d{3}-\d{2}-(?=\d{4}\D)")
LAST = re.compile(rb"(?<!\d)\d{3}-\d{2}-(?=\d{4}\Z)")
LONGEST = 12  # a number, and the character before it that could make it another

# A client chooses among types (Accept), so what is left alone is named, and the rest is read.
PICTURES = re.compile(r"(?:image/(?!svg)|audio/|video/|font/|application/(?:octet-stream|pdf|zip)\b)")
# In these a digit is the byte that it is in ASCII. In utf-16 no number would be found.
READABLE = re.compile(r"(?:utf-?8|(?:us-)?ascii|latin-?1|iso-8859-\d+|windows-125\d)")


def run(req):
    # An ETag may be a hash of the body with the number in it: whoever can try tags can find the number.
    if req.method in ("GET", "HEAD"):
        req.headers.pop("If-None-Match")
        req.headers.pop("If-Match")


def transform(req):
    return Mask()


class Mask:
    def __init__(self):
        self.held = b""

    def response_begin(self, resp):
        resp.headers.pop("ETag")
        mask_fields(resp.headers)
        kind = resp.headers.get("Content-Type", "").strip().lower()
        if PICTURES.match(kind) and "," not in kind:  # who is told two types may take either
            return False
        for charset in re.findall(r"charset\s*=\s*[\"']?([^\s;,\"']*)", kind):
            if not READABLE.fullmatch(charset):
                raise HTTPError(502, f"The service answered in {charset}, in which no number can be masked.")
        return True

    def response(self, data):
        if b"\0" in data:  # utf-16 or utf-32 that does not say so
            raise HTTPError(502, "The service answered in bytes that can't be read.")
        whole = FOLLOWED.sub(b"***-**-", self.held + data)
        self.held = whole[-LONGEST:]
        return whole[:-LONGEST]

    def response_end(self, trailers):
        mask_fields(trailers)
        return LAST.sub(b"***-**-", self.held)


def mask_fields(headers):
    for name in list(headers):
        values = headers.get_all(name)
        masked = [masked_text(value) for value in values]
        if masked != values:
            headers.pop(name)
            for value in masked:
                headers.add(name, value)


def masked_text(text):
    data = text.encode("utf-8", "surrogateescape")
    return LAST.sub(b"***-**-", FOLLOWED.sub(b"***-**-", data)).decode("utf-8", "surrogateescape")

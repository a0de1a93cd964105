"""Social security numbers leave no answer of ours: 123-45-6789 becomes ***-**-6789, wherever the pieces are cut."""

import re

FOLLOWED = re.compile(rb"(?<!\d)\d{3}-\d{2}-(?=\d{4}\D)")
LAST = re.compile(rb"(?<!\d)\d{3}-\d{2}-(?=\d{4}\Z)")
LONGEST = 12  # a number, and the character before it that could make it another


def transform(req):
    return Mask()


class Mask:
    def __init__(self):
        self.held = b""

    def response_begin(self, resp):
        return resp.headers.get("Content-Type", "").startswith(("text/", "application/json"))

    def response(self, data):
        whole = FOLLOWED.sub(b"***-**-", self.held + data)
        self.held = whole[-LONGEST:]
        return whole[:-LONGEST]

    def response_end(self, trailers):
        return LAST.sub(b"***-**-", self.held)

"""Tests over real sockets. They run on uvloop, on Twisted's default reactor with HMSGW_REACTOR=stock, or on what
`trial --reactor` has installed; this file is imported before anything that imports the reactor."""

import os

from hmsgw.tap import choose_reactor

choose_reactor(os.environ)

"""The speed bench: the gateway and five known proxies side by side on this machine (`python -m bench --help`).

Knows: how to start each of them for the same job, load them in turn, and count what they spend. Refuses to know: the
gateway's insides; it is started by its command like any other. Strategy: one file a thing (a peer, a scenario, a way to
measure), and figures that only compare within one run on one machine.
"""

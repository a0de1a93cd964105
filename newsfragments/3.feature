Clients may speak HTTP/2: by ALPN over TLS, and by prior knowledge without. `protocols:` and `limits.streams` say where and how much.

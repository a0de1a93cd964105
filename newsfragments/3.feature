Clients may speak HTTP/2: by ALPN over TLS, and by prior knowledge without. `protocols:` and `limits.streams` say where and how much.
Clients may show certificates: `tls.client_auth` and `tls.client_ca` of a listener, the plugin `mtls`, `req.client.certificate`; `jwt` takes tokens that are bound to such a certificate (RFC 8705) from its holder. When a listener's own certificate ends is a metric and a warning.
gRPC callers are heard: `grpc-timeout` is kept to (DEADLINE_EXCEEDED) and passed on lowered, refusals and broken answers are trailers.
The plugin `grpc-web`, and a third kind of step for all plugins: `transform(req)` changes bodies piece by piece. Bodies come to it whole and in no coding, whatever ranges and codings a client asks for; an answer that is a part or packed all the same is 502, and digests, ranges and strong ETags of the unchanged body do not go out.
Services may speak HTTP/2 (`protocol: h2`, `h2c`, or by itself), many requests on one connection; gRPC of every kind passes.
Listeners take the PROXY protocol, versions 1 and 2, from the networks that `proxy_from` names; `services.NAME.proxy_protocol` sends version 2 on.
Streams carry raw TCP, and TLS by server name without ending it, to services: `streams:`.
WebSockets pass, over HTTP/1.1 and HTTP/2 on either side: the chain decides on the opening, the upstream's yes is checked, then bytes flow untouched with back-pressure; 1001 to both ends when the gateway stops.
Held against public suites (grpc-go's interoperability cases, Connect's conformance suite, h2spec and h2specd): `docs/conformance.md`. gRPC callers hear how a backend reset their call, and DEADLINE_EXCEEDED when their time was over.
HTTP/1.1 is read stricter where public suites found it lenient: chunk extensions by their grammar, no zeros in front of Content-Length, bare LF refused as it comes; CONNECT is always 405, `OPTIONS *` is answered, a refused HEAD never has a body, and blanks before a colon are taken out of answers; Max-Forwards is counted down. docs/conformance.md has the results.
A listener may speak HTTP/2 alone: `protocols: [h2]`.
How a gRPC call ended is `grpc_status` in its log line, and `gateway_grpc_calls_total`.
`check` warns of services that nobody can find with `registry: {kind: none}`.

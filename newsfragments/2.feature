The main job, at full speed: HTTPS in, policy, upstream, out. `hms-gateway demo` shows it; `hms-gateway start` and
`twistd hmsgw` run it; `check`, `reload`, `status`, `explain`, `token`, `schema` and `audit verify` operate it.

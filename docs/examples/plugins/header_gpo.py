async def on_response(req, resp):         # before the head goes to the client, gateway-made answers included
    resp.headers["X-Served-By"] = "US-GPO"

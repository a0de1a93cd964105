# file: hms_gateway/plugins/rate_60ip.py
from time import time
bucket = {}   # ip -> [timestamps]

async def run(req):
    ip = req.client.host
    bucket.setdefault(ip, [])
    bucket[ip] = [t for t in bucket[ip] if t > time()-60]
    if len(bucket[ip]) >= 60:
        raise HTTPError(429, "Slow down 🚦")
    bucket[ip].append(time())

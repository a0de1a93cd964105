"""`twistd hmsgw`. Names where the service is made; imports neither the gateway nor a reactor."""

from twisted.application.service import ServiceMaker

hmsgw = ServiceMaker("hmsgw", "hmsgw.tap", "HTTPS in, policy, upstream, out: the backend API gateway.", "hmsgw")

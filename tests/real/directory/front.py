"""A web server before the lab's Exchange that lets somebody else judge NTLM.

`front.py ACCEPTOR CERTIFICATE BOUND-TO BACKEND AUTHORIZATION LOG [--negotiate] [--bend]`: serves 127.0.0.1
port 443 with CERTIFICATE; the acceptor is told that the channel is that of BOUND-TO. Whoever is let
in speaks with BACKEND, as AUTHORIZATION. A line of LOG is one verdict.
"""

import base64
import hashlib
import http.client
import http.server
import json
import ssl
import subprocess
import sys
import urllib.parse

ACCEPTOR, CERTIFICATE, BOUND_TO, BACKEND, AUTHORIZATION, LOG = sys.argv[1:7]
SCHEME = "Negotiate" if ACCEPTOR == "kerberos" else "NTLM"
OFFERS = (["Negotiate"] if "--negotiate" in sys.argv else []) + [SCHEME]


def binding():
    """RFC 5929 for the certificate that the acceptor believes in."""
    pem = open(BOUND_TO).read()
    der = ssl.PEM_cert_to_DER_cert(pem)
    text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=pem, text=True,
                          capture_output=True, check=True).stdout
    name = next(n for n in ("sha512", "sha384", "sha256", "ED25519")
                if f"Signature Algorithm: {n}" in text)
    hashed = hashlib.new("sha256" if name == "ED25519" else name, der).digest()
    return b"tls-server-end-point:" + hashed


class NtlmAuth:
    """Samba's own helper on the domain controller."""

    def __init__(self):
        self.helper = subprocess.Popen(
            ["ntlm_auth", "--configfile=/mnt/calway/samba/etc/smb.conf",
             "--helper-protocol=squid-2.5-ntlmssp"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def step(self, token):
        word = "YR" if token[8] == 1 else "KK"
        self.helper.stdin.write(f"{word} {base64.b64encode(token).decode()}\n")
        said = self.helper.stdout.readline().strip()
        if said.startswith("TT "):
            return base64.b64decode(said[3:]), False
        if said.startswith("AF "):
            return None, True
        raise PermissionError(said)


class GssNtlm:
    """gss-ntlmssp through python3-gssapi; accounts from NTLM_USER_FILE."""

    def __init__(self):
        import gssapi
        mech = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
        creds = gssapi.Credentials(usage="accept", mechs=[mech])
        bound = gssapi.raw.ChannelBindings(application_data=binding())
        self.context = gssapi.SecurityContext(creds=creds, usage="accept", channel_bindings=bound)

    def step(self, token):
        answer = self.context.step(token)
        return answer, self.context.complete


class PySpnego:
    """pyspnego's own acceptor; accounts from NTLM_USER_FILE."""

    def __init__(self):
        import spnego
        from spnego.channel_bindings import GssChannelBindings
        bound = GssChannelBindings(application_data=binding())
        self.context = spnego.server(protocol="ntlm", channel_bindings=bound,
                                     options=spnego.NegotiateOptions.use_ntlm)

    def step(self, token):
        answer = self.context.step(token)
        return answer, self.context.complete


class Kerberos:
    """MIT's library through python3-gssapi."""

    def __init__(self):
        import gssapi
        store = {"keytab": "/mnt/calway/http.keytab"}
        creds = gssapi.Credentials(usage="accept", store=store)
        bound = gssapi.raw.ChannelBindings(application_data=binding())
        self.context = gssapi.SecurityContext(creds=creds, usage="accept", channel_bindings=bound)

    def step(self, token):
        return self.context.step(token), self.context.complete


ACCEPTORS = {"kerberos": Kerberos, "ntlm_auth": NtlmAuth, "gss-ntlmssp": GssNtlm, "pyspnego": PySpnego}


def proof(answer):
    """What shows who the server is; bent where that was asked for."""
    if "--bend" in sys.argv:
        answer = answer[:-1] + bytes([answer[-1] ^ 1])
    return "Negotiate " + base64.b64encode(answer).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection: it is signed in or not."""

    protocol_version = "HTTP/1.1"
    signed_in = False
    acceptor = None
    wbufsize = -1

    def log_message(self, *_):
        pass

    def verdict(self, **facts):
        with open(LOG, "a") as log:
            log.write(json.dumps(facts) + "\n")

    def ask(self, offers):
        self.send_response(401)
        for offer in offers:
            self.send_header("WWW-Authenticate", offer)
        self.send_header("X-SOAP-Enabled", "True")
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.signed_in:
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            if scheme != SCHEME:
                if scheme:
                    self.verdict(accepted=False, why=f"{scheme} is not taken")
                return self.ask(OFFERS)
            token = base64.b64decode(token)
            try:
                if SCHEME == "Negotiate" or token[8] == 1:
                    self.acceptor = ACCEPTORS[ACCEPTOR]()
                answer, self.signed_in = self.acceptor.step(token)
            except Exception as error:
                self.verdict(accepted=False, why=f"{type(error).__name__}: {error}"[:200])
                return self.ask(OFFERS)
            if not self.signed_in:
                return self.ask([SCHEME + " " + base64.b64encode(answer).decode()])
            self.verdict(accepted=True, bytes=len(token))
            if SCHEME == "Negotiate":
                return self.forward(body, proof(answer))
        self.forward(body)

    def forward(self, body, proof=None):
        address = urllib.parse.urlsplit(BACKEND)
        context = ssl._create_unverified_context()
        backend = http.client.HTTPSConnection(address.hostname, address.port, context=context)
        kept = ("content-type", "x-anchormailbox", "cookie", "x-preferserveraffinity", "accept")
        headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
        backend.request(self.command, self.path, body,
                        headers | {"Authorization": AUTHORIZATION})
        answer = backend.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() in ("content-type", "set-cookie", "x-soap-enabled", "request-id"):
                self.send_header(name, value)
        if proof:
            self.send_header("WWW-Authenticate", proof)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, address):
        request.settimeout(60)
        super().finish_request(TLS.wrap_socket(request, server_side=True), address)

    def handle_error(self, *_):
        pass


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
TLS.load_cert_chain(CERTIFICATE, CERTIFICATE.replace(".pem", ".key"))
server = Server(("127.0.0.1", 443), Handler)
print("ready", flush=True)
server.serve_forever()

"""The domain: Samba as its controller, certificates, and what Exchange writes into it."""

import os
import pathlib
import subprocess
import time

WORK = pathlib.Path("/mnt/calway")
SMB = WORK / "samba/etc/smb.conf"
PASSWORD = "Calway.Pass1"
ADMIN = "Adm1n.Pass"
KRB5 = """[libdefaults]
 default_realm = CORP.TEST
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 dns_canonicalize_hostname = false
[realms]
 CORP.TEST = {
  kdc = 127.0.0.1:%s
 }
[domain_realm]
 .corp.test = CORP.TEST
"""
SERVICES = "CN=Services,CN=Configuration,DC=corp,DC=test"
URL = "77378F46-2C66-4aa9-A6A6-3E7A48B19596"
POINTER = "67661d7F-8FC4-4fa7-BFAC-E1D7794C1F68"


def run(*command, **options):
    """Runs to the end, and shows what it said where it failed."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=90, **options
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    return done.stdout


def wait(what, holds, seconds=30.0):
    """Asks again and again, but not for ever."""
    until = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > until:
            raise RuntimeError(f"{what}: in vain")
        time.sleep(0.1)


def tool(*words, **options):
    return run("samba-tool", *words, "-s", SMB, **options)


def stage():
    """A machine of its own: names, loopback, folders."""
    run("mount", "-t", "tmpfs", "tmpfs", "/mnt")
    WORK.mkdir()
    pathlib.Path("/run/samba").mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", "/run/samba")
    run("hostname", "dc1")
    run("ip", "link", "set", "lo", "up")
    (WORK / "hosts").write_text("127.0.0.1 localhost\n127.0.0.1 dc1.corp.test dc1 corp.test\n")
    (WORK / "resolv.conf").write_text("nameserver 127.0.0.1\nsearch corp.test\n")
    run("mount", "--bind", WORK / "hosts", "/etc/hosts")
    run("mount", "--bind", WORK / "resolv.conf", "/etc/resolv.conf")
    (WORK / "krb5.conf").write_text(KRB5 % 88)
    # Where nobody answers.
    (WORK / "krb5-away.conf").write_text(KRB5 % 9)
    os.environ["KRB5_CONFIG"] = str(WORK / "krb5.conf")


def certificates():
    """An authority of each kind, and a certificate of each for the hosts of the domain."""
    for name, key, digest in [
        ("sha256", ["-newkey", "rsa:2048"], "sha256"),
        ("sha384", ["-newkey", "rsa:2048"], "sha384"),
        ("sha512", ["-newkey", "rsa:2048"], "sha512"),
        ("ed25519", ["-newkey", "ed25519"], None),
    ]:
        hashed = [f"-{digest}"] if digest else []
        ca, leaf = WORK / f"{name}-ca", WORK / name
        run("openssl", "req", "-x509", "-nodes", "-days", "30", *key, *hashed,
            "-subj", f"/CN=Test Root {name}", "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
        run("openssl", "req", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-subj", "/CN=corp.test", "-keyout", f"{leaf}.key", "-out", f"{leaf}.csr")
        names = "subjectAltName=DNS:corp.test,DNS:mail.corp.test,DNS:dc1.corp.test\n"
        (WORK / "names").write_text(names + "extendedKeyUsage=serverAuth\n")
        run("openssl", "x509", "-req", "-days", "20", *hashed, "-in", f"{leaf}.csr",
            "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-extfile", WORK / "names", "-out", f"{leaf}.pem")
    roots = "".join(path.read_text() for path in sorted(WORK.glob("*-ca.pem")))
    (WORK / "roots.pem").write_text(roots)


def controller():
    """Provisions the domain and starts its controller."""
    folder = WORK / "samba"
    run("samba-tool", "domain", "provision", f"--targetdir={folder}", "--realm=CORP.TEST",
        "--domain=CORP", "--server-role=dc", "--dns-backend=SAMBA_INTERNAL",
        f"--adminpass={ADMIN}", "--host-name=dc1", "--host-ip=127.0.0.1", "--use-rfc2307",
        "--option=interfaces=lo", "--option=bind interfaces only=yes")
    text = SMB.read_text().replace("[global]", f"""[global]
\tldap server require strong auth = allow_sasl_over_tls
\ttls enabled = yes
\ttls keyfile = {WORK}/sha256.key
\ttls certfile = {WORK}/sha256.pem
\ttls cafile = {WORK}/sha256-ca.pem
""", 1)
    SMB.write_text(text)
    (WORK / "sha256.key").chmod(0o600)
    log = open(WORK / "samba.log", "w")
    subprocess.Popen(["samba", "-i", "-M", "single", "-s", str(SMB)], stdout=log, stderr=log)
    wait("winbindd", lambda: pathlib.Path("/run/samba/winbindd/pipe").exists())
    wait("the directory", lambda: succeeds("ldbsearch", "-H", "ldap://127.0.0.1", "-s", "base",
                                            "-b", "", "-U", f"Administrator%{ADMIN}"))
    # Without it wrong passwords are not counted.
    tool("domain", "passwordsettings", "set", "--account-lockout-threshold=3")
    tool("user", "create", "svc-calway", PASSWORD)
    tool("user", "create", "exch", "Exch.Pass1")
    for host in ("mail.corp.test", "corp.test"):
        tool("spn", "add", f"HTTP/{host}", "exch")
    for principal, file in [("HTTP/mail.corp.test", "http"), ("HTTP/corp.test", "http"),
                            ("svc-calway@CORP.TEST", "svc")]:
        tool("domain", "exportkeytab", WORK / f"{file}.keytab", f"--principal={principal}")
    for words in (["mail", "A", "127.0.0.1"], ["_autodiscover._tcp", "SRV", "mail.corp.test 443 0 0"]):
        tool("dns", "add", "127.0.0.1", "corp.test", *words, "-U", f"Administrator%{ADMIN}")


def succeeds(*command):
    return subprocess.run(command, capture_output=True, timeout=30).returncode == 0


def point(name, keywords, binding):
    """What Exchange's setup writes for Autodiscover."""
    lines = [f"dn: CN={name},{SERVICES}", "objectClass: serviceConnectionPoint",
             f"serviceBindingInformation: {binding}", "serviceClassName: ms-Exchange-AutoDiscover"]
    lines += [f"keywords: {keyword}" for keyword in keywords]
    run("ldbadd", "-H", "ldap://127.0.0.1", "-U", f"Administrator%{ADMIN}",
        input="\n".join(lines) + "\n")


def bad_passwords():
    """How often the domain counts a wrong password of the account."""
    found = run("ldbsearch", "-H", "ldap://127.0.0.1", "-U", f"Administrator%{ADMIN}",
                "-b", "DC=corp,DC=test", "sAMAccountName=svc-calway", "badPwdCount")
    lines = [line for line in found.splitlines() if line.startswith("badPwdCount:")]
    return int(lines[0].split()[1]) if lines else 0

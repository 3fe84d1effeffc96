"""The connector in a domain: discovery, Kerberos, NTLM, channel bindings. Runs in namespaces that
run.sh made, and ends with its counts."""

import base64
import json
import os
import pathlib
import secrets
import subprocess
import sys
import time
import traceback
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import domain  # noqa: E402
from checks import provoked  # noqa: E402
from domain import PASSWORD, POINTER, URL, WORK, run, wait  # noqa: E402

HERE = pathlib.Path(__file__).parent
LAB_PASSWORD = "Lab.Pass1"
AUTHORIZATION = "Basic " + base64.b64encode(f"CORP\\svc-calway:{LAB_PASSWORD}".encode()).decode()
APACHE = """
ServerRoot /etc/apache2
ServerName mail.corp.test
PidFile {work}/apache.pid
Mutex sem
ErrorLog {work}/apache-error.log
LogLevel warn auth_gssapi:info
User www-data
Group www-data
{modules}
SSLRandomSeed connect builtin
LogFormat "%{{X-Calway}}i %U %>s %u %k" calls
CustomLog {work}/apache-calls.log calls
{hosts}
"""
HOST = """
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
 SSLEngine on
 SSLCertificateFile {work}/sha384.pem
 SSLCertificateKeyFile {work}/sha384.key
 SSLProxyEngine on
 SSLProxyVerify none
 SSLProxyCheckPeerName off
 KeepAlive on
 MaxKeepAliveRequests 0
 <Location />
  AuthType GSSAPI
  AuthName domain
  GssapiAllowedMech krb5
  GssapiCredStore keytab:{work}/http.keytab
  GssapiConnectionBound {bound}
  Require valid-user
  RequestHeader set Authorization "{authorization}"
  ProxyPass {backend}/ flushpackets=on
 </Location>
</VirtualHost>
"""
MODULES = ["mpm_event", "authn_core", "authz_core", "authz_user", "auth_gssapi", "headers", "proxy",
           "proxy_http", "ssl", "socache_shmcb"]


class Bench:
    """The lab's programs and where they are."""

    def __init__(self):
        lab, mail = os.environ["CALWAY_LAB"], "corp.test"
        self.exchange = start_lab("exchange", lab, "--domain", mail, "--password", LAB_PASSWORD,
                                  "--ca-out", WORK / "lab-ca.pem")
        self.cloud = start_lab("cloud", lab, "--ca-out", WORK / "cloud-ca.pem",
                               "--anchor-out", WORK / "anchor.pem")
        self.backend = self.exchange["url"].rsplit("/EWS", 1)[0]

    def ask(self, path, body=None):
        request = urllib.request.Request(self.cloud["control"] + path)
        request.data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def start_lab(part, lab, *words):
    program = subprocess.Popen([lab, part, "--json", *map(str, words)], stdout=subprocess.PIPE,
                               stderr=open(WORK / f"{part}.log", "w"), text=True)
    return json.loads(program.stdout.readline())


def apache(bench):
    modules = "/usr/lib/apache2/modules/mod_%s.so"
    loads = "\n".join(f"LoadModule {name}_module {modules % name}" for name in MODULES)
    hosts = "".join(HOST.format(work=WORK, port=port, bound=bound, backend=bench.backend,
                                authorization=AUTHORIZATION)
                    for port, bound in ((8443, "On"), (8444, "Off")))
    config = WORK / "apache.conf"
    config.write_text(APACHE.format(work=WORK, modules=loads, hosts=hosts))
    (WORK / "http.keytab").chmod(0o644)
    subprocess.Popen(["apache2", "-f", str(config), "-DFOREGROUND"],
                     stderr=open(WORK / "apache-start.log", "w"))
    wait("apache", lambda: (WORK / "apache.pid").exists(), 10)


class Connector:
    """`calway run`, with one calendar and the lab's cloud."""

    account = "svc-calway@corp.test"

    def __init__(self, bench, name, calendar, password=None, **environment):
        self.bench, self.folder = bench, WORK / name
        (self.folder / "credentials").mkdir(parents=True)
        for secret, text in [("calendar.hq.password", password),
                             ("cloud.client_secret", bench.cloud["clientSecret"]),
                             ("store.key", key())]:
            if text is not None:
                (self.folder / "credentials" / secret).write_text(text)
        cloud = bench.cloud
        self.config = self.folder / "calway.toml"
        self.config.write_text(f"""log = "debug"
poll_seconds = 5
[[calendar]]
name = "hq"
account = '{self.account}'
ca_file = "{WORK}/roots.pem"
system_trust = false
{calendar}
[cloud]
url = "{cloud['url']}"
connector = "{cloud['connector']}"
auth = {{ kind = "oauth", client_id = "{cloud['clientId']}" }}
ca_file = "{WORK}/cloud-ca.pem"
system_trust = false
[kms]
url = "{cloud['kms']}"
anchors_file = "{WORK}/anchor.pem"
[store]
path = "{self.folder}/calway.db"
[admin]
socket = "{self.folder}/admin.sock"
""")
        self.log = self.folder / "log"
        self.environment = os.environ | environment | {
            "CREDENTIALS_DIRECTORY": str(self.folder / "credentials")}
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            [os.environ["CALWAY"], "run", "--config", str(self.config)],
            env=self.environment, stderr=open(self.log, "w"))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def relays(self, user):
        """A mailbox is active, and its meetings reach the cloud and are opened there."""
        self.bench.ask("/activate", {"user": user, "address": f"{user}@corp.test"})
        return self.arrives(user)

    def arrives(self, user, seconds=40.0):
        def meetings():
            found = self.bench.ask(f"/users/{user}/meetings")
            return [one for one in found if not one.get("unreadable")]

        try:
            return len(wait(f"meetings of {user}", meetings, seconds))
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.log.read_text()[-3000:]}") from error

    def given(self, password):
        """`calway secret set` beside it, which stores in its folder, and not for systemd."""
        program = self.folder / "bin/systemd-creds"
        program.parent.mkdir(exist_ok=True)
        program.write_text('#!/bin/sh\nif [ "$1" = decrypt ]; then cat "$3"; else cat; fi\n')
        program.chmod(0o755)
        path = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            [os.environ["CALWAY"], "secret", "set", "calendar.hq.password", "--stdin", "--store",
             "systemd", "--root", str(self.folder), "--config", str(self.config)],
            env=self.environment | path, input=password, capture_output=True, text=True, timeout=90)
        return done.returncode, done.stdout + done.stderr

    def discover(self, address, *words):
        """`calway discover`: its lines of JSON."""
        done = subprocess.run(
            [os.environ["CALWAY"], "discover", address, "--json", "--config", str(self.config),
             *words],
            env=self.environment, capture_output=True, text=True, timeout=90)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def key():
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


class Front:
    """front.py for one case."""

    def __init__(self, bench, acceptor, certificate, bound_to=None, *options):
        self.log = WORK / "verdicts"
        self.log.write_text("")
        (WORK / "ntlm-users").write_text(f"CORP:svc-calway:{PASSWORD}\n")
        environment = os.environ | {"NTLM_USER_FILE": str(WORK / "ntlm-users")}
        words = [acceptor, WORK / f"{certificate}.pem", WORK / f"{bound_to or certificate}.pem",
                 bench.backend, AUTHORIZATION, self.log, *options]
        self.process = subprocess.Popen([sys.executable, str(HERE / "front.py"), *map(str, words)],
                                        env=environment, stdout=subprocess.PIPE,
                                        stderr=open(WORK / "front.log", "a"), text=True)
        assert self.process.stdout.readline() == "ready\n", (WORK / "front.log").read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def verdicts(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


TESTS = []


def test(function):
    TESTS.append(function)
    return function


def kerberos(port, more=""):
    return f'url = "https://mail.corp.test:{port}/EWS/Exchange.asmx"\nauth = ["negotiate"]\n{more}'


@test
def a_keytab_signs_in_through_apache_with_each_request(bench):
    keytab = f'keytab = "{WORK}/svc.keytab"'
    with Connector(bench, "keytab", kerberos(8444, keytab)) as connector:
        assert connector.relays("user00001") > 0
    calls = (WORK / "apache-calls.log").read_text().splitlines()
    taken = [line.split() for line in calls if "svc-calway@CORP.TEST" in line]
    refused = [line.split() for line in calls if line.split()[2] == "401"]
    # A connection is refused when it asks, and once more when the server wants it anew.
    assert len(taken) >= 3 and int(taken[-1][4]) >= 3, calls
    assert len(refused) <= 2 * sum(line[4] == "0" for line in refused), calls


@test
def a_password_signs_a_connection_in_through_apache_once(bench):
    before = len((WORK / "apache-calls.log").read_text().splitlines())
    with Connector(bench, "password", kerberos(8443), PASSWORD) as connector:
        assert connector.relays("user00002") > 0
    calls = (WORK / "apache-calls.log").read_text().splitlines()[before:]
    refused = [line for line in calls if line.split()[2] == "401"]
    # Only those that ask what is offered: one for each connection at the most.
    assert len(refused) <= 12, refused


@test
def a_wrong_password_reaches_the_key_server_once_and_a_new_one_heals_it(bench):
    before = domain.bad_passwords()
    with Connector(bench, "wrong", kerberos(8444), "Wrong.Pass1") as connector:
        bench.ask("/activate", {"user": "user00003", "address": "user00003@corp.test"})
        wait("the condition", lambda: "sign-in-refused" in connector.log.read_text())
        for _ in range(3):
            bench.ask("/resend", {"user": "user00003"})
            time.sleep(1)
        assert domain.bad_passwords() - before == 1, domain.bad_passwords()
        (connector.folder / "credentials/calendar.hq.password").write_text(PASSWORD)
        assert connector.arrives("user00003") > 0


@test
def without_a_key_server_ntlm_takes_over(bench):
    away = {"KRB5_CONFIG": str(WORK / "krb5-away.conf")}
    calendar = discovering('["negotiate", "ntlm"]')
    with Front(bench, "ntlm_auth", "sha256", None, "--negotiate") as front:
        lines, why = Connector(bench, "away", calendar, PASSWORD, **away).discover(
            "user00001@corp.test")
        assert "ews" in lines[-1], (lines, why)
        assert {"accepted": True} == {"accepted": front.verdicts()[-1]["accepted"]}


@test
def the_check_says_what_kerberos_needs(bench):
    away = {"KRB5_CONFIG": str(WORK / "krb5-away.conf")}
    connector = Connector(bench, "check-away", kerberos(8444), PASSWORD, **away)
    provoked("sign-in", "kerberos", connector.config, connector.environment)


def discovering(auth):
    return f'auth = {auth}\ndiscover = {{ domains = ["corp.test"], srv = false }}\n'


class Short(Connector):
    """The account as NTLM has always named it; not every acceptor knows another way."""

    account = "CORP\\svc-calway"


def ask(bench, acceptor, certificate, bound_to=None, *options):
    """Whether the acceptor takes us, and what it says."""
    name = "-".join([acceptor, certificate, bound_to or certificate, *options])
    with Front(bench, acceptor, certificate, bound_to, *options) as front:
        kind, way = (Connector, "negotiate") if acceptor == "kerberos" else (Short, "ntlm")
        connector = kind(bench, name, discovering(f'["{way}"]'), PASSWORD)
        lines, why = connector.discover("user00001@corp.test")
        verdicts = front.verdicts()
    assert verdicts, (lines, why, (WORK / "front.log").read_text())
    reached = "ews" in lines[-1]
    bent = "--bend" in options
    assert reached == (verdicts[0]["accepted"] and not bent), (verdicts, lines, why)
    refused = [one for one in verdicts if not one["accepted"]]
    assert len(refused) <= 1, f"a refused password is not sent again: {verdicts}"
    return reached, refused[0]["why"] if refused else json.dumps(lines)


def taken(*case):
    reached, why = ask(*case)
    assert reached, (case[1:], why)


def refused_for_its_binding(*case):
    reached, why = ask(*case)
    # gss-ntlmssp has one word for it.
    word = {"gss-ntlmssp": "Permission denied"}.get(case[1], "binding")
    assert not reached and word in why, (case[1:], why)


@test
def a_ticket_is_bound_to_its_channel_and_the_server_proves_itself(bench):
    for certificate in ("sha256", "sha384", "sha512"):
        taken(bench, "kerberos", certificate)
    refused_for_its_binding(bench, "kerberos", "sha256", "sha384")
    reached, why = ask(bench, "kerberos", "sha256", None, "--bend")
    assert not reached and "could not prove who it is" in why, why


@test
def ntlm_auth_of_the_controller_takes_our_ntlm(bench):
    taken(bench, "ntlm_auth", "sha256")


@test
def both_acceptors_take_the_right_binding_for_each_hash(bench):
    for acceptor in ("gss-ntlmssp", "pyspnego"):
        for certificate in ("sha256", "sha384", "sha512"):
            taken(bench, acceptor, certificate)


@test
def both_acceptors_refuse_the_binding_of_another_channel(bench):
    for acceptor in ("gss-ntlmssp", "pyspnego"):
        refused_for_its_binding(bench, acceptor, "sha256", "sha384")


@test
def a_missing_binding_is_taken_by_one_and_refused_by_the_other(bench):
    # A certificate signed with Ed25519 has no hash of its own, so there is nothing to bind to.
    taken(bench, "gss-ntlmssp", "ed25519")
    refused_for_its_binding(bench, "pyspnego", "ed25519")


@test
def the_directory_names_autodiscover_and_the_own_site_comes_first(bench):
    # In the order that is wrong; nobody listens on the first two ports, so that each is asked.
    url = "https://mail.corp.test%s/autodiscover/autodiscover.xml"
    domain.point("Elsewhere", [URL, "Site=Elsewhere"], url % "")
    domain.point("Nowhere", [URL], url % ":9442")
    domain.point("Here", [URL, "Site=Default-First-Site-Name"], url % ":9441")
    domain.point("Pointer", [POINTER, "Domain=other.test"], "LDAP://dc1.corp.test")
    scp = ('discover = { domains = ["corp.test"], '
           'scp = { server = "ldaps://dc1.corp.test" } }\n')
    with Front(bench, "ntlm_auth", "sha256"):
        connector = Connector(bench, "scp", 'auth = ["ntlm"]\n' + scp, PASSWORD)
        lines, why = connector.discover("user00001@corp.test")
    assert "ews" in lines[-1], (lines, why)
    points = [line["answer"] for line in lines if line.get("step") == "search"]
    assert points[0]["site"] == "Default-First-Site-Name", points
    assert len(points[0]["points"]) == 4, points
    asked = [line["at"].split("/")[2] for line in lines if "mail.corp.test" in line.get("at", "")]
    asked = list(dict.fromkeys(asked))
    own, none, other = "mail.corp.test:9441", "mail.corp.test:9442", "mail.corp.test"
    assert asked[:3] == [own, none, other], asked


@test
def a_keytab_opens_the_directory_too(bench):
    calendar = (f'auth = ["negotiate"]\nkeytab = "{WORK}/svc.keytab"\n'
                'discover = { domains = ["corp.test"], srv = false, '
                'scp = { server = "ldap://dc1.corp.test", bind = "kerberos" } }\n')
    connector = Connector(bench, "ldap-kerberos", calendar)
    with Front(bench, "kerberos", "sha256"):
        lines, why = connector.discover("user00001@corp.test")
    points = [line["answer"] for line in lines if line.get("step") == "search"]
    assert points and "site" in points[0], (lines, why)
    assert "ews" in lines[-1], (lines, why)


def by_ticket(server, auth='["negotiate"]'):
    return (f'auth = {auth}\ndiscover = {{ domains = ["corp.test"], srv = false, '
            f'scp = {{ server = "{server}", bind = "kerberos" }} }}\n')


@test
def a_password_opens_the_directory_by_ticket_with_tls_and_without(bench):
    for server in ("ldap://dc1.corp.test", "ldaps://dc1.corp.test"):
        name = server.split(":")[0]
        connector = Connector(bench, f"{name}-password", by_ticket(server), PASSWORD)
        with Front(bench, "kerberos", "sha256"):
            lines, why = connector.discover("user00001@corp.test")
        points = [line["answer"] for line in lines if line.get("step") == "search"]
        assert points and "site" in points[0], (server, lines, why)
        assert "ews" in lines[-1], (server, lines, why)


@test
def a_wrong_password_for_the_directory_is_tried_once_by_program_restart_and_tool(bench):
    before = domain.bad_passwords()
    connector = Connector(bench, "ldap-wrong", by_ticket("ldap://dc1.corp.test"), "Wrong.Pass2")
    for _ in range(3):
        with connector:
            bench.ask("/activate", {"user": "user00004", "address": "user00004@corp.test"})
            wait("the condition", lambda: "sign-in-refused" in connector.log.read_text())
    lines, why = connector.discover("user00004@corp.test")
    assert "ews" not in lines[-1], lines
    assert domain.bad_passwords() - before == 1, (domain.bad_passwords(), lines, why)
    lines, why = connector.discover("user00004@corp.test", "--try-again")
    assert domain.bad_passwords() - before == 2, (domain.bad_passwords(), lines, why)


@test
def a_pointer_of_the_directory_is_followed(bench):
    domain.point("Followed", [POINTER, "Domain=corp.test"], "LDAP://dc1.corp.test")
    calendar = ('auth = ["ntlm"]\ndiscover = { domains = ["corp.test"], srv = false, '
                'scp = { server = "ldaps://dc1.corp.test" } }\n')
    with Front(bench, "ntlm_auth", "sha256"):
        connector = Connector(bench, "scp-pointer", calendar, PASSWORD)
        lines, why = connector.discover("user00001@corp.test")
    searched = [line["at"] for line in lines if line.get("step") == "search"]
    assert searched == ["the directory", "dc1.corp.test"], (lines, why)
    assert "ews" in lines[-1], (lines, why)


@test
def the_service_record_is_answered_by_the_controller(bench):
    calendar = 'auth = ["ntlm"]\ndiscover = { domains = ["corp.test"] }\n'
    connector = Connector(bench, "srv", calendar, PASSWORD)
    lines, _why = connector.discover("user00001@corp.test")
    answers = [line["answer"] for line in lines if line.get("step") == "srv"]
    assert any(one.get("target", "").startswith("mail.corp.test") for one in answers[0]), lines


@test
def a_new_password_is_tried_at_the_key_server_once_while_the_old_one_stays_in_use(bench):
    new = "Calway.Pass2"
    with Connector(bench, "rotation", kerberos(8444), PASSWORD) as connector:
        bench.ask("/activate", {"user": "user00003", "address": "user00003@corp.test"})
        wait("it is ready", lambda: 'CONDITION="ready"' in connector.log.read_text())
        before = domain.bad_passwords()
        for _ in range(2):
            status, said = connector.given("Wrong.Pass3")
            assert status == 1 and "it is refused" in said, said
        assert domain.bad_passwords() - before == 1, domain.bad_passwords()
        domain.tool("user", "setpassword", "svc-calway", f"--newpassword={new}")
        try:
            status, said = connector.given(new)
            assert status == 0 and "It works, and is in use" in said, said
            assert domain.bad_passwords() == 0, "the right one ends the count"
        finally:
            domain.tool("user", "setpassword", "svc-calway", f"--newpassword={PASSWORD}")


def logs():
    for log in ("samba.log", "apache-error.log", "apache-start.log", "front.log"):
        if (WORK / log).exists():
            print(f"-- {log}\n{(WORK / log).read_text()[-1500:]}")


def set_up():
    domain.stage()
    domain.certificates()
    domain.controller()
    bench = Bench()
    apache(bench)
    return bench


def main():
    try:
        bench = set_up()
    except Exception:
        print(f"FAILED  the domain does not stand\n{traceback.format_exc()}")
        logs()
        print("0 passed, 1 failed")
        return True
    print(f"the domain stands after {time.monotonic() - BEGAN:.0f} s", flush=True)
    passed = failed = 0
    for one in TESTS:
        if sys.argv[1:] and sys.argv[1] not in one.__name__:
            continue
        try:
            one(bench)
            passed += 1
            print(f"ok      {one.__name__}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {one.__name__}\n{traceback.format_exc()}", flush=True)
    if failed:
        logs()
    print(f"after {time.monotonic() - BEGAN:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return failed != 0


BEGAN = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())

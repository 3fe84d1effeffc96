"""A small CalDAV client: what a calendar lists, and its events, by the standard library alone."""

import base64
import datetime
import http.client
import urllib.parse
import xml.etree.ElementTree as ElementTree
import zoneinfo

DAV = "{DAV:}"
CALDAV = "{urn:ietf:params:xml:ns:caldav}"
CTAG = "{http://calendarserver.org/ns/}getctag"
# Windows' names of the zones that are used here.
ZONES = {"W. Europe Standard Time": "Europe/Berlin", "Eastern Standard Time": "America/New_York"}
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]

PROPERTIES = """<?xml version="1.0"?>
<D:propfind xmlns:D="DAV:" xmlns:S="http://calendarserver.org/ns/"><D:prop>
<D:displayname/><D:resourcetype/><D:getetag/><S:getctag/></D:prop></D:propfind>"""

QUERY = """<?xml version="1.0"?>
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
<D:prop><D:getetag/><C:calendar-data/></D:prop>
<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
<C:time-range start="{start}" end="{end}"/></C:comp-filter></C:comp-filter></C:filter>
</C:calendar-query>"""


class Calendar:
    """The calendar of one user behind a CalDAV server on loopback."""

    def __init__(self, port, address, user, password):
        self.port = port
        self.path = f"/users/{urllib.parse.quote(address)}/calendar/"
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {token}", "Content-Type": "text/xml"}

    def ask(self, method, depth, body):
        """The responses of a multistatus: path and the properties that were found."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {**self.headers, "Depth": str(depth)}
        connection.request(method, self.path, body.encode(), headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 207, f"{method}: {answer.status} {text.decode(errors='replace')}"
        found = {}
        for response in ElementTree.fromstring(text).findall(f"{DAV}response"):
            path = urllib.parse.unquote(response.findtext(f"{DAV}href"))
            properties = response.findall(f"{DAV}propstat/{DAV}prop/*")
            found[path] = {one.tag: one for one in properties}
        return found

    def itself(self):
        """The properties of the collection."""
        (properties,) = self.ask("PROPFIND", 0, PROPERTIES).values()
        return properties

    def ctag(self):
        """Grows when the calendar changes."""
        return base64.b64decode(self.itself()[CTAG].text)

    def members(self):
        """The paths of the events."""
        listed = self.ask("PROPFIND", 1, PROPERTIES)
        return [path for path in listed if not path.endswith("/")]

    def events(self, start, end):
        """Every VEVENT of the events between two datetimes."""
        body = QUERY.format(start=f"{start:%Y%m%dT%H%M%SZ}", end=f"{end:%Y%m%dT%H%M%SZ}")
        events = []
        for properties in self.ask("REPORT", 1, body).values():
            events += read(properties[f"{CALDAV}calendar-data"].text)
        return events


class Event:
    """A VEVENT: its properties by name, each a list of (parameters, value)."""

    def __init__(self):
        self.properties = {}

    def text(self, name):
        """The first value, unescaped."""
        values = self.properties.get(name)
        if not values:
            return ""
        text = values[0][1]
        for escaped, plain in [("\\n", "\n"), ("\\,", ","), ("\\;", ";"), ("\\\\", "\\")]:
            text = text.replace(escaped, plain)
        return text

    def time(self, name):
        """A time; one without a zone is an error."""
        (parameters, value), *_ = self.properties[name]
        return moment(parameters, value)

    def times(self, name):
        """All times of a property that may come again."""
        return [moment(parameters, value) for parameters, value in self.properties.get(name, [])]

    def starts(self):
        """The starts of all occurrences: of RRULE by day or by week, less EXDATE."""
        first = self.time("DTSTART")
        rule = self.text("RRULE")
        if not rule:
            return [first]
        parts = dict(part.split("=") for part in rule.split(";"))
        assert parts["FREQ"] in ("DAILY", "WEEKLY") and parts.get("INTERVAL", "1") == "1", rule
        days = parts.get("BYDAY", ",".join(DAYS)).split(",")
        starts, day = [], first
        while len(starts) < int(parts["COUNT"]):
            if parts["FREQ"] == "DAILY" or DAYS[day.weekday()] in days:
                starts.append(day)
            # In the event's own zone: a clock change leaves the time of day alone.
            day = day + datetime.timedelta(days=1)
        gone = self.times("EXDATE")
        return [start for start in starts if start not in gone]


def moment(parameters, value):
    if parameters.get("VALUE") == "DATE":
        return datetime.datetime.strptime(value, "%Y%m%d").date()
    if value.endswith("Z"):
        zone = datetime.timezone.utc
        return datetime.datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=zone)
    name = parameters["TZID"]
    zone = zoneinfo.ZoneInfo(ZONES.get(name, name))
    return datetime.datetime.strptime(value, "%Y%m%dT%H%M%S").replace(tzinfo=zone)


def read(text):
    """The VEVENTs of an iCalendar text; what is nested in them is left out."""
    events, within = [], []
    for line in text.replace("\r", "").replace("\n ", "").split("\n"):
        if line.startswith("BEGIN:"):
            within.append(line[6:])
            if line[6:] == "VEVENT":
                events.append(Event())
        elif line.startswith("END:"):
            assert within.pop() == line[4:], line
        elif within and within[-1] == "VEVENT":
            name, parameters, value = split(line)
            events[-1].properties.setdefault(name, []).append((parameters, value))
    assert not within, within
    return events


def split(line):
    """Name, parameters and value of a content line; a quoted parameter may hold a colon."""
    at, quoted = 0, False
    while quoted or line[at] != ":":
        quoted ^= line[at] == '"'
        at += 1
    name, *parameters = line[:at].split(";")
    parameters = dict(one.split("=", 1) for one in parameters if "=" in one)
    return name, {key: value.strip('"') for key, value in parameters.items()}, line[at + 1 :]

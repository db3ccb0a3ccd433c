"""What the soak makes of what it has seen."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from soaking import tables
from soaking.events import Events, complaints
from soaking.picture import picture
from soaking.plot import Scale, linear, logarithmic, trace
from soaking.record import Record, Rest, Sample, Spell
from soaking.reporting import Did, Failed, Took
from soaking.verdicts import parts, verdicts

ROOT = Path(__file__).resolve().parents[1]
SVG = "{http://www.w3.org/2000/svg}"
QUIET = Rest(descriptors=12)


def record(*memory: float, **more) -> Record:
    """Return the record of a soak in which all went well."""
    samples = {at: Sample(mib, 50, 40, 0.25, 0.1) for at, mib in enumerate(memory)}
    soaked = Record(1000.0, QUIET, QUIET, samples, status=0)
    for second in soaked.seconds:
        soaked.take(Took(1000.5 + second, 0.001))
    for name, value in more.items():
        setattr(soaked, name, value)
    return soaked


def failed(soaked: Record) -> list[str]:
    """Return what does not hold."""
    return [verdict.text for verdict in verdicts(soaked) if not verdict.holds]


def test_all_well():
    """When all went well each verdict holds, and the memory of both minutes is said."""
    soaked = record(*[50.0] * 60, *[90.0] * 300, *[52.0] * 60)
    assert failed(soaked) == []
    texts = [verdict.text for verdict in verdicts(soaked)]
    memory = "memory was 50.0 MiB in the first minute and 52.0 MiB in the last minute: +4.0 %"
    assert f"{memory}, of 5 % allowed (50.0 MiB as the load began)" in texts
    assert "420 lines and all other bytes of the well-behaved came back" in texts


@pytest.mark.parametrize(("last", "growth"), [(52.6, "+5.2"), (47.4, "-5.2")])
def test_memory(last, growth):
    """Memory that differs by more than a twentieth is told, with both figures."""
    [text] = failed(record(*[50.0] * 60, *[last] * 60))
    assert f"{last} MiB in the last minute: {growth} %, of 5 % allowed" in text


def test_warm_up():
    """The warm-up does not count, but what memory was before it is told."""
    soaked = record(50.0, 51.0, 50.0)
    soaked.samples |= {-2: Sample(30.0, 900, 900, 1.0, 0.0), -1: Sample(90.0, 900, 900, 1.0, 0.0)}
    soaked.spells = [Spell("a", -2, -1.1), Spell("b", 0.0, 1.5)]
    soaked.take(Took(999.5, 5.0))
    text = "memory was 50.0 MiB in the first 1 s and 50.0 MiB in the last 1 s"
    found = [verdict.text for verdict in verdicts(soaked)]
    assert f"{text}: +0.0 %, of 5 % allowed (30.0 MiB as the load began)" in found
    assert "| 900 |" not in tables.overview(soaked)
    assert "5,000" not in tables.overview(soaked)
    assert [row.split(" | ")[0] for row in tables.attacks(soaked).splitlines()[2:]] == [
        "| b",
        "| none",
    ]
    words = [text.text for text in ElementTree.fromstring(picture(soaked)).iter(f"{SVG}text")]
    assert words[-1] == "warm-up"


def test_parts():
    """Of less than two minutes the thirds are compared, whatever was between."""
    names = [(part.name, len(part.seconds)) for part in parts(record(*[1.0] * 120))]
    assert names == [("first minute", 60), ("last minute", 60)]
    names = [(part.name, part.seconds) for part in parts(record(*[1.0] * 10))]
    assert names == [("first 3 s", range(3)), ("last 3 s", range(7, 10))]
    assert [part.seconds for part in parts(record(1.0))] == [range(1), range(1)]
    assert failed(record(50.0, 50.0, 99.0, 51.0)) == []


def test_failures():
    """Whatever the well-behaved did not get is told, with the second in which it was missed."""
    soaked = record(50.0)
    soaked.take(Failed(1002.25, "a login at the line door: ConnectionError not let in"))
    [text] = failed(soaked)
    assert text == "went wrong: 2.2 s: a login at the line door: ConnectionError not let in"


def test_nobody_came():
    """A soak in which no line came back is none."""
    assert len(failed(record(50.0, done={"lines": 0}))) == 1
    assert "no sample was taken" in failed(record())


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"after": Rest(15)}, "12 descriptors were open at the start, 15 at the end"),
        ({"after": Rest(12, connections=2)}, "2 connections have no end"),
        ({"after": Rest(12, logins=1)}, "1 logins no logout"),
        ({"after": None}, "what stayed open at the end is not known"),
        ({"complaints": ["12:00:00 error: x"]}, "was said on the terminal: 12:00:00 error: x"),
        ({"status": 1}, "the server ended with status 1"),
        ({"status": None}, "the server did not end when it was told to"),
    ],
)
def test_rest(more, text):
    """What is left over, said or wrong at the end is told."""
    [found] = failed(record(50.0, **more))
    assert text in found


def test_few_descriptors_more():
    """Two descriptors more at the end are none that leak."""
    assert failed(record(50.0, after=Rest(14))) == []


def test_many_failures():
    """Of many failures the first are told, and how many more there are."""
    [text] = failed(record(50.0, failures=[f"failure {n}" for n in range(12)]))
    assert text.startswith("went wrong: failure 0; failure 1;")
    assert text.endswith("failure 9; and 2 more")


def test_latency_counts_where_it_was_due():
    """A line belongs to the second in which it was due, in milliseconds."""
    soaked = Record(1000.0, QUIET)
    for due, seconds in ((1001.9, 3.0), (1001.0, 0.002), (999.5, 0.1)):
        soaked.take(Took(due, seconds))
    assert soaked.times([1]) == [2.0, 3000.0]
    assert soaked.times([0, 2, 3, 4]) == []
    assert soaked.done["lines"] == 3


def test_overview():
    """The overview has the medians of both minutes, and the worst second."""
    soaked = record(*[50.0] * 60, 90.0, *[51.0] * 60)
    soaked.take(Took(1060.5, 1.0))
    assert tables.overview(soaked).splitlines() == [
        "|  | first minute | last minute | worst second |",
        "| --- | --- | --- | --- |",
        "| memory, MiB | 50.0 | 51.0 | 90.0 |",
        "| descriptors | 50 | 50 | 50 |",
        "| sessions | 40 | 40 | 40 |",
        "| CPU, % of a core | 25 | 25 | 25 |",
        "| waiting for a core, % of the time | 10 | 10 | 10 |",
        "| latency of a line, median, ms | 1.00 | 1.00 | 500.50 |",
        "| latency of a line, 99th percentile, ms | 1.00 | 1.00 | 1,000.00 |",
    ]


def test_deeds():
    """What was done is counted, each kind for itself."""
    soaked = record(50.0)
    for _ in range(2):
        soaked.take(Did("MiB, SSH", 600))
    assert tables.deeds(soaked).splitlines()[2:] == ["| MiB, SSH | 1,200 |", "| lines | 1 |"]


def test_attacks():
    """Each attack is told once, with what was seen in its seconds, and the rest of the time."""
    soaked = record(50.0, 60.0, 70.0, 55.0, 80.0)
    soaked.spells = [Spell("a", 0.5, 1.5), Spell("b", 2.2, 2.9), Spell("a", 4.1, 7.0)]
    assert tables.attacks(soaked).splitlines()[2:] == [
        "| a | 2 | 25 | 10 | 80.0 | 50 | 1.00 | 1.00 |",
        "| b | 1 | 25 | 10 | 70.0 | 50 | 1.00 | 1.00 |",
        "| none |  | 25 | 10 | 55.0 | 50 | 1.00 | 1.00 |",
    ]


def test_attack_too_short_to_be_seen():
    """Of an attack without a second of its own nothing is made up."""
    soaked = record(50.0, spells=[Spell("a", 1.2, 1.4)])
    assert tables.attacks(soaked).splitlines()[2] == "| a | 1 |  |  |  |  |  |  |"


def test_picture():
    """There are panels with titles, a trace for each figure, and a row for each attack."""
    soaked = record(*[50.0] * 90, *[55.0] * 90)
    soaked.spells = [Spell("a & b", 0.0, 9.0), Spell("c", 14.0, 23.0), Spell("a & b", 170, 190)]
    drawn = ElementTree.fromstring(picture(soaked))
    titles = [text.text for text in drawn.iter(f"{SVG}text") if text.get("class") == "title"]
    assert titles == ["memory, MiB", "open", "latency of a line, ms", "attacks"]
    rows = [text.text for text in drawn.iter(f"{SVG}text") if text.get("class") == "row"]
    assert rows == ["a & b", "c"]
    looks = [path.get("class") for path in drawn.iter(f"{SVG}path")]
    assert len([look for look in looks if look.startswith("trace")]) == 5
    for look in ("band", "other"):
        bars = [bar for bar in drawn.iter(f"{SVG}rect") if bar.get("class") == look]
        assert len(bars) == 3
        ends = [float(bar.get("x")) + float(bar.get("width")) for bar in bars]
        assert max(ends) <= float(drawn.get("width"))


def test_picture_of_one_second():
    """A soak that was short, in which nobody came and nothing changed, has a picture too."""
    ElementTree.fromstring(picture(Record(0.0, QUIET, samples={0: Sample(50.0, 0, 0, 0.0, 0.0)})))


def test_trace_with_gap():
    """Where a value is missing the line is broken."""
    drawn = ElementTree.fromstring(trace("hero", [(0, 1), (1, 2), (2, None), (3, 4)]))
    assert drawn.get("d") == "M0.0 1.0L1.0 2.0M3.0 4.0"


def test_scales():
    """Scales have room for all values, end at round numbers, and have few ticks."""
    scale = linear([0, 53.0, 412.0], 100, -90)
    assert (scale.low, scale.high, scale.ticks()) == (0, 600, [0, 200, 400, 600])
    assert (scale.at(0), scale.at(600), scale.at(300)) == (100, 10, 55)
    scale = logarithmic([0.2, 31.0], 100, -90)
    assert scale.ticks() == pytest.approx([0.1, 1, 10, 100])
    assert [scale.at(tick) for tick in scale.ticks()] == pytest.approx([100, 70, 40, 10])
    assert logarithmic([1.0], 0, 1).ticks() == [1, 10]
    assert Scale(0, 10, 0, 100).ticks() == [0, 5, 10]
    assert Scale(0, 2.5, 0, 100).ticks(10) == [0, 0.5, 1, 1.5, 2, 2.5]


def test_events(tmp_path):
    """Events are counted as the log grows, each line once it is whole, and never what is quoted."""
    log = tmp_path / "audit"
    log.write_text('{"event": "connection.open"}\n{"event": "login.ok", "user": "x"}\n{"eve')
    events = Events(log)
    events.look()
    assert (events.connections, events.logins) == (1, 1)
    with log.open("a") as file:
        file.write('nt": "logout"}\n{"event": "y", "user": "\\"event\\": \\"connection.open\\""}\n')
    events.look()
    assert (events.connections, events.logins) == (1, 0)
    events.close()


def test_complaints(tmp_path):
    """Errors and tracebacks are complaints; what is told of clients is none."""
    said = tmp_path / "said"
    said.write_text(
        "12:00:00 ssh: connected from 127.0.0.1:1\n"
        "12:00:00 ssh: '12:00:00 error: x' denied by password from 127.0.0.1:1: no such user\n"
        "12:00:01 error: An application broke\n"
        "Traceback (most recent call last):\n"
        "12:00:02 warn: a warning\n"
    )
    assert complaints(said) == [
        "12:00:01 error: An application broke",
        "Traceback (most recent call last):",
    ]


def test_soak(tmp_path):
    """A soak of two seconds comes to an end, with all verdicts, tables and a picture."""
    chart = tmp_path / "soak.svg"
    options = ("--minutes", "0.03", "--warm-up", "1", "--chart", chart)
    done = subprocess.run(
        [sys.executable, "-m", "soaking", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "TMPDIR": str(tmp_path)},
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("- ")]) == 6, done.stderr
    assert [line for line in lines if line.startswith("- FAILED") and "memory" not in line] == []
    ElementTree.parse(chart)
    assert os.listdir(tmp_path) == ["soak.svg"]

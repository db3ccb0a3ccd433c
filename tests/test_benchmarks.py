"""What the bench makes of what it has measured."""

import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks import attacks, chart, denials, processes, reaper, table
from benchmarks.attacks import Damage
from benchmarks.measures import BULK, ECHO, IDLE, LOGIN
from benchmarks.options import listOf, positive
from benchmarks.rounds import Results
from benchmarks.running import BrokenServerError, running
from benchmarks.servers import SERVERS
from benchmarks.servers.server import Server

SVG = "{http://www.w3.org/2000/svg}"


def results(name: str, *rounds) -> Results:
    return Results(SERVERS[name], "1.0", "a cipher", list(rounds))


def test_comparison():
    """The table has the medians of Go in its column and the others' as multiples of them."""
    go = results("go", {LOGIN: 3.0}, {LOGIN: 2.0}, {LOGIN: 90.0})
    assert table.comparison([results("sshecho", {LOGIN: 4.5}), go]).splitlines() == [
        "|  | Go | sshecho, x Go |",
        "| --- | --- | --- |",
        f"| {LOGIN.title} | 3.00 | 1.50 |",
    ]


def test_comparison_without_go():
    """Where Go is missing the first server is what the others are compared with."""
    first, second = results("sshecho", {ECHO: 20.0}), results("conch", {ECHO: 30.0})
    assert table.comparison([first, second]).splitlines()[2] == f"| {ECHO.title} | 20.0 | 1.50 |"


@pytest.mark.parametrize(
    ("mine", "theirs", "cells"), [(None, 3.0, " |  |  |"), (3.0, None, " | 3.0 |  |")]
)
def test_unknown_value(mine, theirs, cells):
    """A value that can't be had leaves its cell empty, and so do ratios to it."""
    shown = table.comparison([results("go", {IDLE: mine}), results("conch", {IDLE: theirs})])
    assert shown.splitlines()[2].endswith(cells)


def test_versions():
    """Which versions were measured, and what they agreed on with the client, is a table too."""
    assert table.versions([results("go")]).splitlines()[2] == "| Go | 1.0 | a cipher |"


def texts(drawn) -> list[str]:
    return [text.text for text in drawn.iter(f"{SVG}text")]


def test_chart():
    """Each panel has a title and a bar for each server, least first and as long as its value."""
    values = {"sshecho": 2.0, "conch": 4.0, "go": 1.0}
    every = [results(name, {LOGIN: value, BULK: value}) for name, value in values.items()]
    drawn = ElementTree.fromstring(chart.chart(every))
    panels = drawn.findall(f"{SVG}g")
    names = ["Go", "1.00", "sshecho", "2.00", "Conch", "4.00"]
    assert [texts(panel) for panel in panels] == [[LOGIN.title, *names], [BULK.title, *names]]
    bars = panels[0].findall(f"{SVG}rect")
    assert [bar.get("class") for bar in bars] == ["other", "hero", "other"]
    one, two, four = (float(bar.get("width")) for bar in bars)
    assert (two / one, four / one) == pytest.approx((2, 4))


def test_chart_breaks_outliers_off():
    """A bar that would make all the others tiny is broken off, and its value is told."""
    values = {"sshecho": 1.0, "go": 2.0, "openssh": 100.0}
    drawn = chart.chart([results(name, {LOGIN: value}) for name, value in values.items()])
    panel = ElementTree.fromstring(drawn).find(f"{SVG}g")
    assert len(panel.findall(f"{SVG}rect")) == 2
    assert len(panel.findall(f"{SVG}path")) == 1
    assert "100.00" in texts(panel)


def test_chart_leaves_out_what_is_unknown():
    """What can't be had of a server has no bar, and what can't be had of any has no panel."""
    every = [results("go", {LOGIN: 1.0, IDLE: None}), results("conch", {LOGIN: None, IDLE: None})]
    assert texts(ElementTree.fromstring(chart.chart(every))) == [LOGIN.title, "Go", "1.00"]


@pytest.mark.parametrize("values", [(0.0, 0.0), (-1.0, 0.0), (-2.0, -1.0), (-1.0, 2.0)])
def test_chart_of_noise(values):
    """What did not grow, or seems to have shrunk, has a bar without a length."""
    widths = chart.barWidths(values)
    assert [width or 0 for width in widths] == [0, chart.BAR_WIDTH * 0.8 if values[1] > 1 else 0]


def test_cpu_of_dead_children():
    """Children that were waited for count with both their ticks of user's and of system's time."""
    stat = ["0"] * 50
    stat[13], stat[14] = str(processes.TICKS), str(2 * processes.TICKS)
    assert processes.cpuOfDead(stat) == 3


BURN = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)"


def test_cpu_of_orphans():
    """What a process used whose parent died first is in its server's account, and it ends too."""
    orphan = f"'{sys.executable}' -c '{BURN}'"
    command = ["sh", "-c", f"({orphan}; exec sleep 1001) & exec true"]
    forks = ["sh", "-c", '"$@"; exec sleep 1000', "sh", *command]
    with subprocess.Popen(
        [sys.executable, reaper.__file__, "-", *forks], stdout=subprocess.PIPE
    ) as server:
        try:
            server.stdout.readline()
            lost = 2 / processes.TICKS  # of user's and of system's time
            assert 0.5 - lost <= processes.cpuAtRest(server.pid) < 1
            below = processes.descendants(server.pid)
            assert len(below) == 2
        finally:
            server.terminate()
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]


def test_memory():
    """A server's memory is that of its processes, and grows with theirs."""
    grow = "hold = b'x' * 20_000_000; print(flush=True); input()"
    small = "print(flush=True); input()"
    taken = []
    for program in (small, grow):
        command = ["sh", "-c", '"$@"; true', "sh", sys.executable, "-c", program]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
            parent.stdout.readline()
            taken.append(processes.memory(parent.pid))
            parent.stdin.close()
    assert 19_000 < taken[1] - taken[0] < 22_000


def test_server_that_ends():
    """A server that does not stay up is named in one line with its exit status."""
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    server = Server("short", "Short", "", lambda: "1", lambda site: command)
    ended = pytest.raises(BrokenServerError, match=r"^short: it ended with status 3$")
    with ended, running(server, None):
        pass


def test_options():
    """Names come in the bench's order, and what is no name or no number is said."""
    assert listOf(["a", "b", "c"])("c,a") == ["a", "c"]
    with pytest.raises(ArgumentTypeError, match=r"^'d' is none of a, b$"):
        listOf(["a", "b"])("a,d")
    assert positive("7") == 7
    for wrong in ("0", "-1", "x", ""):
        with pytest.raises(ArgumentTypeError):
            positive(wrong)


def test_damage():
    """Of several rounds all echoes count, and the medians of the rest; who was cut off is said."""
    rounds = [
        Damage([0.001] * 99 + [0.5], 0.1, 1024, 0.5),
        Damage([0.001] * 100, 0.3, 4096, 0.2),
        Damage([0.002] * 100, 0.2, 2048, 0.3),
    ]
    assert attacks.middle(rounds).cells() == ["2.0", "500", "200", "2.0", "30"]
    cut = attacks.middle([*rounds, Damage([], None, None, 0.3)]).cells()
    assert cut[:3] == ["cut off", "", "not let in"]


@pytest.mark.parametrize(
    ("less", "more", "area"), [([1, 2], [3, 4], 1), ([3, 4], [1, 2], 0), ([1, 2], [1, 2], 0.5)]
)
def test_area(less, more, area):
    """The area is the chance that one of the second is the larger."""
    assert denials.area(less, more) == area

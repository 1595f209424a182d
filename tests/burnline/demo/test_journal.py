from __future__ import annotations

from collections import Counter

from burnline.demo.engine import Outcome
from burnline.demo.families import ITL, TTFT
from burnline.demo.journal import Part, RefusedLine, RequestLine, Run, ScrapeLine, Writer, journal_path, read
from core.histogram import cell_of


def line(number: int, outcome: Outcome = Outcome.STOP, ttft: float | None = 0.2) -> RequestLine:
    cells = [0] * (len(ITL) + 1)
    cells[2] = 9
    status = {Outcome.STOP: 200, Outcome.ERROR: 500}.get(outcome)
    return RequestLine(
        time=1000.0 + number,
        id=number,
        outcome=outcome,
        status=status,
        ttft=ttft,
        queue=0.1,
        prefill=0.1,
        decode=0.3,
        e2e=0.5,
        prompt_tokens=20,
        generated_tokens=10,
        max_tokens=100,
        itl_cells=cells,
        itl_sum=0.3,
        preemptions=0,
    )


def writer_of(directory, replica="v1-eu-west-0", version="v1", region="eu-west", run="run-1") -> Writer:
    writer = Writer(directory, replica)
    writer.start(Run(replica, version, region, run, process_start=1000.0))
    return writer


def test_requests_after_the_last_scrape_of_an_ended_run_are_unscraped(tmp_path):
    writer = writer_of(tmp_path)
    writer.request(line(1))
    writer.request(line(2, Outcome.ERROR))
    writer.scrape(ScrapeLine(1003.0, upto=2))
    writer.request(line(3))
    writer.end(1004.0, -9)
    journal = read(tmp_path)
    assert journal.total.outcomes == Counter(stop=2, error=1)
    assert journal.scraped.outcomes == Counter(stop=1, error=1)
    assert journal.unscraped.outcomes == Counter(stop=1)


def test_in_a_run_that_goes_on_nothing_is_unscraped_yet(tmp_path):
    writer = writer_of(tmp_path)
    writer.request(line(1))
    journal = read(tmp_path)
    assert (journal.total.requests, journal.scraped.requests, journal.unscraped.requests) == (1, 0, 0)


def test_a_new_start_ends_the_run_before_it(tmp_path):
    writer = writer_of(tmp_path)
    writer.request(line(1))
    again = writer_of(tmp_path, run="run-2")
    again.request(line(2))
    again.scrape(ScrapeLine(1005.0, upto=1))
    journal = read(tmp_path)
    assert [run.ended for run in journal.runs] == [True, False]
    assert journal.totals("run", part=Part.UNSCRAPED)[("run-1",)].requests == 1
    assert journal.scraped.requests == 1


def test_a_scrape_shows_only_the_requests_that_its_page_held(tmp_path):
    writer = writer_of(tmp_path)
    writer.request(line(1))
    writer.request(line(2))
    writer.scrape(ScrapeLine(1002.0, upto=1))
    writer.end(1003.0, 0)
    assert read(tmp_path).scraped.requests == 1
    assert read(tmp_path).unscraped.requests == 1


def test_totals_are_grouped_by_what_is_asked_for(tmp_path):
    writer_of(tmp_path).request(line(1))
    writer_of(tmp_path, "v2-eu-west-0", "v2").request(line(1, Outcome.ERROR))
    writer_of(tmp_path, "v1-us-east-0", "v1", "us-east").request(line(1))
    journal = read(tmp_path)
    assert {key: totals.requests for key, totals in journal.totals("version").items()} == {("v1",): 2, ("v2",): 1}
    assert set(journal.totals("replica", "region")) == {
        ("v1-eu-west-0", "eu-west"),
        ("v2-eu-west-0", "eu-west"),
        ("v1-us-east-0", "us-east"),
    }


def test_totals_add_up_tokens_statuses_and_cells(tmp_path):
    writer = writer_of(tmp_path)
    writer.request(line(1, ttft=0.2))
    writer.request(line(2, Outcome.ABORT, ttft=None))
    total = read(tmp_path).total
    assert (total.prompt_tokens, total.generated_tokens) == (40, 20)
    assert total.statuses == Counter({200: 1})
    assert total.ttft[cell_of(TTFT, 0.2)] == 1
    assert sum(total.ttft) == 1
    assert total.itl[2] == 18
    assert sum(total.queue) == 2


def test_a_line_that_was_cut_short_is_left_out_and_what_follows_is_read(tmp_path):
    writer = writer_of(tmp_path)
    writer.request(line(1))
    with journal_path(tmp_path, "v1-eu-west-0").open("ab") as file:
        file.write(b'{"kind":"request","time":10')
    writer.end(1003.0, -9)
    writer_of(tmp_path, run="run-2").request(line(1))
    journal = read(tmp_path)
    assert journal.total.requests == 2
    assert journal.unscraped.requests == 1


def test_lines_are_on_disk_before_the_writer_is_closed(tmp_path):
    writer = writer_of(tmp_path)
    writer.refused(RefusedLine(1.0, "none", "GET", 404))
    assert read(tmp_path).runs[0].refused == [RefusedLine(1.0, "none", "GET", 404)]


def test_a_directory_without_a_journal_is_empty(tmp_path):
    assert read(tmp_path).total.requests == 0

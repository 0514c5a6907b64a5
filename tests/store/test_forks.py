"""A process that forks while it works on a ledger: parent and child both go on, and neither disturbs the other."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import LedgerError
from ledger.store import forks
from ledger.store.database import Database
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import finish, rows, start, value
from tests.helpers.sources import response

# Python 3.12 and later warn of any fork beside threads, which is what is tested here.
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

# How long a child may take before it counts as hung; it takes a second where nothing hangs.
WATCHDOG_SECONDS = 60
RECORDS = "SELECT count(*) FROM usage_records"


@pytest.fixture(autouse=True, scope="module")
def _show_where_a_child_hangs() -> Iterator[None]:
    faulthandler.register(signal.SIGUSR1)
    yield
    faulthandler.unregister(signal.SIGUSR1)


def fork(work: Callable[[], object]) -> int:
    """Fork a child that does the work and ends with 0, or with 1 where the work raises."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may get past the child's end into pytest
        traceback.print_exc()
    finally:
        os._exit(code)


def show_and_end(pid: int) -> None:
    """Have a child write where its threads are to standard error, and kill it."""
    os.kill(pid, signal.SIGUSR1)
    time.sleep(1)
    with suppress(ProcessLookupError):  # it may have ended meanwhile
        os.kill(pid, signal.SIGKILL)


@contextmanager
def watching(pid: int) -> Iterator[None]:
    """Ends a child that hangs, and says where it did."""
    watchdog = threading.Timer(WATCHDOG_SECONDS, show_and_end, (pid,))
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        watchdog.join()


def end_of(pid: int) -> int:
    """The child's exit code; one that hangs is killed and has -9."""
    with watching(pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def record(book: Ledger, name: str, number: int = 4) -> list[str]:
    """Record so many responses; their ids."""
    ids = [f"{name}-{n}" for n in range(number)]
    for each in ids:
        assert book.record(response(each)).status == "accepted"
    return ids


@contextmanager
def recording(book: Ledger) -> Iterator[list[str]]:
    """A thread that records one response after the other; their ids so far."""
    done: list[str] = []
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            done.extend(record(book, f"parent-{len(done)}", 1))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while not done:
            time.sleep(0.01)
        yield done
    finally:
        stop.set()
        thread.join()


@contextmanager
def inside(database: Database) -> Iterator[threading.Event]:
    """A thread inside a transaction, which it leaves once the event is set."""
    entered, leave = threading.Event(), threading.Event()

    def run() -> None:
        with database.writing():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=run)
    thread.start()
    entered.wait()
    try:
        yield leave
    finally:
        leave.set()
        thread.join()


def recorded(url: str) -> Counter[str]:
    return Counter(request_id for (request_id,) in rows(url, "SELECT request_id FROM usage_records"))


def expected(parent: list[str], children: int) -> Counter[str]:
    return Counter(parent) + Counter(f"child{child}-{n}" for child in range(children) for n in range(4))


# --- recording ------------------------------------------------------------------------------------------------------


def test_children_record_while_a_thread_of_the_parent_does(
    db_url: str, db_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Ledger(db_url)
    with recording(book) as done:
        for child in range(6):
            assert end_of(fork(lambda: record(book, f"child{child}"))) == 0  # noqa: B023 - run before the next turn
    done += record(book, "afterwards")
    assert recorded(db_url) == expected(done, 6)
    db_cli("verify").ok()


@pytest.mark.parametrize("opened", ["for each", "once"])
def test_ledgers_may_be_opened_and_closed_while_another_thread_forks(db_url: str, db_cli: Cli, opened: str) -> None:
    book, done, stop = Ledger(db_url), list[str](), threading.Event()

    def run() -> None:
        while not stop.is_set():
            own = Ledger(db_url) if opened == "for each" else book
            done.extend(record(own, f"parent-{len(done)}", 1))
            own._outbox._opened().close()  # a closed ledger would refuse to go on
            del own
            time.sleep(0.01)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        children = []
        for child in range(12):
            children.append(fork(lambda: record(book, f"child{child}")))  # noqa: B023 - the child begins at once
            time.sleep(0.05)
        assert [end_of(pid) for pid in children] == [0] * 12
    finally:
        stop.set()
        thread.join()
    assert recorded(db_url) == expected(done, 12)
    db_cli("verify").ok()


def test_children_record_at_the_same_time(db_url: str, db_cli: Cli) -> None:
    book = Ledger(db_url)
    context = multiprocessing.get_context("fork")
    with recording(book) as done:
        children = [context.Process(target=record, args=(book, f"child{child}")) for child in range(4)]
        for process in children:
            process.start()
        for process in children:
            assert process.pid
            with watching(process.pid):
                process.join()
        done_until_here = len(done)
        while len(done) < done_until_here + 2:
            time.sleep(0.01)
    assert [process.exitcode for process in children] == [0] * 4
    assert recorded(db_url) == expected(done, 4)
    db_cli("verify").ok()


def test_a_child_of_a_child_records(db_url: str, db_cli: Cli) -> None:
    book = Ledger(db_url)

    def work() -> None:
        record(book, "child0")
        assert end_of(fork(lambda: record(book, "child1"))) == 0

    with recording(book) as done:
        assert end_of(fork(work)) == 0
    assert recorded(db_url) == expected(done, 2)


def test_a_child_that_ends_as_programs_do_leaves_the_parent_s_connection_alone(db_url: str, tmp_path: Path) -> None:
    code = """
import os, sys, warnings
from ledger import Ledger
warnings.simplefilter("always", ResourceWarning)  # of connections that nobody closed
book = Ledger(sys.argv[1])
payload = {"object": "response", "model": "doubao-seed-2-0-pro-260215", "created_at": 1771486674, "status": "completed",
           "usage": {"input_tokens": 88, "output_tokens": 230, "total_tokens": 318}}
def record(name):
    assert book.record(payload | {"id": name}).status == "accepted"
record("before")
if pid := os.fork():
    assert os.waitpid(pid, 0)[1] == 0
    record("parent")
else:
    record("child")
    book.close()
"""
    returncode, _out, err = finish(start(code, [db_url], tmp_path))
    assert (returncode, err) == (0, "")
    assert recorded(db_url) == Counter(["before", "parent", "child"])


# --- a database used directly ---------------------------------------------------------------------------------------


def use(database: Database) -> None:
    """Each way into a database, once."""
    assert database.zone_name == "UTC"
    for enter in (database.reading, database.scratch, database.writing):
        with enter() as connection:
            connection.exec_driver_sql(RECORDS).scalar_one()


def test_every_way_into_a_database_is_safe_in_a_child(db_url: str) -> None:
    database, book = open_ledger(db_url), Ledger(db_url)
    with recording(book):
        for _ in range(4):
            assert end_of(fork(lambda: use(database))) == 0
            use(database)


def test_a_fork_waits_until_other_threads_have_left_their_transactions(db_url: str) -> None:
    database = open_ledger(db_url)
    with inside(database) as leave:
        timer = threading.Timer(0.3, leave.set)
        timer.start()
        child = fork(lambda: use(database) if leave.is_set() else os._exit(7))
        timer.join()
    assert end_of(child) == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs a list of the files that a process has open")
def test_a_child_has_no_file_of_sqlite_open(sqlite_url: str, tmp_path: Path) -> None:
    def opened() -> set[str]:
        return {str(file.resolve()) for file in Path("/proc/self/fd").iterdir() if "tollbook.db" in str(file.resolve())}

    database = open_ledger(sqlite_url)
    use(database)
    assert opened()

    def work() -> None:
        assert not opened()
        use(database)

    assert end_of(fork(work)) == 0
    use(database)


def backend(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def test_a_child_has_a_connection_of_its_own_and_leaves_the_parent_s_open(postgres_url: str) -> None:
    database = open_ledger(postgres_url)
    ours = backend(database)

    def work() -> None:
        assert backend(database) != ours
        database.close()

    assert end_of(fork(work)) == 0
    assert backend(database) == ours


def test_threads_of_parent_and_child_go_in_again_once_the_fork_is_done(db_url: str) -> None:
    database = open_ledger(db_url)

    def use_in_a_thread() -> None:
        thread = threading.Thread(target=use, args=(database,), daemon=True)
        thread.start()
        thread.join(WATCHDOG_SECONDS / 2)
        assert not thread.is_alive()

    assert end_of(fork(use_in_a_thread)) == 0
    use_in_a_thread()


def assert_readable_or_refused(database: Database) -> None:
    """A child reads what is PostgreSQL's; of SQLite in use at the fork it is refused."""
    if not database.is_sqlite:
        with database.reading() as connection:
            connection.exec_driver_sql(RECORDS).scalar_one()
        return
    with pytest.raises(LedgerError, match="forked while a SQLite ledger was in use"), database.reading():
        pass


def test_a_thread_that_stays_inside_holds_a_fork_up_for_a_while_only(
    db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "WAIT_SECONDS", 0.1)
    database, other = open_ledger(db_url), open_ledger(db_url)

    def work(generations: int) -> None:
        assert_readable_or_refused(database)
        assert_readable_or_refused(other)
        if generations:
            assert end_of(fork(lambda: work(generations - 1))) == 0

    with inside(database):
        assert end_of(fork(lambda: work(1))) == 0
    use(database)


def leave_by_what_is_raised(block: AbstractContextManager[object], last: Callable[[], object]) -> None:
    try:
        last()
    except BaseException as error:
        block.__exit__(type(error), error, error.__traceback__)
        raise


@pytest.mark.parametrize("way", ["reading", "scratch", "writing"])
def test_a_transaction_that_a_child_is_born_in_stays_the_parent_s(db_url: str, way: str) -> None:
    database = open_ledger(db_url)
    block = getattr(database, way)()

    def use_it() -> None:
        with pytest.raises(LedgerError, match="is the parent process's"):
            leave_by_what_is_raised(block, lambda: connection.exec_driver_sql(RECORDS))
        assert_readable_or_refused(database)

    def leave_it() -> None:
        block.__exit__(None, None, None)
        assert_readable_or_refused(database)

    connection = block.__enter__()
    if way == "writing":
        connection.exec_driver_sql("INSERT INTO ledger_settings VALUES ('mine', 'x')")
    for work in (use_it, leave_it):
        assert end_of(fork(work)) == 0
        assert connection.exec_driver_sql(RECORDS).scalar_one() == 0
    block.__exit__(None, None, None)
    assert value(db_url, "SELECT count(*) FROM ledger_settings WHERE value = 'x'") == (way == "writing")
    use(database)


def test_what_is_kept_is_never_let_go_of_not_even_at_the_end_of_the_process(tmp_path: Path) -> None:
    code = """
from ledger.store import forks
class Thing:
    def __init__(self, name): self.name = name
    def __del__(self): print(self.name, flush=True)
forks.keep(Thing("kept"))
thing = Thing("let go of")
del thing
"""
    assert finish(start(code, [], tmp_path)) == (0, "let go of\n", "")

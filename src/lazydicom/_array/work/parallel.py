"""Running independent jobs on all cores, or on one thread inside somebody else's task.

An interrupt may come at any call, and threads of `concurrent.futures` are given work under
locks that it leaves taken: who asks next then waits for ever. Here no lock is taken but by one
call or by `with` itself, and whatever waits for another thread can wait again.
"""

import atexit
import os
import threading
from collections import deque
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Sequence,
)
from contextlib import nullcontext, suppress
from functools import partial
from itertools import chain, islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from lazydicom._array.work.cores import cores, default_threads
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.per_process import available_cores, per_process
from lazydicom._bytes.ranges import MAX_BLOCK, MOST_REQUESTS, REQUESTS

if TYPE_CHECKING:
    from lazydicom._decode import samples
else:
    samples = deferred("lazydicom._decode.samples")

Job: TypeAlias = Callable[[], None]
T = TypeVar("T")


class Fetch(NamedTuple):
    """A job that waits for bytes, and gives the jobs that make something of them."""

    read: Callable[[], Sequence[Job]]
    nbytes: int = MAX_BLOCK
    """What it will hold until these are done; of small ones more are begun at once."""


def run(jobs: Iterable[Job | Fetch], *, threads: int | None, requests: int) -> None:
    """Run all jobs; the first error ends it.

    Parameters
    ----------
    jobs : iterable
        Independent of each other; fetches are begun in their order, and asked for as
        others end.
    threads : int, optional
        Threads that compute, by default one per core that is idle.
    requests : int
        Fetches of blocks under way at once: they wait, so cores say nothing about their
        number. Of small ones as many as hold the same bytes, up to `MOST_REQUESTS`.
    """
    with samples.at_most(1) if threads == 1 else nullcontext():
        waiting: list[Job] = []
        fetches = _fetches(jobs, waiting)
        first = next(fetches, None)
        if first is not None:
            _run_fetches(first, fetches, threads=threads, requests=requests)
        _run_jobs(waiting, threads=threads)


def _fetches(
    jobs: Iterable[Job | Fetch], others: list[Job]
) -> Generator[Fetch, None, None]:
    """Return the fetches one by one: some are only known once others came to their end."""
    try:
        for job in jobs:
            if isinstance(job, Fetch):
                yield job
            else:
                others.append(job)
    finally:  # it may have to let go of fetches that wait for each other
        if isinstance(jobs, Generator):
            jobs.close()


def _run_jobs(waiting: Sequence[Job], *, threads: int | None) -> None:
    """Work off a queue with helpers; to wake a thread for each job would cost more."""
    if not waiting:
        return
    with cores().calling():
        helpers = min(threads or default_threads(), len(waiting)) - 1
        helpers = min(helpers, cores().idle)
        if helpers < 1:
            for job in waiting:
                job()
            return
        _work_with(helpers, deque(waiting))


def _work_with(helpers: int, queue: deque[Job]) -> None:
    """Work off a queue on this thread and on others, as long as cores are idle for them."""
    pool, help_with = computing_pool(), cores().help_with
    work = partial(_work_off, queue)
    tasks = [Task(partial(help_with, work)) for _ in range(helpers)]

    def work_too() -> None:
        for task in tasks:
            pool.give(task.help)
        _work_off(queue, _always)

    finish(tasks, work_too, stop=queue.clear)
    for task in tasks:
        task.raise_error()


def _work_off(queue: deque[Job], goes_on: Callable[[], bool]) -> None:
    """Do jobs until none is left, one fails, or somebody else needs the core."""
    try:
        while goes_on() and (job := next_of(queue)) is not None:
            job()
    except BaseException:
        queue.clear()
        raise


def _always() -> bool:
    return True


def next_of(queue: deque[T]) -> T | None:
    """Take the first of a queue that several take from, ``None`` where it is empty."""
    try:
        return queue.popleft()
    except IndexError:
        return None


def _run_fetches(
    first: Fetch,
    fetches: Generator[Fetch, None, None],
    *,
    threads: int | None,
    requests: int,
) -> None:
    """Use what came while the rest is under way; no more than `requests` blocks are held."""
    pool, ahead = _fetching(), chain([first], fetches)
    most, most_bytes = max(requests, MOST_REQUESTS), requests * MAX_BLOCK
    running: dict[Task[Sequence[Job]], int] = {}
    ended: SimpleQueue[Task[Sequence[Job]]] = SimpleQueue()

    def begin() -> None:
        held = sum(running.values())
        while len(running) < most and (not running or held < most_bytes):
            fetch = next(ahead, None)
            if fetch is None:
                return
            task = Task(fetch.read, ended.put)
            running[task] = fetch.nbytes
            held += fetch.nbytes
            if not pool.give(task.help):
                task.help()

    def use_all() -> None:
        begin()
        while running:
            task = ended.get()
            _run_jobs(task.result(), threads=threads)
            del running[task]
            begin()

    finish(running, use_all, stop=fetches.close)


class Task(Generic[T]):
    """Work that a helper may begin, for which who gave it waits, or takes it back."""

    __slots__ = ("_claim", "_done", "_error", "_on_end", "_value", "has_ended", "work")

    def __init__(
        self,
        work: Callable[[], T],
        on_end: "Callable[[Task[T]], object] | None" = None,
    ) -> None:
        self.work = work
        self._on_end = on_end
        self._claim: dict[str, object] = {}
        self._done = threading.Lock()
        self._done.acquire()
        self.has_ended = False
        self._value: list[T] = []
        self._error: BaseException | None = None

    def help(self) -> None:
        """Do the work, unless it was taken back; who gave it gets what goes wrong."""
        if not self._is_for(object()):
            return
        try:
            self._value.append(self.work())
        except BaseException as error:  # noqa: BLE001 (raised by who gave it)
            self._error = error
        finally:
            self.has_ended = True
            self._done.release()
            if self._on_end is not None:
                self._on_end(self)

    def end(self) -> None:
        """Take the work back, or wait for who began it: he writes what is the caller's.

        After an interrupt, which may come when the wait is over, it can be called again.
        """
        if not self._is_for(self) and not self.has_ended:
            self._done.acquire()

    def raise_error(self) -> None:
        """Raise what went wrong, once the work has ended."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # it refers to this frame

    def result(self) -> T:
        """Return what came of the work, once it has ended; nobody else keeps it."""
        self.raise_error()
        return self._value.pop()

    def _is_for(self, who: object) -> bool:
        """Return whether who asks was the first to ask; it stays so."""
        return self._claim.setdefault("who", who) is who


def finish(
    tasks: Collection[Task[Any]],
    work: Callable[[], None],
    *,
    stop: Callable[[], object],
) -> None:
    """Do the caller's part; whatever happens, no task is being done afterwards.

    Parameters
    ----------
    tasks : collection of Task
        What helpers do; some may be added meanwhile.
    work : callable
        The caller's part.
    stop : callable
        Lets tasks come to their end soon. Ctrl-C while waiting for that changes nothing,
        unless it comes twice.
    """
    try:
        work()
    finally:
        try:
            _end(tasks, stop)
        except KeyboardInterrupt:
            _end(tasks, stop)
            raise


def _end(tasks: Collection[Task[Any]], stop: Callable[[], object]) -> None:
    stop()
    for task in list(tasks):
        task.end()


def results(
    jobs: Iterable[Callable[[], T]],
    *,
    threads: int,
    most: int,
    name: str,
    in_order: bool = False,
) -> Generator[T, None, None]:
    """Yield what jobs return as they end; at most so many wait or run at any time."""
    ahead, pool = iter(jobs), Helpers(threads, name)
    waiting: dict[Task[T], None] = {}
    ended: SimpleQueue[Task[T]] = SimpleQueue()
    try:
        while True:
            for job in islice(ahead, most - len(waiting)):
                task = Task(job, ended.put)
                waiting[task] = None
                if not pool.give(task.help):
                    task.help()
            if not waiting:
                return
            first = next(iter(waiting)) if in_order else ended.get()
            while not first.has_ended:
                ended.get()
            del waiting[first]
            yield first.result()
    finally:
        try:
            finish(waiting, pool.stop, stop=pool.stop)
            pool.end()
        finally:  # an interrupt comes here, too
            pool.stop()


def apart(work: Callable[[], T]) -> T:
    """Return what a function returns on another thread, where no interrupt comes.

    It would leave locks taken that libraries share, as those of an event loop: whoever
    waits for it goes on at once, and the function comes to its end by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    ended: SimpleQueue[Task[T]] = SimpleQueue()
    task = Task(work, ended.put)
    if not _apart().give(task.help):
        task.help()
    return ended.get().result()


class Helpers:
    """Threads of this process, so many at most; each begins when all others are at work."""

    __slots__ = ("_idle", "_lock", "_most", "_name", "_process", "_threads", "_work")

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle: deque[bool] = deque(maxlen=most)
        self._lock = threading.Lock()
        self._process = os.getpid()
        atexit.register(self.end)

    def give(self, work: Callable[[], object]) -> bool:
        """Let a thread do something soon; return whether there is one at all."""
        if len(self._threads) < self._most and next_of(self._idle) is None:
            self._begin()
        self._work.put(work)
        return bool(self._threads)

    def _begin(self) -> None:
        with self._lock:
            number = len(self._threads)
            if number == self._most:
                return
            name = f"{self._name}_{number}"
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system gives no more threads
                if isinstance(error.__context__, KeyboardInterrupt):
                    raise error.__context__ from None
            else:
                self._threads.append(thread)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            with suppress(BaseException):  # it is told by who does the work
                work()
            del work  # and what it holds
            self._idle.append(True)
        self._work.put(None)  # for the others

    def stop(self) -> None:
        """Let threads come to their end when they have done what they were given."""
        self._most = 0
        self._work.put(None)

    def end(self) -> None:
        """Stop, and wait for it: at the latest before the interpreter ends."""
        atexit.unregister(self.end)
        if self._process == os.getpid():
            self.stop()
            while self._threads:
                self._threads[-1].join()
                self._threads.pop()


@per_process
def memory_of_threads() -> threading.local:
    """Keep what each thread reads large frames into, which are decoded at once."""
    return threading.local()


@per_process
def computing_pool() -> Helpers:
    """Return threads that compute, one per core."""
    return Helpers(available_cores(), "lazydicom-job")


@per_process
def ahead_pool() -> Helpers:
    """Return threads that mostly wait for a network."""
    return Helpers(REQUESTS, "lazydicom-ahead")


@per_process
def _fetching() -> Helpers:
    return Helpers(MOST_REQUESTS, "lazydicom-fetch")


@per_process
def _apart() -> Helpers:
    return Helpers(REQUESTS, "lazydicom-apart")

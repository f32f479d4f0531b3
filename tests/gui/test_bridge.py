"""Functions posted from other threads run on the GUI thread, in order, without holding it up."""

from __future__ import annotations

import threading
import time

from ui.bridge import QtDispatcher


def test_posts_from_threads_run_on_the_gui_thread_in_order(qtbot) -> None:
    dispatcher = QtDispatcher()
    seen: list[tuple[int, int, threading.Thread]] = []

    def work(source: int) -> None:
        for number in range(500):
            dispatcher.post(lambda number=number: seen.append((source, number, threading.current_thread())))

    threads = [threading.Thread(target=work, args=(source,)) for source in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    qtbot.waitUntil(lambda: len(seen) == 2000)
    assert {thread for _, _, thread in seen} == {threading.main_thread()}
    for source in range(4):
        assert [number for origin, number, _ in seen if origin == source] == list(range(500))


def test_a_burst_lets_the_window_breathe(qtbot) -> None:
    from PySide6.QtCore import QTimer

    dispatcher = QtDispatcher()
    done: list[int] = []
    gaps: list[float] = []
    last = [time.monotonic()]
    timer = QTimer()
    timer.timeout.connect(lambda: (gaps.append(time.monotonic() - last[0]), last.__setitem__(0, time.monotonic())))
    timer.start(1)
    for number in range(200):
        dispatcher.post(lambda number=number: (time.sleep(0.001), done.append(number)))
    qtbot.waitUntil(lambda: len(done) == 200)
    timer.stop()
    assert len(gaps) > 10, "the timer ran between the portions"


def test_a_function_that_fails_does_not_stop_the_others(qtbot, caplog) -> None:
    dispatcher = QtDispatcher()
    done: list[int] = []
    dispatcher.post(lambda: 1 / 0)
    dispatcher.post(lambda: done.append(1))
    qtbot.waitUntil(lambda: done == [1])
    assert "a posted function failed" in caplog.text

"""The tests that every store has to pass, to be run with pytest on a store of one's own."""

from __future__ import annotations

import os
import select
import signal
import string
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable

from ..exceptions import StoreUnavailable
from .base import Store

#: Seconds: a lifetime that a test outlives, what has then to pass, and one that no test outlives.
#: Less than a second: a store that counts in whole seconds is noticed.
SHORT, AFTER_SHORT, LONG = 0.7, 0.75, 600.0

_ALL_CHARACTERS = string.ascii_letters + string.digits + "-_"
_LARGE = bytes(range(256)) * 400
#: Seconds until a thread or a process of a test must have come to its end.
_DEADLINE = 60.0


class StoreContract:
    """Subclass it in a test module, with two fixtures, and tell it how time passes::

        class TestFileStore(StoreContract):
            @pytest.fixture
            def store(self, tmp_path):  # fresh and empty
                return FileStore(tmp_path)

            @pytest.fixture
            def same(self, store, tmp_path):  # on the same data, as another worker has it
                return FileStore(tmp_path)

            def pass_time(self, seconds):
                time.sleep(seconds)

    For a store that is not shared, ``same`` is ``store``. ``pass_time`` moves the store's clock, if
    it has one; what is here is for one that has not.
    """

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    # Reading and writing.

    def test_a_fresh_store_has_nothing(self, store: Store) -> None:
        assert store.get_many(["a"]) == [None]

    def test_values_come_in_the_order_of_the_keys(self, store: Store) -> None:
        for key in "abc":
            store.put(key, key.encode(), LONG)
        assert store.get_many(["c", "absent", "a", "b"]) == [b"c", None, b"a", b"b"]

    def test_no_keys_have_no_values(self, store: Store) -> None:
        store.put("a", b"1", LONG)
        assert store.get_many([]) == []

    def test_a_key_that_is_asked_for_twice_has_its_value_twice(self, store: Store) -> None:
        store.put("a", b"1", LONG)
        assert store.get_many(("a", "b", "a", "b")) == [b"1", None, b"1", None]

    def test_ten_keys_are_read_at_once(self, store: Store) -> None:
        keys = [f"key-{number}" for number in range(10)]
        for key in keys[::2]:
            store.put(key, key.encode(), LONG)
        values = [key.encode() if number % 2 == 0 else None for number, key in enumerate(keys)]
        assert store.get_many(keys) == values

    def test_a_value_is_any_bytes(self, store: Store) -> None:
        values = [b"", b"\0", bytes(range(256)), b"\xff\xfe", b"None", b"1", b" a\r\n", _LARGE]
        for number, value in enumerate(values):
            store.put(f"put-{number}", value, LONG)
            assert store.put_if_absent(f"absent-{number}", value, LONG) is True
            store.put(f"set-{number}", b"before", LONG)
            assert store.compare_and_set(f"set-{number}", b"before", value, LONG) is True
        for way in ("put", "absent", "set"):
            found = store.get_many([f"{way}-{number}" for number in range(len(values))])
            assert found == values
            assert all(type(value) is bytes for value in found)

    def test_values_that_differ_in_one_byte_differ(self, store: Store) -> None:
        store.put("a", _LARGE, LONG)
        for other in (_LARGE[:-1], _LARGE + b"\0", _LARGE[:-1] + b"\0", b""):
            assert store.compare_and_set("a", other, b"new", LONG) is False
            assert store.delete("a", other) is False
        assert store.compare_and_set("a", _LARGE, b"new", LONG) is True

    def test_a_key_has_64_letters_digits_hyphens_and_underscores(self, store: Store) -> None:
        keys = [_ALL_CHARACTERS, _ALL_CHARACTERS.swapcase(), _ALL_CHARACTERS[:-1]]
        keys += ["-", "_", "a", "A", "0", "-" * 64, "_" * 64, "_" * 63]
        for number, key in enumerate(keys):
            assert store.put_if_absent(key, b"%d" % number, LONG) is True
        assert store.get_many(keys) == [b"%d" % number for number in range(len(keys))]

    def test_put_replaces_what_was_there(self, store: Store) -> None:
        store.put("a", _LARGE, LONG)
        store.put("a", b"", LONG)
        assert store.get_many(["a"]) == [b""]

    # Writing on a condition.

    def test_put_if_absent_sets_an_absent_key_only(self, store: Store) -> None:
        assert store.put_if_absent("a", b"1", LONG) is True
        assert store.put_if_absent("a", b"2", LONG) is False
        assert store.put_if_absent("a", b"1", LONG) is False
        assert store.get_many(["a"]) == [b"1"]

    def test_compare_and_set_with_none_sets_an_absent_key_only(self, store: Store) -> None:
        assert store.compare_and_set("a", None, b"1", LONG) is True
        assert store.compare_and_set("a", None, b"2", LONG) is False
        assert store.get_many(["a"]) == [b"1"]

    def test_compare_and_set_replaces_the_value_that_was_expected(self, store: Store) -> None:
        store.put("a", b"1", LONG)
        assert store.compare_and_set("a", b"1", b"2", LONG) is True
        assert store.compare_and_set("a", b"1", b"3", LONG) is False
        assert store.get_many(["a"]) == [b"2"]

    def test_compare_and_set_may_set_the_same_value_again(self, store: Store) -> None:
        store.put("a", b"1", LONG)
        assert store.compare_and_set("a", b"1", b"1", LONG) is True

    def test_compare_and_set_does_not_make_an_absent_key(self, store: Store) -> None:
        assert store.compare_and_set("a", b"1", b"2", LONG) is False
        assert store.compare_and_set("a", b"", b"2", LONG) is False
        assert store.get_many(["a"]) == [None]

    def test_an_empty_value_is_not_an_absent_one(self, store: Store) -> None:
        store.put("a", b"", LONG)
        assert store.put_if_absent("a", b"1", LONG) is False
        assert store.compare_and_set("a", b"", b"1", LONG) is True
        assert store.delete("a", b"") is False
        assert store.get_many(["a"]) == [b"1"]

    def test_what_is_done_to_one_key_is_not_done_to_another(self, store: Store) -> None:
        for key in "abc":
            store.put(key, b"1", LONG)
        assert store.compare_and_set("a", b"1", b"2", LONG) is True
        assert store.delete("b") is True
        assert store.get_many(["a", "b", "c"]) == [b"2", None, b"1"]

    # Deleting.

    def test_delete_says_whether_the_key_was_there(self, store: Store) -> None:
        store.put("a", b"1", LONG)
        assert store.delete("a") is True
        assert store.delete("a") is False
        assert store.get_many(["a"]) == [None]

    def test_delete_takes_the_expected_value_only(self, store: Store) -> None:
        store.put("a", b"1", LONG)
        assert store.delete("a", b"2") is False
        assert store.get_many(["a"]) == [b"1"]
        assert store.delete("a", b"1") is True
        assert store.delete("a", b"1") is False
        assert store.get_many(["a"]) == [None]

    def test_a_deleted_key_can_be_set_again(self, store: Store) -> None:
        store.put("a", b"1", LONG)
        store.delete("a")
        assert store.compare_and_set("a", b"1", b"2", LONG) is False
        assert store.put_if_absent("a", b"2", LONG) is True
        assert store.get_many(["a"]) == [b"2"]

    # Lifetimes.

    def test_a_key_is_there_for_its_lifetime_and_not_longer(self, store: Store) -> None:
        store.put("put", b"1", SHORT)
        assert store.get_many(["put"]) == [b"1"]
        store.put_if_absent("absent", b"1", SHORT)
        store.put("set", b"0", LONG)
        store.compare_and_set("set", b"0", b"1", SHORT)
        store.put("long", b"1", LONG)
        assert store.get_many(["absent", "set", "long"]) == [b"1", b"1", b"1"]
        self.pass_time(AFTER_SHORT)
        assert store.get_many(["put", "absent", "set", "long"]) == [None, None, None, b"1"]

    def test_after_its_lifetime_a_key_is_as_one_that_never_was(self, store: Store) -> None:
        for key in ("set", "absent", "delete", "take", "put"):
            store.put(key, b"1", SHORT)
        self.pass_time(AFTER_SHORT)
        assert store.compare_and_set("set", b"1", b"2", LONG) is False
        assert store.put_if_absent("absent", b"2", LONG) is True
        assert store.delete("delete") is False
        assert store.delete("take", b"1") is False
        store.put("put", b"2", LONG)
        values = store.get_many(["set", "absent", "delete", "take", "put"])
        assert values == [None, b"2", None, None, b"2"]

    def test_a_write_sets_the_lifetime_anew(self, store: Store) -> None:
        store.put("put-longer", b"1", SHORT)
        store.put("put-longer", b"2", LONG)
        store.put("set-longer", b"1", SHORT)
        store.compare_and_set("set-longer", b"1", b"2", LONG)
        store.put("put-shorter", b"1", LONG)
        store.put("put-shorter", b"2", SHORT)
        store.put("set-shorter", b"1", LONG)
        store.compare_and_set("set-shorter", b"1", b"2", SHORT)
        self.pass_time(AFTER_SHORT)
        values = store.get_many(["put-longer", "set-longer", "put-shorter", "set-shorter"])
        assert values == [b"2", b"2", None, None]

    def test_a_write_that_is_not_done_leaves_the_lifetime_as_it_was(self, store: Store) -> None:
        store.put("a", b"1", SHORT)
        store.put_if_absent("a", b"2", LONG)
        store.compare_and_set("a", b"wrong", b"2", LONG)
        store.take_lease("a", b"2", LONG)
        store.delete("a", b"wrong")
        self.pass_time(AFTER_SHORT)
        assert store.get_many(["a"]) == [None]

    # Leases.

    def test_a_lease_is_taken_once(self, store: Store, same: Store) -> None:
        assert store.take_lease("lease", b"one", LONG) is True
        assert same.take_lease("lease", b"other", LONG) is False
        assert store.take_lease("lease", b"one", LONG) is False

    def test_a_lease_is_released_by_its_owner_only(self, store: Store, same: Store) -> None:
        store.take_lease("lease", b"one", LONG)
        assert same.release_lease("lease", b"other") is False
        assert same.take_lease("lease", b"other", LONG) is False
        assert store.release_lease("lease", b"one") is True
        assert store.release_lease("lease", b"one") is False
        assert same.take_lease("lease", b"other", LONG) is True

    def test_a_lease_is_free_after_its_lifetime(self, store: Store, same: Store) -> None:
        store.take_lease("lease", b"one", SHORT)
        self.pass_time(AFTER_SHORT)
        assert same.take_lease("lease", b"other", LONG) is True
        assert store.release_lease("lease", b"one") is False
        assert store.take_lease("lease", b"one", LONG) is False
        assert same.release_lease("lease", b"other") is True

    # Several workers.

    def test_what_one_object_writes_the_other_sees_at_once(self, store: Store, same: Store) -> None:
        assert same.get_many(["a"]) == [None]
        store.put("a", b"1", LONG)
        assert same.get_many(["a"]) == [b"1"]
        assert same.put_if_absent("a", b"2", LONG) is False
        assert same.compare_and_set("a", b"1", b"2", LONG) is True
        assert store.get_many(["a"]) == [b"2"]
        assert store.delete("a") is True
        assert same.get_many(["a"]) == [None]

    def test_of_many_threads_one_sets_an_absent_key(self, store: Store, same: Store) -> None:
        for turn in range(10):
            winners: list[int] = []

            def put(number: int, key: str = f"key-{turn}", won: list[int] = winners) -> None:
                which = (store, same)[number % 2]
                if which.put_if_absent(key, b"%d" % number, LONG):
                    won.append(number)

            _in_threads(put, 8)
            assert len(winners) == 1
            assert store.get_many([f"key-{turn}"]) == [b"%d" % winners[0]]

    def test_of_many_threads_one_replaces_a_value(self, store: Store, same: Store) -> None:
        for turn in range(10):
            store.put("a", b"before", LONG)
            winners: list[int] = []

            def replace(number: int, won: list[int] = winners) -> None:
                which = (store, same)[number % 2]
                if which.compare_and_set("a", b"before", b"%d" % number, LONG):
                    won.append(number)

            _in_threads(replace, 8)
            assert len(winners) == 1, turn
            assert store.get_many(["a"]) == [b"%d" % winners[0]]

    def test_of_many_threads_one_deletes_a_key(self, store: Store, same: Store) -> None:
        for turn in range(10):
            store.put("a", b"1", LONG)
            winners: list[int] = []

            def delete(number: int, won: list[int] = winners) -> None:
                which = (store, same)[number % 2]
                if which.delete("a", (None, b"1")[number // 2 % 2]):
                    won.append(number)

            _in_threads(delete, 8)
            assert len(winners) == 1, turn

    def test_no_increment_of_many_threads_is_lost(self, store: Store, same: Store) -> None:
        def increment(number: int) -> None:
            which = (store, same)[number % 2]
            for _ in range(50):
                done = False
                while not done:
                    (value,) = which.get_many(["counter"])
                    new = b"%d" % (int(value or 0) + 1)
                    done = which.compare_and_set("counter", value, new, LONG)

        _in_threads(increment, 4)
        assert store.get_many(["counter"]) == [b"200"]

    def test_a_forked_process_may_go_on_with_it(self, store: Store) -> None:
        if not hasattr(os, "fork"):
            return
        store.put("a", b"parent", LONG)

        def child() -> bool:
            used = store.get_many(["a"]) == [b"parent"]
            used = used and store.compare_and_set("a", b"parent", b"child", LONG)
            return used and store.get_many(["a"]) == [b"child"]

        assert _in_forked_process(child)
        expected = b"child" if store.is_shared else b"parent"
        assert store.get_many(["a"]) == [expected]
        assert store.compare_and_set("a", expected, b"parent again", LONG) is True
        assert store.get_many(["a"]) == [b"parent again"]

    # Closing.

    def test_it_can_be_used_after_it_was_closed(self, store: Store, same: Store) -> None:
        store.close()
        store.put("a", b"1", LONG)
        store.close()
        store.close()
        assert same.get_many(["a"]) == [b"1"]
        assert store.get_many(["a"]) == [b"1"]
        assert store.compare_and_set("a", b"1", b"2", LONG) is True

    def test_closing_it_while_others_use_it_breaks_nothing(self, store: Store) -> None:
        store.put("a", b"1", LONG)
        ended = threading.Event()

        def use(number: int) -> None:
            if number == 0:
                try:
                    for _ in range(200):
                        store.close()
                finally:
                    ended.set()
            while not ended.is_set():
                try:
                    assert store.get_many(["absent", "a"]) == [None, b"1"]
                    store.put(f"key-{number}", b"%d" % number, LONG)
                    assert store.get_many([f"key-{number}"]) == [b"%d" % number]
                except StoreUnavailable:
                    continue  # what was under way may be broken off

        _in_threads(use, 4)
        assert store.get_many(["a"]) == [b"1"]


def _in_threads(work: Callable[[int], object], count: int) -> None:
    """Run ``work(0)`` … ``work(count - 1)`` at once; what one of them raises is raised here."""
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(_DEADLINE)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    # So often do they take turns that one gets between two steps of another.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_DEADLINE)
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"


def _in_forked_process(work: Callable[[], bool], deadline: float = _DEADLINE) -> bool:
    """Whether ``work`` returns True in a child of this process, in time."""
    receiver, sender = os.pipe()
    with warnings.catch_warnings():
        # A child of a process with threads may only do little; what it does here is little.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.write(sender, b"+" if work() else b"-")
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(sender)
    try:
        ready, _, _ = select.select([receiver], [], [], deadline)
        return bool(ready) and os.read(receiver, 1) == b"+"
    finally:
        os.close(receiver)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

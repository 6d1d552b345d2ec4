"""What a session costs: ``python -m tests.benchmarks`` (``make bench``). No part of the tests."""

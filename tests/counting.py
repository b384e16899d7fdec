"""An engine whose work can be counted."""

import time

from ds4_core import Engine


class CountingEngine(Engine):
    """ds4-tiny, with nothing of it kept for later requests, so that every request computes its prompt."""

    def __init__(self):
        super().__init__("ds4-tiny", prefix_bytes_max=0)
        self.open()
        self._n_layer = self.info.n_layer
        self._idle = self.memory_used().session_state

    @property
    def forwards(self):
        """Forward passes of the native engine since it was opened; other handles share it."""
        return self.layers_computed // self._n_layer

    @property
    def is_idle(self):
        """Whether no session holds memory."""
        return self.memory_used().session_state <= self._idle + self.state_bytes_kept

    @property
    def state_bytes_kept(self):
        """One state is kept for the next session when none is in use."""
        return self._shared().state_bytes

    def settled(self):
        """How many forwards there were when the last session was freed. A generation that goes on makes this fail."""
        deadline = time.monotonic() + 120
        while not self.is_idle:
            assert time.monotonic() < deadline, "a session stays"
        return self.forwards

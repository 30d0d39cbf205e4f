#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""smtp_sink.py by itself: sink.py [ADDRESS=SCRIPT ...] prints its port."""
import signal
import sys

import smtp_sink

sink = smtp_sink.Sink([word.split("=", 1) for word in sys.argv[1:]])
print(sink.port, flush=True)
signal.pause()

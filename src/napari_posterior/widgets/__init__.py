"""The docks, and how jobs run beside them: the only room that brings in Qt.

`session.session` finds what belongs to a viewer; docks show its state and own none. Everything
here lives in the main thread, and torch is not imported before something computes.
"""

from __future__ import annotations

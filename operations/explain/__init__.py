"""Why a post is, or is not, in a viewer's home timeline: gate by gate, for staff.

A gate is a condition that a post passes on its way from its author to the viewer. The gates tell
what SQL says should be (`expected`). What the next read would answer (`shown`) comes from the code
of that read itself. Nothing is written: no timeline is built and none lives longer. All reads go to
the primaries. CACHE down: reads come from SQL, and the explanation says so.
"""

from operations.explain.gates import Gate, State
from operations.explain.report import Explanation, explain_home

__all__ = ["Explanation", "Gate", "State", "explain_home"]

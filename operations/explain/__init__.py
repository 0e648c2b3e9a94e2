"""Why a post is, or is not, in a viewer's home timeline: gate by gate, for staff.

A gate is a condition that a post passes on its way from its author to the viewer. `expected`:
whether SQL says that the timeline has the post. `shown`: whether the next read answers it, by the
code of that read. It writes nothing: it builds no timeline, and extends the life of none. All reads
go to the primaries. CACHE down: reads come from SQL, and the explanation says so.
"""

"""Settings, all from the environment, each documented in `.env.example`.

Without any variable, these are the settings of the local stack: the bundled servers at the
addresses of `devstack.layout`. `SOCIALFEED_ENV=production` has no unsafe default, and does not
start until its secrets and addresses are set.

Here is every setting, and nothing else: names of helpers begin with an underscore, so that
`import *` leaves them out.
"""

from socialfeed.settings.accounts import *
from socialfeed.settings.api import *
from socialfeed.settings.core import *
from socialfeed.settings.cors import *
from socialfeed.settings.environment import *
from socialfeed.settings.limits import *
from socialfeed.settings.logs import *
from socialfeed.settings.pages import *
from socialfeed.settings.security import *
from socialfeed.settings.stores import *
from socialfeed.settings.tasks import *

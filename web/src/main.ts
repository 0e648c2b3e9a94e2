// Asks for the session and for home, and loads the client meanwhile.

import "./api/early";

void import("./start");

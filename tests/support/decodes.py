"""What becomes of a file that a media worker has received."""

import tempfile

from media.decoder import Report
from media.decoding import decode_file
from media.sandbox import finished
from media.variants import Processed


def decode(content: bytes) -> tuple[Processed, list[Report]]:
    """What becomes of a file, and what the decoder took."""
    reports: list[Report] = []
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return finished(decode_file(file, on_report=reports.append)), reports

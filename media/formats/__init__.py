"""Decodes pictures of each format, as far as they are there. Pillow, no Django, no storage.

Of a picture that is cut off, ENOUGH (`media.structure.limits`) must be there. That is measured,
because decoders fill what is missing and some say nothing:

- JPEG: the data of its scans. A scan that breaks off has brought the picture down to some row of
  blocks; the data that it lacks is estimated from that. So one row counts as much as another if
  there is one scan; in a progressive picture, a scan counts by its bytes. If scans are missing
  altogether, nobody knows how many bytes they had: such a picture is refused.
- PNG: the rows, in an interlaced one the pixels of all passes. If more than its last pass is
  incomplete, it is refused.
- WebP: the bytes of the pixels, whose number is written before them.

What is missing becomes flat: grey or the last colour in a JPEG or WebP, white in a PNG. Metadata
behind the pixels that are cut off, and checksums, do not matter.
"""

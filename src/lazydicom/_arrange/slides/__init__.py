"""Whole-slide images: instances of tiles become the levels of one image (PS3.3 A.32.8).

`facts` reads what an instance says of its tiles, `alike` refuses instances that do not lie on
each other, `tiles` finds the place of every tile and
refuses what contradicts, `levels` makes arrays with coordinates in mm. Nothing here opens a
file (`_open.slide` does) or reads a pixel. Read `facts` first.
"""

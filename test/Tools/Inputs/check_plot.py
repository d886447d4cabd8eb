"""check_plot.py PLAN.svg: the picture's buffers fit their arenas, and those alive together do not overlap."""
import re
import sys
import xml.etree.ElementTree

SVG = "{http://www.w3.org/2000/svg}"
panels = []
for element in xml.etree.ElementTree.parse(sys.argv[1]).getroot():
    if element.tag == SVG + "text" and "dispatches, arena" in element.text:
        dispatches, arena = map(int, re.search(r": (\d+) dispatches, arena (\d+) bytes", element.text).groups())
        panels.append((element.text, dispatches, arena, []))
    elif element.get("class") == "buffer":
        numbers = re.search(r"bytes (\d+)\.\.(\d+), dispatches (\d+)\.\.(\d+)", element.find(SVG + "title").text)
        panels[-1][3].append(tuple(map(int, numbers.groups())))
for text, dispatches, arena, buffers in panels:
    for i, (begin, end, first, last) in enumerate(buffers):
        if not (begin < end <= arena and first <= last < dispatches):
            sys.exit(f"{text}: a buffer lies outside")
        for other in buffers[:i]:
            if begin < other[1] and other[0] < end and first <= other[3] and other[2] <= last:
                sys.exit(f"{text}: buffers {(begin, end, first, last)} and {other} overlap")
print(f"{len(panels)} panels, {sum(len(b) for *_, b in panels)} buffers, none overlap")

"""Shrinking a polygon by a whole number of pixels, round joins, integer result: the kernel labels of PAN++.

The labels are defined by the Clipper library's polygon offset (A. Johnson; the method is that of Chen and McMains,
"Polygon offsetting by computing winding numbers", 2005): every edge is moved inwards, the moved edges are joined into
one closed path, with arcs at reflex corners, and what remains is the region which that path winds round at least once.

Here that region is found directly: cut the path's edges where they meet, keep the pieces that have winding number >= 1
on one side only, link them. What needs care is rounding. The library sweeps a line over the path and knows positions
on it in whole pixels only, so crossings are rounded in a certain order of operations, and an edge that passes a corner
by less than a rounding is taken to pass through it; `Edges` and `Sweep` say when. Compared with the library itself on
annotated words at two scales each: 2 of 23 772 of ICDAR 2015 differ and 20 of 8 000 of Total-Text, by some 10 pixels.
"""
import math

import numpy as np

ARC_TOLERANCE = 0.25
SIDE_STEP = 1e-4  # how far from an edge its two sides are probed
GRID = 1e6  # intersection points nearer than 1 / GRID are one


def round_half_away(x):
    return np.where(x < 0, np.ceil(x - 0.5), np.floor(x + 0.5))


def shoelace(polygon):
    """Signed area (positive: counter-clockwise with y upwards)."""
    x, y = polygon[:, 0], polygon[:, 1]
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def without_repeats(points):
    keep = (points != np.roll(points, 1, axis=0)).any(1)
    return points[keep]


def arc_points(corner, start, end, sine, delta):
    """Points of the round join at a reflex corner; `start` and `end` are the unit normals of its two edges."""
    tolerance = min(ARC_TOLERANCE, abs(delta) * 0.25)
    steps_per_turn = min(math.pi / math.acos(1 - tolerance / abs(delta)), abs(delta) * math.pi)
    angle = math.atan2(sine, float(np.dot(start, end)))
    steps = max(int(steps_per_turn / (2 * math.pi) * abs(angle) + 0.5), 1)
    turns = -2 * math.pi / steps_per_turn * np.arange(steps)
    spokes = np.stack([start[0] * np.cos(turns) - start[1] * np.sin(turns),
                       start[0] * np.sin(turns) + start[1] * np.cos(turns)], axis=1)
    return [*(corner + spokes * delta), corner + end * delta]


def raw_offset(polygon, delta):
    """The joined path of the moved edges, rounded to integers. `polygon`: counter-clockwise, no repeated points."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.hypot(edges[:, 0], edges[:, 1])[:, None]
    path = []
    before = normals[-1]
    for corner, after in zip(polygon, normals):
        sine = float(before[0] * after[1] - after[0] * before[1])
        if abs(sine * delta) < 1.0:
            if np.dot(before, after) > 0:  # nearly straight: one point, and the earlier edge's normal stays in force
                path.append(corner + before * delta)
                continue
        else:
            sine = min(1.0, max(-1.0, sine))
        if sine * delta < 0:
            path += [corner + before * delta, corner, corner + after * delta]
        else:
            path += arc_points(corner, before, after, sine, delta)
        before = after
    return round_half_away(np.array(path))


class Edges:
    """The path's edges as lines x = slope * y + offset; `lower` is the end with the larger y.

    Coordinates that are a half within the rounding of doubles are common here, so the order of the operations in the
    methods is part of the definition.
    """

    def __init__(self, path):
        self.step = np.roll(path, -1, axis=0) - path
        with np.errstate(divide='ignore', invalid='ignore'):
            self.slope = self.step[:, 0] / self.step[:, 1]
            self.lower = np.where((self.step[:, 1] > 0)[:, None], path + self.step, path)
            self.offset = self.lower[:, 0] - self.lower[:, 1] * self.slope

    def x_at(self, edge, y):
        """x where edges pass the height y, rounded as the sweep line rounds it."""
        return self.lower[edge, 0] + round_half_away(self.slope[edge] * (y - self.lower[edge, 1]))

    def crossing(self, i, j):
        """The crossing of edges i and j (arrays of numbers), rounded to integers."""
        with np.errstate(divide='ignore', invalid='ignore'):
            y = (self.offset[j] - self.offset[i]) / (self.slope[i] - self.slope[j])
            steeper = np.where(np.abs(self.slope[i]) < np.abs(self.slope[j]), i, j)
            x = self.slope[steeper] * y + self.offset[steeper]
            for one, other in ((i, j), (j, i)):
                vertical = self.step[one, 0] == 0
                own_x = self.lower[one, 0]
                y_offset = self.lower[other, 1] - self.lower[other, 0] / self.slope[other]
                x = np.where(vertical, own_x, x)
                y = np.where(vertical, own_x / self.slope[other] + y_offset, y)
            for one, other in ((i, j), (j, i)):
                level = self.step[one, 1] == 0
                x = np.where(level, self.x_at(other, self.lower[one, 1]), x)
                y = np.where(level, self.lower[one, 1], y)
        return round_half_away(np.stack([x, y], axis=1))


def proper_crossings(start, step):
    """Pairs of edges that cross: numbers i < j, and the parameters 0...1 of the crossing on each, ends included."""
    i, j = np.triu_indices(len(start), 1)
    between = start[j] - start[i]
    cross = step[i, 0] * step[j, 1] - step[i, 1] * step[j, 0]
    with np.errstate(divide='ignore', invalid='ignore'):
        t = (between[:, 0] * step[j, 1] - between[:, 1] * step[j, 0]) / cross
        u = (between[:, 0] * step[i, 1] - between[:, 1] * step[i, 0]) / cross
    meet = (cross != 0) & (t >= 0) & (t <= 1) & (u >= 0) & (u <= 1)
    return i[meet], j[meet], t[meet], u[meet]


class Sweep:
    """What a sweep line that goes from large y to small, stopping at every vertex, makes of the crossings of a path.

    At each stop it knows the edges' x rounded only. It notices that two edges have crossed at the first stop where
    these differ, and then takes the crossing to be no lower than the stop before.
    """

    def __init__(self, path, edges):
        self.path, self.edges = path, edges
        self.stops = np.unique(path[:, 1])[::-1].tolist()
        following = np.roll(path, -1, axis=0)
        self.top = np.where((following[:, 1] < path[:, 1])[:, None], following, path).tolist()
        count = len(path)
        rising = edges.step[:, 1] < 0
        # the edge that goes on upwards where an edge ends, if any
        self.onward = [(k + 1) % count if rising[k] and rising[(k + 1) % count] else
                       k - 1 if edges.step[k, 1] > 0 and edges.step[k - 1, 1] > 0 else None for k in range(count)]

    def shared_points(self, one, other, y):
        """Two edges cross at height y. The points, in order, at which the sweep takes them, or the edges that go on
        from them, to be one: (point, edge, other edge). None are returned if that makes no difference."""
        points = []
        first = (one, other)
        for stop in self.stops:
            if stop > y:
                continue
            x = float(self.edges.x_at(one, stop))
            if x != self.edges.x_at(other, stop):
                break
            points.append(((x, stop), one, other))
            pair = tuple(edge if self.top[edge][1] < stop else self.onward[edge] for edge in (one, other))
            if None in pair:
                return points
            one, other = pair
        if (one, other) == first and points and math.floor(y + 0.5) <= points[-1][0][1]:
            return []
        return points

    def passes(self, edge, y):
        return self.top[edge][1] < y < self.edges.lower[edge, 1]

    def detours(self):
        """For each edge the points it has to be led through so that it meets others where the sweep says so."""
        through = {}
        for one, other, t, u in zip(*(array.tolist() for array in proper_crossings(self.path, self.edges.step))):
            if not (0 < t < 1 and 0 < u < 1) or self.edges.step[one, 1] == 0 or self.edges.step[other, 1] == 0:
                continue
            y = self.path[one, 1] + t * self.edges.step[one, 1]
            for point, first, second in self.shared_points(one, other, y):
                for edge in (first, second):
                    if self.passes(edge, point[1]):
                        through.setdefault(edge, set()).add(point)
            for passing, met in ((one, other), (other, one)):
                point = tuple(self.edges.lower[met].tolist())
                if (self.starts_at_lowest(met) and self.passes(passing, point[1])
                        and self.edges.x_at(passing, point[1]) == point[0]):
                    through.setdefault(passing, set()).add(point)
        return through

    def starts_at_lowest(self, edge):
        """Whether the lower end of an edge is a lowest point of the path: there, edges are put in order by where they
        go, and one that passes by is taken to go through the point."""
        return edge not in self.onward


def bend(path, edges):
    """Leads edges through the points where the sweep takes them to meet others. Returns the longer path and for each of
    its edges the number of the edge it is part of."""
    through = Sweep(path, edges).detours()
    points, parents = [], []
    for k, start in enumerate(path):
        extra = sorted(through.get(k, ()), key=lambda point: abs(point[1] - start[1]))
        points += [start, *extra]
        parents += [k] * (1 + len(extra))
    return np.array(points), np.array(parents)


def crossings(path, parents, edges):
    """Where the edges of a path meet: for each edge a list of (parameter 0...1, meeting).

    A meeting is (the two edges' numbers, the rounded point), or None if the point is an end of one of the edges and so
    an integer already.
    """
    step = np.roll(path, -1, axis=0) - path
    cuts = [[(0.0, None), (1.0, None)] for _ in range(len(path))]
    i, j, t, u = proper_crossings(path, step)
    rounded = map(tuple, edges.crossing(parents[i], parents[j]))
    for a, b, at, bt, point in zip(i.tolist(), j.tolist(), t.tolist(), u.tolist(), rounded):
        inner = 0 < at < 1 and 0 < bt < 1
        meeting = (frozenset((parents[a], parents[b])), point) if inner else None
        cuts[a].append((at, meeting))
        cuts[b].append((bt, meeting))
    i, j = np.triu_indices(len(path), 1)
    between = path[j] - path[i]
    collinear = ((step[i, 0] * step[j, 1] == step[i, 1] * step[j, 0])
                 & (between[:, 0] * step[i, 1] == between[:, 1] * step[i, 0]))
    for a, b in zip(i[collinear], j[collinear]):
        for one, other in ((a, b), (b, a)):  # the other's ends cut this one
            for end in (path[other], path[other] + step[other]):
                at = float(np.dot(end - path[one], step[one]) / np.dot(step[one], step[one]))
                if 0 < at < 1:
                    cuts[one].append((at, None))
    return cuts


class Pieces:
    """The edges of a path cut where they meet: start and end points on the merging grid, the number of the path's
    edge each is part of, and the rounded form of the points that are not integers, by point and by pair of edges."""

    def __init__(self, path):
        edges = Edges(path)
        self.path, bent_parents = bend(path, edges)
        step = np.roll(self.path, -1, axis=0) - self.path
        starts, ends, parents, self.rounded = [], [], [], {}
        for origin, direction, parent, cuts in zip(self.path, step, bent_parents,
                                                   crossings(self.path, bent_parents, edges)):
            cuts.sort(key=lambda cut: cut[0])
            points = np.round((origin + np.array([t for t, _ in cuts])[:, None] * direction) * GRID)
            for point, (_, meeting) in zip(points / GRID, cuts):
                if meeting is not None:
                    self.rounded.setdefault(tuple(point), {}).update([meeting])
            different = (points[1:] != points[:-1]).any(1)
            starts.append(points[:-1][different])
            ends.append(points[1:][different])
            parents.append(np.full(different.sum(), parent))
        self.start, self.end = np.concatenate(starts) / GRID, np.concatenate(ends) / GRID
        self.parent = np.concatenate(parents).tolist()

    def integer(self, point, one, other):
        """The rounded form of a point where the path's edges `one` and `other` meet."""
        forms = self.rounded.get(point)
        if forms is None:
            return point
        return forms.get(frozenset((one, other))) or next(iter(forms.values()))


def winding_numbers(path, points):
    """How often the closed path turns round each point (points on no edge)."""
    a, b = path[None], np.roll(path, -1, axis=0)[None]
    x, y = points[:, None, 0], points[:, None, 1]
    side = (b[..., 0] - a[..., 0]) * (y - a[..., 1]) - (x - a[..., 0]) * (b[..., 1] - a[..., 1])
    up = (a[..., 1] <= y) & (b[..., 1] > y) & (side > 0)
    down = (a[..., 1] > y) & (b[..., 1] <= y) & (side < 0)
    return up.sum(1) - down.sum(1)


def boundary(pieces):
    """Directed edges that bound the region of winding number >= 1, which lies to their left.

    Returns {(from, to): numbers of the path's edges they are part of}, more than one where edges coincide.
    """
    direction = pieces.end - pieces.start
    left = np.stack([-direction[:, 1], direction[:, 0]], axis=1) / np.hypot(direction[:, 0], direction[:, 1])[:, None]
    middle = (pieces.start + pieces.end) / 2
    inside_left = winding_numbers(pieces.path, middle + SIDE_STEP * left) >= 1
    inside_right = winding_numbers(pieces.path, middle - SIDE_STEP * left) >= 1
    edges = {}
    rows = zip(map(tuple, pieces.start), map(tuple, pieces.end), pieces.parent, inside_left, inside_right)
    for a, b, parent, to_left, to_right in rows:
        if to_left and not to_right:
            edges.setdefault((a, b), set()).add(parent)
        elif to_right and not to_left:
            edges.setdefault((b, a), set()).add(parent)
    return edges


def way_on(edges, previous, vertex, candidates):
    """Of several ways on: the one along the same edge of the path, else the one that turns right most, so that
    regions which touch in a point are one."""
    incoming = math.atan2(vertex[1] - previous[1], vertex[0] - previous[0])
    parents = edges[previous, vertex]

    def preference(candidate):
        angle = math.atan2(candidate[1] - vertex[1], candidate[0] - vertex[0]) - incoming
        return not edges[vertex, candidate] & parents, (angle + math.pi) % (2 * math.pi)

    return min(candidates, key=preference)


def link_loops(edges):
    """Closed loops of points."""
    following = {}
    for a, b in edges:
        following.setdefault(a, []).append(b)
    loops = []
    for first, _ in edges:
        while following.get(first):
            loop = [first]
            vertex = following[first].pop(0)
            while vertex != first and following.get(vertex):
                ways = following[vertex]
                onward = ways[0] if len(ways) == 1 else way_on(edges, loop[-1], vertex, ways)
                ways.remove(onward)
                loop.append(vertex)
                vertex = onward
            if vertex == first:
                loops.append(loop)
    return loops


def height_and_place(loop, edges):
    """Sorting key: lowest loop (largest y) first, and of equally low ones that whose lowest point comes first in the
    path."""
    bottom = max(y for _, y in loop)
    places = [min(edges[a, b]) for a, b in zip(loop, loop[1:] + loop[:1]) if bottom in (a[1], b[1])]
    return -bottom, min(places)


def corners(loop, edges, pieces):
    """The loop's points in integers, without those where the path's same edge goes on.

    Where edges coincide, the change from one to the other is at the upper end (smallest y).
    """
    sides = list(zip(loop, loop[1:] + loop[:1]))
    parents = [edges[side] for side in sides]
    for _ in range(2):  # twice round, so that the choice carries over the loop's start
        for k, (a, b) in enumerate(sides):
            if b[1] <= a[1] and parents[k - 1] & parents[k]:
                parents[k] = parents[k - 1] & parents[k]
        for k in range(len(sides) - 1, -1, -1):
            a, b = sides[k]
            onward = parents[(k + 1) % len(sides)]
            if b[1] > a[1] and onward & parents[k]:
                parents[k] = onward & parents[k]
    for k in range(len(sides)):
        for neighbour in (parents[(k + 1) % len(sides)], parents[k - 1]):
            parents[k] = parents[k] & neighbour or parents[k]
    chosen = [min(parent) for parent in parents]
    return [pieces.integer(point, chosen[k - 1], chosen[k]) for k, point in enumerate(loop)
            if chosen[k] != chosen[k - 1]]


def simplified(points):
    """Without repeated and collinear points. Empty if no area is left."""
    points = list(points)
    index = 0
    checked = 0
    while len(points) > 2 and checked < len(points):
        before, point, after = points[index - 1], points[index], points[(index + 1) % len(points)]
        cross = (point[0] - before[0]) * (after[1] - point[1]) - (point[1] - before[1]) * (after[0] - point[0])
        if point == before or point == after or cross == 0:
            points.pop(index)
            index = max(index - 1, 0) % len(points)
            checked = 0
        else:
            index = (index + 1) % len(points)
            checked += 1
    return np.array(points if len(points) > 2 else [], dtype=np.int64).reshape(-1, 2)


def shrink(polygon, offset):
    """Pieces of an integer polygon shrunk by `offset` (a whole number of pixels >= 0).

    Returns a list of integer arrays (points x 2), lowest piece (largest y) first; empty if nothing is left.
    """
    polygon = without_repeats(np.asarray(polygon, dtype=np.float64))
    if len(polygon) < 3:
        return []
    if shoelace(polygon) < 0:
        polygon = polygon[::-1]
    path = simplified(map(tuple, raw_offset(polygon, -float(offset)) if offset else polygon)).astype(np.float64)
    if len(path) == 0:
        return []
    pieces = Pieces(path)
    edges = boundary(pieces)
    loops = sorted(link_loops(edges), key=lambda loop: height_and_place(loop, edges))
    shrunk = (simplified(corners(loop, edges, pieces)) for loop in loops)
    return [piece for piece in shrunk if len(piece)]

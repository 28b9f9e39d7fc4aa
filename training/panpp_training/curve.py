"""The learning curve of a run: OUT/log.jsonl, a line of figures a minute, drawn as OUT/curve.svg."""
import json
from xml.sax.saxutils import escape

WIDTH, PANEL, LEFT, RIGHT, GAP = 720, 130, 150, 80, 34


class Curve:
    """Adds lines to the log and draws all of it, earlier calls of the run included."""

    def __init__(self, folder):
        self.log, self.picture = folder / 'log.jsonl', folder / 'curve.svg'
        self.rows = [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def add(self, minutes, step, figures):
        row = {'minutes': round(minutes, 3), 'step': step} | {name: round(value, 5) for name, value in figures.items()}
        self.rows.append(row)
        with self.log.open('a') as log:
            log.write(json.dumps(row) + '\n')
        partial = self.picture.with_suffix('.partial')
        partial.write_text(drawing(self.rows))
        partial.replace(self.picture)


def drawing(rows):
    """An SVG with a panel for every figure, over minutes. rows: dicts with `minutes`, `step` and the figures."""
    names = list(dict.fromkeys(name for row in rows for name in row if name not in ('minutes', 'step')))
    end = max((row['minutes'] for row in rows), default=0) or 1
    height = len(names) * (PANEL + GAP) + GAP
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
             f'font-size="12">', f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>']
    for number, name in enumerate(names):
        points = [(row['minutes'], row[name]) for row in rows if name in row]
        parts += panel(name, points, end, GAP / 2 + number * (PANEL + GAP))
    steps = rows[-1]['step'] if rows else 0
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{height - 8}" text-anchor="end">{end:.0f} minutes, '
                 f'{steps} steps</text>')
    return '\n'.join([*parts, '</svg>\n'])


def panel(name, points, end, top):
    low, high = min(value for _, value in points), max(value for _, value in points)
    span = high - low or 1

    def place(minutes, value):
        return (f'{LEFT + (WIDTH - LEFT - RIGHT) * minutes / end:.1f},'
                f'{top + PANEL * (1 - (value - low) / span):.1f}')

    yield f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}" fill="none" stroke="#ccc"/>'
    yield f'<text x="8" y="{top + 14}" font-weight="bold">{escape(name)}</text>'
    for value, y in ((high, top + 10), (low, top + PANEL)):
        yield f'<text x="{LEFT - 6}" y="{y}" text-anchor="end">{value:.3g}</text>'
    yield f'<text x="{WIDTH - RIGHT + 6}" y="{top + 14}">last {points[-1][1]:.3g}</text>'
    line = ' '.join(place(*point) for point in points)
    yield f'<polyline points="{line}" fill="none" stroke="#06c" stroke-width="1.5"/>'

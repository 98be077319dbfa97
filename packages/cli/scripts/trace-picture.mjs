// Draws the trace of `--trace FILE` as an SVG that reads on light and dark: trace-picture.mjs TRACE.json > PICTURE.svg

import * as fs from "node:fs"

const WIDTH = 960
const LEFT = 12
const RIGHT = 12
const ROW = 22
const BAR = 18
const CHARACTER = 6.4

const [file] = process.argv.slice(2)
if (file === undefined) {
  console.error("usage: trace-picture.mjs TRACE.json > PICTURE.svg")
  process.exit(2)
}
const { traceEvents } = JSON.parse(fs.readFileSync(file, "utf8"))
const spans = traceEvents.filter(({ ph }) => ph === "X")
const processes = traceEvents.filter(({ name, ph }) => ph === "M" && name === "process_name")
const end = Math.max(...spans.map(({ dur, ts }) => ts + dur), 1)

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;")
const x = (micros) => LEFT + (micros / end) * (WIDTH - LEFT - RIGHT)
const round = (value) => Math.round(value * 10) / 10
const millis = (micros) => (micros >= 10_000 ? `${Math.round(micros / 1000)} ms` : `${(micros / 1000).toFixed(1)} ms`)

/** The spans of one lane, each with how many others it lies in. */
const withDepths = (lane) => {
  const open = []
  return lane
    .toSorted((left, right) => left.ts - right.ts || right.dur - left.dur)
    .map((span) => {
      while (open.length > 0 && open.at(-1) <= span.ts) open.pop()
      open.push(span.ts + span.dur)
      return { ...span, depth: open.length - 1 }
    })
}

/** A step of the axis that gives eight marks or so. */
const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 60_000, 600_000].find(
  (candidate) => end / 1000 / candidate <= 9
)

const shapes = []
let top = 30
for (const { args, pid } of processes) {
  shapes.push(`<text class="title" x="${LEFT}" y="${top + 12}">${escape(args.name)}</text>`)
  top += ROW
  const lanes = Map.groupBy
    ? Map.groupBy(
        spans.filter((span) => span.pid === pid),
        ({ tid }) => tid
      )
    : spans
        .filter((span) => span.pid === pid)
        .reduce((all, span) => all.set(span.tid, [...(all.get(span.tid) ?? []), span]), new Map())
  for (const [, lane] of [...lanes].toSorted(([left], [right]) => left - right)) {
    const placed = withDepths(lane)
    for (const span of placed) {
      const y = top + span.depth * ROW
      const [from, to] = [x(span.ts), x(span.ts + span.dur)]
      const width = Math.max(to - from, 1.5)
      const isBad = span.args.ended === "badly"
      const what = `${span.name}, ${millis(span.dur)}`
      shapes.push(
        `<rect class="${isBad ? "bad" : span.cat}" x="${round(from)}" y="${y}" width="${round(width)}" height="${BAR}" rx="3"><title>${escape(what)}</title></rect>`
      )
      // Beside its bar where it does not fit, unless something else stands there.
      const next = Math.min(
        ...placed.filter((one) => one.depth === span.depth && one.ts >= span.ts + span.dur).map((one) => x(one.ts)),
        WIDTH - RIGHT
      )
      // Which program it is can be left out before what it does can.
      const short = span.name.split(" ").slice(1).join(" ") || span.name
      const words = [what, `${short}, ${millis(span.dur)}`, span.name, short, span.name.split(" ").at(-1)]
      const label = words.find((text) => text.length * CHARACTER + 8 <= width)
      const beside = [what, span.name].find((text) => text.length * CHARACTER + 8 <= next - to)
      if (label !== undefined) {
        shapes.push(`<text class="in" x="${round(from + 4)}" y="${y + 13}">${escape(label)}</text>`)
      } else if (beside !== undefined) {
        shapes.push(`<text x="${round(to + 4)}" y="${y + 13}">${escape(beside)}</text>`)
      }
    }
    top += (Math.max(...placed.map(({ depth }) => depth)) + 1) * ROW + 6
  }
}

const marks = []
for (let at = 0; at <= end / 1000; at += step) {
  const position = round(x(at * 1000))
  marks.push(`<path class="mark" d="M${position} 22V${top}"/><text class="axis" x="${position}" y="16">${at} ms</text>`)
}

console.log(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top + 6}" width="${WIDTH}" height="${top + 6}" role="img" aria-label="The spans of a launch over time">
<style>
text { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #24292f }
.title { font-weight: bold }
.axis { fill: #6e7781; text-anchor: middle }
.axis:first-of-type { text-anchor: start }
.in { fill: #ffffff }
.mark { stroke: #d0d7de; stroke-width: 1; fill: none }
.bottle { fill: #0969da }
.process { fill: #57606a }
.bad { fill: #cf222e }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.axis { fill: #8b949e }
.in { fill: #ffffff }
.mark { stroke: #30363d }
.bottle { fill: #1f6feb }
.process { fill: #6e7681 }
.bad { fill: #da3633 }
}
</style>
${marks.join("\n")}
${shapes.join("\n")}
</svg>`)

/** The faults at length: so many runs of faults that chance chooses, a table of them, and the seed of each failure. */
import * as Fs from "node:fs"
import { parseArgs } from "node:util"
import { type Fault, type Outcome, run } from "./fault.js"
import { all } from "./faults/all.js"
import * as Random from "./random.js"

const SEEDS = 2 ** 31

const print = (text: string): void => {
  Fs.writeSync(1, `${text}\n`)
}

const usage = (why: string): never => {
  Fs.writeSync(
    2,
    `${why}\nusage: pnpm faults [--runs N] [--seed S] [--only NAME,...] [--except NAME,...] [--jobs N] [--slow MS]\n`
  )
  process.exit(2)
}

const number = (name: string, text: string | undefined, otherwise: number): number => {
  if (text === undefined) return otherwise
  return /^\d{1,10}$/.test(text) ? Number(text) : usage(`--${name} is not a number: ${text}`)
}

const choose = (only: string | undefined, except: string | undefined): ReadonlyArray<Fault> => {
  const listed = (text: string) =>
    text.split(",").map((name) => all.find((fault) => fault.name === name)?.name ?? usage(`there is no fault ${name}`))
  const meant = only === undefined ? all.map(({ name }) => name) : listed(only)
  const not = except === undefined ? [] : listed(except)
  return all.filter(({ name }) => meant.includes(name) && !not.includes(name))
}

const middle = (sorted: ReadonlyArray<number>): number => sorted[Math.floor(sorted.length / 2)] ?? Number.NaN

const seconds = (millis: number): string => (Number.isNaN(millis) ? "-" : (millis / 1000).toFixed(2))

const table = (faults: ReadonlyArray<Fault>, outcomes: ReadonlyArray<Outcome>): string => {
  const rows = faults.map(({ name }) => {
    const own = outcomes.filter(({ fault }) => fault === name)
    const times = own
      .flatMap(({ clearedMillis }) => (Number.isNaN(clearedMillis) ? [] : [clearedMillis]))
      .toSorted((a, b) => a - b)
    const failures = own.filter(({ failure }) => failure !== undefined).length
    return [name, String(own.length), String(failures), seconds(middle(times)), seconds(times.at(-1) ?? Number.NaN)]
  })
  const head = ["fault", "runs", "failures", "median s", "max s"]
  const widths = head.map((word, at) => Math.max(word.length, ...rows.map((row) => row[at]?.length ?? 0)))
  return [head, ...rows]
    .map((row) =>
      row.map((word, at) => (at === 0 ? word.padEnd(widths[at] ?? 0) : word.padStart(widths[at] ?? 0))).join("  ")
    )
    .join("\n")
}

const { values } = parseArgs({
  options: {
    runs: { type: "string" },
    seed: { type: "string" },
    only: { type: "string" },
    except: { type: "string" },
    jobs: { type: "string" },
    slow: { type: "string" }
  }
})

const runs = number("runs", values.runs, 100)
const given = number("seed", values.seed, -1)
const slowMillis = number("slow", values.slow, Number.POSITIVE_INFINITY)
const jobs = number("jobs", values.jobs, 1)
const chosen = choose(values.only, values.except)
const able = chosen.filter((fault) => {
  const lacks = fault.lacks?.()
  if (lacks !== undefined) print(`${fault.name} is left out: ${lacks}`)
  return lacks === undefined
})
const [first, ...others] = able
if (first === undefined) usage("no fault is left to provoke")
else {
  const master = given === -1 ? Math.floor(Math.random() * SEEDS) : given
  const random = Random.make(master)
  print(`${runs} runs, seed ${master}`)
  const outcomes: Array<Outcome> = []
  let left = runs
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      // One run of one fault is repeated by its own seed.
      const isOne = runs === 1 && others.length === 0
      const fault = random.pick([first, ...others])
      const outcome = await run(fault, isOne ? master : Random.seedOf(random))
      outcomes.push(outcome)
      for (const line of outcome.measured) print(line)
      if (outcome.clearedMillis > slowMillis)
        print(`\nslow: ${outcome.fault} with seed ${outcome.seed}\n${outcome.trail}\n`)
      if (outcome.failure !== undefined) {
        print(
          `\nFAILED ${outcome.failure}\nagain: pnpm faults --runs 1 --only ${outcome.fault} --seed ${outcome.seed}\n`
        )
      } else if (outcomes.length % 25 === 0) print(`${outcomes.length} of ${runs}`)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  print(`\n${table(able, outcomes)}`)
  const failed = outcomes.filter(({ failure }) => failure !== undefined)
  for (const { fault, seed } of failed) print(`failed: --only ${fault} --seed ${seed}`)
  process.exit(failed.length > 0 ? 1 : 0)
}

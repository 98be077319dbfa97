// What capture and follow cost against node:child_process, in the same run. Needs `tsc -b` first.
//   node scripts/measure.mjs [follow|capture|memory]
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ChildProcess from "node:child_process"
import { capture } from "../dist/Capture.js"
import * as Executor from "../dist/Executor.js"
import { follow } from "../dist/Follow.js"

const env = { PATH: process.env.PATH }
const rounds = 9
const run = (effect) => Effect.runPromise(Effect.provideService(effect, CommandExecutor.CommandExecutor, Executor.make))

const source = (bytes) => ({ program: "head", args: ["-c", String(bytes), "/dev/zero"], env })

const spawn = ({ args, program }) =>
  new Promise((resolve) => {
    const child = ChildProcess.spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true })
    let bytes = 0
    child.stdout.on("data", (chunk) => {
      bytes += chunk.length
    })
    child.stderr.resume()
    child.on("close", () => resolve(bytes))
  })

const followed = (program) =>
  run(Stream.runFold(follow(program), 0, (bytes, event) => bytes + (event._tag === "Stdout" ? event.bytes.length : 0)))

const millis = async (action) => {
  const start = performance.now()
  await action()
  return performance.now() - start
}

const spread = (values, digits = 2) => {
  const sorted = values.toSorted((a, b) => a - b)
  return `${sorted[sorted.length >> 1].toFixed(digits)} (${sorted[0].toFixed(digits)} to ${sorted.at(-1).toFixed(digits)})`
}

const measure = {
  async follow() {
    const mebibytes = 1024
    const plain = []
    const ours = []
    for (let round = 0; round < rounds; round += 1) {
      const program = source(mebibytes * 1024 * 1024)
      plain.push((mebibytes * 1000) / (await millis(() => spawn(program))))
      ours.push((mebibytes * 1000) / (await millis(() => followed(program))))
    }
    console.log(`1 GiB, MiB/s: plain pipe ${spread(plain, 0)}, follow ${spread(ours, 0)}`)
    console.log(`  follow / plain ${spread(ours.map((value, round) => value / plain[round]))}`)
  },
  async capture() {
    const program = { program: "/bin/true", args: [], env }
    const many = async (action) => {
      for (let count = 0; count < 100; count += 1) await action()
    }
    const plain = []
    const ours = []
    for (let round = 0; round <= rounds; round += 1) {
      const one = (await millis(() => many(() => spawn(program)))) / 100
      const other = (await millis(() => many(() => run(capture(program))))) / 100
      // The first round warms up.
      if (round === 0) continue
      plain.push(one)
      ours.push(other)
    }
    console.log(`true, ms: spawn ${spread(plain)}, capture ${spread(ours)}`)
    console.log(`  capture / spawn ${spread(ours.map((value, round) => value / plain[round]))}`)
  },
  async memory() {
    const peak = () => Math.round(process.resourceUsage().maxRSS / 1024)
    await followed(source(1))
    const before = peak()
    for (const mebibytes of [64, 1024, 4096]) {
      await followed(source(mebibytes * 1024 * 1024))
      console.log(`follow of ${mebibytes} MiB: peak ${peak()} MB resident (${before} before)`)
    }
  }
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(measure)
for (const name of names) await measure[name]()

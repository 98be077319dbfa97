/** The clock jumps. */
import * as Fs from "node:fs"
import type { Fault } from "../fault.js"
import * as Life from "../life.js"
import * as Moments from "../moments.js"
import type { Scene } from "../scene.js"

const HOUR = 3_600_000
const JUMPS = [-400 * 24 * HOUR, -2 * HOUR, -61_000, 61_000, 3 * HOUR, 400 * 24 * HOUR] as const

/** A clock that is wrong by what a file says, put before a program's own first line. */
const shim = (file: string): string => `
{
  const { readFileSync } = await import("node:fs");
  const { Date: real, performance: { now } } = globalThis, steady = now.bind(globalThis.performance);
  let seen = -1000, off = 0;
  const look = () => {
    if (steady() - seen < 5) return off;
    seen = steady();
    try { off = Number(readFileSync(${JSON.stringify(file)}, "utf8")) } catch { off = 0 }
    return off;
  };
  globalThis.Date = class Date extends real {
    constructor(...words) { words.length === 0 ? super(real.now() + look()) : super(...words) }
    static now() { return real.now() + look() }
  };
}
`

/** Gives this home's programs a clock that can be set. */
const settable = (scene: Scene): ((offMillis: number) => void) => {
  const file = scene.home.path("clock")
  for (const name of ["bottle.mjs", "bottle-keeper.mjs"]) {
    const path = scene.home.path(name)
    const text = Fs.readFileSync(path, "utf8")
    const head = text.slice(0, text.indexOf("\n") + 1)
    Fs.writeFileSync(path, head + shim(file) + text.slice(head.length))
  }
  return (offMillis) => {
    const aside = `${file}.aside`
    Fs.writeFileSync(aside, String(offMillis))
    Fs.chmodSync(aside, 0o644)
    Fs.renameSync(aside, file)
    scene.say(`the clock is wrong by ${offMillis / 1000} s`)
  }
}

/** The clock jumps. */
export const clock: ReadonlyArray<Fault> = [
  {
    name: "clock-jumps-in-launch",
    about: "the clock jumps while a bottle launches, runs and goes: all is as it would have been",
    boundedRuns: 1,
    provoke: async (scene) => {
      const set = settable(scene)
      const run = Life.run(scene)
      await Moments.ofLaunch(scene, run.hasEnded)
      set(scene.random.pick(JUMPS))
      await run.begun()
      set(scene.random.pick(JUMPS))
      run.finish()
      scene.fault("the end")
      const { code, stderr } = await scene.end(run.running)
      if (code !== run.code) throw new Error(`the command ended with ${run.code}, and the run with ${code}: ${stderr}`)
    }
  },
  {
    name: "clock-jumps-owner-killed",
    about: "the clock jumps, and then the owner is killed: what is left is still known to be its",
    boundedRuns: 1,
    provoke: async (scene) => {
      const set = settable(scene)
      const run = Life.run(scene)
      await run.begun()
      set(scene.random.pick(JUMPS))
      await scene.moment(50)
      scene.fault("SIGKILL to the run")
      run.running.child.kill("SIGKILL")
      await scene.end(run.running)
    }
  },
  {
    name: "clock-jumps-ttl",
    about:
      "the clock jumps while a bottle with a time to live is up: it lives as long as it was given, no less, no more",
    boundedRuns: 1,
    provoke: async (scene) => {
      const set = settable(scene)
      const from = performance.now()
      const [long, short] = await Promise.all([Life.up(scene, "--ttl", "1h"), Life.up(scene, "--ttl", "4s")])
      set(scene.random.pick(JUMPS))
      await scene.until("the end of the time to live", () => !scene.ledgers().includes(short.id), 30_000)
      const lived = performance.now() - from
      if (lived < 4000) throw new Error(`it lived ${lived} ms of its 4 s`)
      if (!scene.ledgers().includes(long.id)) throw new Error("the bottle that has an hour went")
      set(scene.random.pick(JUMPS))
      // It is asked: a time to live that the jump has used up would have taken it down by the time it answers.
      await scene.obeyed("inspect", long.id)
      if (scene.ledger(long.id).some(({ entry }) => entry?._tag === "Closing"))
        throw new Error("the bottle that has an hour goes")
      scene.fault("down")
      await scene.obeyed("down", long.id)
    }
  }
]

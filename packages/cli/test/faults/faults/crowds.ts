/** Many at once: launches of one name, launches of many, and cleanups beside them. */
import type { Fault } from "../fault.js"
import * as Life from "../life.js"
import type { Scene } from "../scene.js"

/** Every run of a crowd ends as its own command does. */
const finishAll = async (scene: Scene, runs: ReadonlyArray<Life.Run>): Promise<void> => {
  await Promise.all(runs.map((run) => run.begun()))
  for (const run of runs) run.finish()
  const ended = await Promise.all(runs.map(({ running }) => scene.end(running, 300_000)))
  for (const [at, { code, stderr }] of ended.entries()) {
    const run = runs[at]
    if (run !== undefined && code !== run.code) {
      throw new Error(`the command of ${at} ended with ${run.code}, and the run with ${code}: ${stderr}`)
    }
  }
}

/** Many at once. */
export const crowds: ReadonlyArray<Fault> = [
  {
    name: "one-name",
    about: "several launches want one name at once: one has it, the others are told who",
    boundedRuns: 1,
    provoke: async (scene) => {
      scene.hasCommandless = true
      const words = ["up", "--name", "same", "-e", `MARKER=${scene.home.marker}`]
      const count = 2 + scene.random.below(3)
      const ups = Array.from({ length: count }, () => scene.start(words))
      const ended = await Promise.all(ups.map((running) => scene.end(running)))
      const [winner, ...others] = ended.filter(({ code }) => code === 0)
      if (winner === undefined || others.length > 0) throw new Error(`${others.length + 1} of ${count} have the name`)
      const id = winner.stdout.toString().trim()
      for (const { code, stderr } of ended.filter((one) => one !== winner)) {
        if (code !== 125 || !stderr.includes(`the name same is taken by the bottle`))
          throw new Error(`${code}: ${stderr}`)
      }
      const how = scene.choose("then its keeper is", ["killed", "told"])
      scene.fault(how)
      if (how === "killed") scene.kill(scene.owner(id)?.pid ?? 0)
      else await scene.obeyed("down", "same")
      await scene.cleared()
      // The name is free again.
      const again = (await scene.obeyed(...words)).trim()
      scene.fault("it is told again")
      await scene.obeyed("down", again)
      await scene.cleared()
    }
  },
  {
    name: "many-at-once",
    about: "a dozen launches at once, some of them killed at random moments",
    boundedRuns: 1,
    provoke: async (scene) => crowd(scene, 12)
  },
  {
    name: "fifty-at-once",
    about: "fifty launches at once, some of them killed at random moments",
    boundedRuns: 0,
    boundMillis: 600_000,
    provoke: async (scene) => crowd(scene, 50)
  },
  {
    name: "cleanup-beside-launches",
    about: "cleanup runs again and again beside launches, and takes nothing of theirs",
    boundedRuns: 1,
    provoke: async (scene) => {
      const over = new AbortController()
      const cleaning = (async () => {
        while (!over.signal.aborted) {
          const { code, stderr } = await scene.bottle("cleanup", ...(scene.random.chance(0.5) ? ["--all"] : []))
          if (code !== 0) throw new Error(`cleanup ended with ${code}: ${stderr}`)
        }
      })()
      // It is looked at later; until then it has somebody who does.
      cleaning.catch(() => {})
      try {
        for (let round = 0; round < 2; round++) {
          const runs = Array.from({ length: 3 }, () => Life.run(scene))
          await finishAll(scene, runs)
        }
        scene.fault("the last launch is over")
      } finally {
        over.abort()
        await cleaning
      }
    }
  }
]

/** So many launches at once, a fifth of which are killed; the others end as their commands do. */
const crowd = async (scene: Scene, size: number): Promise<void> => {
  const runs = Array.from({ length: size }, () => Life.run(scene))
  const [doomed, spared] = [runs.filter((_, at) => at % 5 === 0), runs.filter((_, at) => at % 5 !== 0)]
  const killed = Promise.all(
    doomed.map(async (run) => {
      await scene.moment(size * 150)
      run.running.child.kill("SIGKILL")
      await scene.end(run.running, 300_000)
    })
  )
  await finishAll(scene, spared)
  await killed
  scene.fault("the last of them has ended")
  await scene.cleared(60_000)
}

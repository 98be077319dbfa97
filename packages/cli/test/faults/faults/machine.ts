/** The processes around the owner are killed: the machine's, and the handle that would notice the owner's death. */
import type { Fault } from "../fault.js"
import * as Life from "../life.js"
import { parentOf, type Scene } from "../scene.js"

/** The run ends by itself, and not with a code that its guest has not given. */
const endsByItself = async (scene: Scene, run: Life.Run): Promise<void> => {
  const { code, stderr } = await scene.end(run.running)
  if (code === null || code === 0 || code === run.code) {
    throw new Error(`its machine was killed, and it ended with ${code}: ${stderr}`)
  }
}

const machineOf = async (scene: Scene): Promise<number> => {
  let found: number | undefined
  await scene.until("the machine's first process", () => {
    ;[found] = scene.machines()
    return found !== undefined
  })
  return found ?? 0
}

const handlesOf = async (scene: Scene): Promise<ReadonlyArray<number>> => {
  await scene.until("a dead man's handle", () => scene.handles().length > 0)
  return scene.handles()
}

export const machine: ReadonlyArray<Fault> = [
  {
    name: "machine-killed",
    about: "the machine's first process, or the one that holds it, is killed while a command runs",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      await run.begun()
      const first = await machineOf(scene)
      const which = scene.choose("killed is", ["its first process", "its parent", "its holder"])
      const generations = { "its first process": 0, "its parent": 1, "its holder": 2 }[which]
      let pid = first
      for (let generation = 0; generation < generations; generation++) pid = parentOf(pid)
      await scene.moment(30)
      scene.fault(`SIGKILL to ${pid}`)
      scene.kill(pid)
      if (which !== "its holder") return endsByItself(scene, run)
      // Whoever holds the machine saves its disk when it stops; the machine goes on without.
      run.finish()
      const { code, stderr } = await scene.end(run.running)
      if (code !== run.code) throw new Error(`its command ended with ${run.code}, and it with ${code}: ${stderr}`)
    }
  },
  {
    name: "handle-killed",
    about: "the dead man's handle is killed, once or more, and its owner ends as it would have",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      const when = scene.choose("the handle goes in its", ["launch", "run"])
      if (when === "run") await run.begun()
      const times = 1 + scene.random.below(3)
      const killed = new Set<number>()
      for (let time = 0; time < times; time++) {
        await scene.until(
          "a handle that is new",
          () => scene.handles().some((pid) => !killed.has(pid)) || run.hasEnded()
        )
        for (const pid of scene.handles()) {
          killed.add(pid)
          scene.say(`SIGKILL to the handle ${pid}`)
          scene.kill(pid)
        }
      }
      await run.begun()
      run.finish()
      scene.fault("the end")
      const { code } = await scene.end(run.running)
      if (code !== run.code) throw new Error(`the command ended with ${run.code}, and the run with ${code}`)
    }
  },
  {
    name: "handle-replaced",
    about: "the handle is killed, another one takes its place, and then the owner is killed",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      await run.begun()
      const handles = await handlesOf(scene)
      for (const pid of handles) scene.kill(pid)
      scene.say("SIGKILL to the handle")
      await scene.until("a handle that is new", () => scene.handles().some((pid) => !handles.includes(pid)))
      scene.fault("SIGKILL to the run")
      run.running.child.kill("SIGKILL")
      await scene.end(run.running)
    }
  },
  {
    name: "handle-and-owner-killed",
    about: "handle and owner are killed at once, and the next cleanup or launch takes what is left",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      await run.begun()
      const handles = await handlesOf(scene)
      scene.say("SIGKILL to handle and run")
      // The run first would wake the handle; the handle first is replaced, but not by one that was killed with it.
      for (const pid of handles) scene.kill(pid)
      run.running.child.kill("SIGKILL")
      await scene.end(run.running)
      await scene.until("the handle's end", () => scene.handles().length === 0)
      const taker = scene.choose("what is left is taken by", ["cleanup", "the next launch"])
      if (taker === "cleanup") {
        scene.fault("cleanup")
        await scene.obeyed("cleanup")
        return
      }
      const next = Life.run(scene)
      await next.begun()
      scene.fault("the next launch is up")
      next.finish()
      await scene.end(next.running)
    }
  }
]

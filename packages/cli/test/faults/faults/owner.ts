/** The process that owns a bottle is killed, at any moment of the bottle's life. */
import type { Fault } from "../fault.js"
import * as Life from "../life.js"
import * as Moments from "../moments.js"
import type { Scene } from "../scene.js"

/** Kills a `bottle run`, and sees it end by that. */
const killRun = async (scene: Scene, run: Life.Run): Promise<void> => {
  scene.fault("SIGKILL to the run")
  run.running.child.kill("SIGKILL")
  const { code, signal } = await scene.end(run.running)
  if (signal !== "SIGKILL") scene.assertCode(code, "the run")
}

/** A run that is dead from the moment it is killed: what is recorded of it later is what others saw. */
export const owner: ReadonlyArray<Fault> = [
  {
    name: "owner-killed-in-launch",
    about: "the run is killed while it launches",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      await Moments.ofLaunch(scene, run.hasEnded)
      await killRun(scene, run)
    }
  },
  {
    name: "owner-killed-in-run",
    about: "the run is killed while its command runs",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      await run.begun()
      await scene.moment(50)
      await killRun(scene, run)
    }
  },
  {
    name: "owner-killed-in-teardown",
    about: "the run is killed while it takes its bottle down",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      await run.begun()
      run.finish()
      await Moments.ofRelease(scene)
      await killRun(scene, run)
    }
  },
  {
    name: "none",
    about: "nothing goes wrong: the run ends as its command does, and so it is recorded",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      await run.begun()
      run.finish()
      const from = performance.now()
      scene.fault("nothing")
      const { code, stderr } = await scene.end(run.running)
      Moments.noteRelease(performance.now() - from)
      if (code !== run.code) throw new Error(`the command ended with ${run.code}, and the run with ${code}: ${stderr}`)
      await scene.cleared(0)
    }
  }
]

/** A smolvm that hangs, or fails, at one of its subcommands. */
import type { Fault } from "../fault.js"
import * as Life from "../life.js"
import type { Scene } from "../scene.js"

const STEPS = ["machine create", "machine start", "machine exec"] as const

/** By its name it is taken for a smolvm, by its path for what it says it is. */
const runtime = (scene: Scene, path: string): ReadonlyArray<string> => [
  "--runtime",
  scene.choose("the runtime is given by its", ["name", "path"]) === "name" ? "smolvm" : path
]

/** A smolvm that hangs, or fails, at one of its subcommands. */
export const smolvm: ReadonlyArray<Fault> = [
  {
    name: "smolvm-hangs-in-launch",
    about: "smolvm hangs in create, start or exec, before its work or after it, and the owner is interrupted or killed",
    boundedRuns: 1,
    provoke: async (scene) => {
      const program = scene.faultySmolvm()
      const step = scene.choose("it hangs in", STEPS)
      const mode = scene.choose("and that", ["hang", "hang-after"])
      const deaf = scene.choose("it hears signals", ["yes", "no"]) === "no"
      program.misbehave({ step, mode, times: 1, deaf })
      const run = Life.run(scene, ...runtime(scene, program.path))
      await scene.until("it to hang", () => program.calls().includes(`${step} hangs`) || run.hasEnded())
      const signal = scene.choose("the owner gets", ["SIGINT", "SIGKILL"])
      await scene.moment(100)
      scene.fault(signal)
      run.running.child.kill(signal)
      const { code } = await scene.end(run.running)
      if (signal === "SIGINT" && code !== 130) throw new Error(`it ended with ${code} on SIGINT`)
    }
  },
  {
    name: "smolvm-hangs-in-delete",
    about:
      "smolvm hangs in the delete of a release, and the owner is killed or told twice: its handle finds another hang",
    boundedRuns: 1,
    provoke: async (scene) => {
      const program = scene.faultySmolvm()
      program.misbehave({
        step: "machine delete",
        mode: scene.choose("it hangs", ["hang", "hang-after"]),
        times: 1 + scene.random.below(2),
        deaf: scene.choose("it hears signals", ["yes", "no"]) === "no"
      })
      const run = Life.run(scene, ...runtime(scene, program.path))
      await run.begun()
      run.finish()
      await scene.until("it to hang", () => program.calls().includes("machine delete hangs"))
      const how = scene.choose("the owner is", ["killed", "told twice", "left alone"])
      if (how === "killed") run.running.child.kill("SIGKILL")
      if (how === "told twice") {
        run.running.child.kill("SIGINT")
        await scene.moment(50)
        run.running.child.kill("SIGINT")
      }
      await scene.moment(1500)
      scene.fault("smolvm recovers")
      program.recover()
      const { code, stderr } = await scene.end(run.running)
      if (how === "left alone" && code !== run.code)
        throw new Error(`its command ended with ${run.code}, and it with ${code}: ${stderr}`)
    }
  },
  {
    name: "smolvm-hangs-in-stop",
    about: "smolvm hangs when a bottle is stopped to be committed, and its keeper is killed or told to go down",
    boundedRuns: 1,
    provoke: async (scene) => {
      const program = scene.faultySmolvm()
      const { id, keeper } = await Life.up(scene, ...runtime(scene, program.path))
      program.misbehave({ step: "machine stop", mode: scene.choose("it hangs", ["hang", "hang-after"]), times: 1 })
      const commit = scene.start(["commit", id, "-o", scene.home.path("work/x.smolmachine")])
      let ended = false
      void commit.ended.then(() => (ended = true))
      await scene.until("it to hang", () => ended || program.calls().includes("machine stop hangs"))
      const how = scene.choose("the keeper is", ["killed", "told to go down"])
      await scene.moment(300)
      if (how === "killed") {
        scene.fault("SIGKILL to the keeper")
        scene.kill(keeper)
        await scene.end(commit)
        return
      }
      const down = scene.start(["down", id])
      await scene.moment(3000)
      scene.fault("smolvm recovers")
      program.recover()
      const { code, stderr } = await scene.end(down)
      if (code !== 0) throw new Error(`down ended with ${code}: ${stderr}`)
      await scene.end(commit)
    }
  },
  {
    name: "smolvm-hangs-in-stop-for-good",
    about: "smolvm hangs for good when a bottle is stopped to be committed: it is waited for so long, and then it goes",
    boundedRuns: 0,
    provoke: async (scene) => {
      const program = scene.faultySmolvm()
      const { id } = await Life.up(scene, ...runtime(scene, program.path))
      program.misbehave({ step: "machine stop", mode: "hang", times: 1 })
      const commit = scene.start(["commit", id, "-o", scene.home.path("work/x.smolmachine")])
      await scene.until("it to hang", () => program.calls().includes("machine stop hangs"))
      scene.fault("down")
      const { code, stderr } = await scene.end(scene.start(["down", id]), 200_000)
      if (code !== 0) throw new Error(`down ended with ${code}: ${stderr}`)
      await scene.end(commit)
    }
  },
  {
    name: "smolvm-fails",
    about:
      "smolvm fails at any subcommand, before its work or after it: the launch fails, or its release is tried again",
    boundedRuns: 1,
    provoke: async (scene) => {
      const program = scene.faultySmolvm()
      const step = scene.choose("it fails at", [...STEPS, "machine delete", "machine status"])
      program.misbehave({ step, mode: scene.choose("it", ["fail", "fail-after"]), times: 1 })
      const run = Life.run(scene, ...runtime(scene, program.path))
      const begun = await Promise.race([
        run.begun().then(
          () => true,
          () => false
        ),
        run.running.ended.then(() => false)
      ])
      if (begun) run.finish()
      scene.fault(begun ? "the end" : "the failure")
      const { code, stderr } = await scene.end(run.running)
      if (begun ? code !== run.code : code !== 125) throw new Error(`it ended with ${code}: ${stderr}`)
    }
  }
]

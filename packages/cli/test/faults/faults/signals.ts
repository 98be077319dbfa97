/** Signals that a terminal sends. */
import type { Fault } from "../fault.js"
import * as Life from "../life.js"
import * as Moments from "../moments.js"
import type { Scene } from "../scene.js"

const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Goes to a moment of a run's life that chance chooses; whether its command was told to end. */
const someMoment = async (scene: Scene, run: Life.Run): Promise<boolean> => {
  const when = scene.choose("the signal comes in its", ["launch", "run", "teardown"])
  if (when === "launch") {
    await Moments.ofLaunch(scene, run.hasEnded)
    return false
  }
  await run.begun()
  if (when === "run") {
    await scene.moment(50)
    return false
  }
  run.finish()
  await Moments.ofRelease(scene)
  return true
}

const signalled =
  (signal: keyof typeof codes): Fault["provoke"] =>
  async (scene) => {
    const run = Life.run(scene)
    const wasTold = await someMoment(scene, run)
    scene.fault(signal)
    run.running.child.kill(signal)
    const { code, signal: by, stderr } = await scene.end(run.running)
    // One that comes before the program listens, or after all is down, ends it as any program.
    const allowed = by === signal || code === codes[signal] || (wasTold && code === run.code)
    if (!allowed) throw new Error(`it ended with ${code ?? by} on ${signal}: ${stderr}`)
    // It has taken down everything itself: nothing is left for anybody else to do.
    if (by === null) await scene.cleared(2000)
  }

/** Signals that a terminal sends. */
export const signals: ReadonlyArray<Fault> = [
  {
    name: "hangup",
    about: "the terminal is closed",
    boundedRuns: 1,
    provoke: signalled("SIGHUP")
  },
  {
    name: "interrupt",
    about: "Ctrl-C is pressed",
    boundedRuns: 1,
    provoke: signalled("SIGINT")
  },
  {
    name: "interrupt-twice",
    about: "Ctrl-C is pressed a second time before all is down",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      const wasTold = await someMoment(scene, run)
      scene.fault("SIGINT")
      run.running.child.kill("SIGINT")
      await Moments.ofRelease(scene)
      scene.fault("SIGINT again")
      run.running.child.kill("SIGINT")
      const { code, signal, stderr } = await scene.end(run.running, 5000)
      const allowed = signal === "SIGINT" || code === codes.SIGINT || (wasTold && code === run.code)
      if (!allowed) throw new Error(`it ended with ${code ?? signal} on two SIGINT: ${stderr}`)
    }
  }
]

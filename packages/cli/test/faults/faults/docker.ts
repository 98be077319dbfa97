/** A bundle in a container: it is killed, or docker does not answer. */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { find } from "../../e2e/harness.js"
import * as Containers from "../containers.js"
import type { Fault } from "../fault.js"
import * as Life from "../life.js"
import * as Moments from "../moments.js"
import type { Scene } from "../scene.js"

const run = async (scene: Scene): Promise<Life.Run> => Life.run(scene, ...(await Containers.containerFlags()))

const container = (scene: Scene): string =>
  ChildProcess.execFileSync("docker", ["ps", "-q", "--no-trunc", "--filter", `label=${scene.home.label}`], {
    encoding: "utf8"
  }).trim()

/** The calls during which docker may hang, by the words they begin with. */
const STEPS = ["network create", "run*", "logs*", "inspect*", "container*", "network*", "rm*", "*"] as const

/** The daemon that `.dev/with-docker` has started for this alone, by its number. */
const privateDaemon = (): number | undefined => {
  const [, socket] = /^unix:\/\/(.*\/bottle-docker-[^/]+)\/docker\.sock$/.exec(process.env["DOCKER_HOST"] ?? "") ?? []
  if (socket === undefined) return undefined
  const pid = Number(Fs.readFileSync(Path.join(socket, "pid"), "utf8"))
  return Number.isInteger(pid) && pid > 1 ? pid : undefined
}

/** A bundle in a container: it is killed, or docker does not answer. */
export const docker: ReadonlyArray<Fault> = [
  {
    name: "container-killed",
    about: "the bundle's container is killed while a command runs",
    boundedRuns: 1,
    bundle: "container",
    lacks: Containers.lacking,
    provoke: async (scene) => {
      const bottle = await run(scene)
      await bottle.begun()
      await scene.moment(100)
      scene.fault("SIGKILL to the container")
      ChildProcess.execFileSync("docker", ["kill", container(scene)], { stdio: "ignore" })
      const { code, stderr } = await scene.end(bottle.running)
      if (code !== 125) throw new Error(`it ended with ${code}: ${stderr}`)
    }
  },
  {
    name: "container-owner-killed",
    about: "the owner of a bottle with a container is killed while it launches, runs or takes it down",
    boundedRuns: 1,
    bundle: "container",
    lacks: Containers.lacking,
    provoke: async (scene) => {
      const bottle = await run(scene)
      const when = scene.choose("it is killed in its", ["launch", "run", "teardown"])
      if (when === "launch") await Moments.ofLaunch(scene, bottle.hasEnded)
      else await bottle.begun()
      if (when === "teardown") {
        bottle.finish()
        await scene.moment(1500)
      }
      scene.fault("SIGKILL to the run")
      bottle.running.child.kill("SIGKILL")
      await scene.end(bottle.running)
    }
  },
  {
    name: "docker-hangs",
    about: "docker hangs at some call until it recovers, and the owner is killed, told to end, or left alone",
    boundedRuns: 1,
    bundle: "container",
    lacks: Containers.lacking,
    provoke: async (scene) => {
      const real = find("docker")
      if (real === undefined) throw new Error("there is no docker")
      const program = scene.faultyDocker(real)
      const when = scene.choose("docker hangs in the", ["launch", "teardown"])
      const rule = {
        step: scene.choose("it hangs at", STEPS),
        mode: scene.choose("and it", ["hang", "hang-after"]),
        times: 1 + scene.random.below(3),
        deaf: scene.choose("it hears signals", ["yes", "no"]) === "no"
      }
      const hangs = () => program.calls().some((step) => step.endsWith(" hangs"))
      if (when === "launch") program.misbehave(rule)
      const bottle = await run(scene)
      if (when === "teardown") {
        await bottle.begun()
        program.misbehave(rule)
        bottle.finish()
      } else void bottle.begun().then(bottle.finish, () => {})
      await scene.until("docker to hang, or the end", () => hangs() || bottle.hasEnded())
      const how = scene.choose("the owner is", ["killed", "told to end", "left alone"])
      if (how === "killed") bottle.running.child.kill("SIGKILL")
      if (how === "told to end") bottle.running.child.kill("SIGTERM")
      await scene.moment(3000)
      scene.fault("docker recovers")
      program.recover()
      const { code, stderr } = await scene.end(bottle.running, 120_000)
      const allowed: Record<string, ReadonlyArray<number | null>> = {
        killed: [null],
        "told to end": [143],
        "left alone": [125]
      }
      if (code !== bottle.code && allowed[how]?.includes(code) !== true)
        throw new Error(`it ended with ${code}: ${stderr}`)
    }
  },
  {
    name: "docker-stopped",
    about: "the docker daemon stands still for seconds, and the owner is killed, told to end, or left alone meanwhile",
    boundedRuns: 0,
    bundle: "container",
    disturbs: true,
    lacks: () =>
      Containers.lacking() ?? (privateDaemon() === undefined ? "the docker daemon is not one of ours" : undefined),
    provoke: async (scene) => {
      const daemon = privateDaemon() ?? 0
      const bottle = await run(scene)
      void bottle.begun().then(bottle.finish, () => {})
      await Moments.ofLaunch(scene, bottle.hasEnded)
      scene.say("the daemon stands still")
      process.kill(daemon, "SIGSTOP")
      try {
        await scene.moment(1500)
        const how = scene.choose("the owner is", ["killed", "told to end", "left alone"])
        if (how === "killed") bottle.running.child.kill("SIGKILL")
        if (how === "told to end") bottle.running.child.kill("SIGTERM")
        await scene.moment(4000)
      } finally {
        scene.fault("the daemon goes on")
        process.kill(daemon, "SIGCONT")
      }
      await scene.end(bottle.running, 120_000)
    }
  }
]

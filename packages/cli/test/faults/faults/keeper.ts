/** The background process that holds a detached bottle, and the program that started it, are killed. */
import type { Fault } from "../fault.js"
import * as Life from "../life.js"
import * as Moments from "../moments.js"
import type { Scene } from "../scene.js"

/** `bottle up` in the foreground, and whether it has ended. */
const launching = (scene: Scene) => {
  scene.hasCommandless = true
  const running = scene.start(["up", "-e", `MARKER=${scene.home.marker}`])
  let ended = false
  void running.ended.then(() => (ended = true))
  return { running, hasEnded: () => ended }
}

/** What waits for a bottle's end says a code of ours: there was no command whose code could be told. */
const waited = async (scene: Scene, id: string): Promise<void> => {
  const { code } = await scene.bottle("wait", id, "--timeout", "30s")
  if (code === null || (code !== 0 && code < 125)) throw new Error(`wait told ${code} of a bottle without a command`)
}

/** The background process that holds a detached bottle. */
export const keeper: ReadonlyArray<Fault> = [
  {
    name: "keeper-killed-in-launch",
    about: "the keeper is killed while its bottle launches",
    boundedRuns: 1,
    provoke: async (scene) => {
      const { hasEnded, running } = launching(scene)
      await Moments.ofLaunch(scene, hasEnded)
      const [id] = scene.ledgers()
      const owner = id === undefined ? undefined : scene.owner(id)
      scene.fault(`SIGKILL to the keeper ${owner?.pid}`)
      if (owner !== undefined) scene.kill(owner.pid)
      const { code, stdout } = await scene.end(running)
      // One that was killed before it was ready is told; one that had been ready was up.
      if (owner !== undefined && code === 0 && stdout.toString().trim() === "") throw new Error("up told no id, and 0")
      if (owner === undefined && code === 0) await scene.obeyed("down", stdout.toString().trim())
    }
  },
  {
    name: "up-killed-in-launch",
    about: "the program that waits for the keeper is killed: nobody would know of the bottle",
    boundedRuns: 1,
    provoke: async (scene) => {
      const { hasEnded, running } = launching(scene)
      await Moments.ofLaunch(scene, hasEnded)
      const signal = scene.choose("the signal is", ["SIGKILL", "SIGINT", "SIGHUP", "SIGTERM"])
      scene.fault(`${signal} to bottle up`)
      running.child.kill(signal)
      const { code, stdout } = await scene.end(running)
      const id = stdout.toString().trim()
      // It may have been up, and told so, a moment earlier.
      if (code === 0 && id !== "") await scene.obeyed("down", id)
      else await downIfUp(scene)
    }
  },
  {
    name: "keeper-killed",
    about: "the keeper is killed while its bottle is up",
    boundedRuns: 1,
    provoke: async (scene) => {
      const { id, keeper } = await Life.up(scene)
      await scene.moment(50)
      scene.fault("SIGKILL to the keeper")
      scene.kill(keeper)
      await scene.cleared()
      const ls = await scene.obeyed("ls", "-q")
      if (ls.trim() !== "") throw new Error(`ls lists ${ls.trim()}, whose keeper was killed`)
      const { code } = await scene.bottle("wait", id)
      if (code !== 125) throw new Error(`wait told ${code} of a bottle whose keeper was killed`)
    }
  },
  {
    name: "keeper-killed-in-teardown",
    about: "the keeper is killed while it takes its bottle down",
    boundedRuns: 1,
    provoke: async (scene) => {
      const { id, keeper } = await Life.up(scene)
      const down = scene.start(["down", id])
      await scene.until(
        "the bottle to go down",
        () => scene.ledger(id).some(({ entry }) => entry?._tag === "Closing") || !scene.ledgers().includes(id)
      )
      await Moments.ofRelease(scene)
      scene.fault("SIGKILL to the keeper")
      scene.kill(keeper)
      const { code, stderr } = await scene.end(down)
      if (code !== 0 && code !== 125) throw new Error(`down ended with ${code}: ${stderr}`)
    }
  },
  {
    name: "keeper-signalled",
    about: "the keeper is told to end by a signal, as down would",
    boundedRuns: 1,
    provoke: async (scene) => {
      const { id, keeper } = await Life.up(scene)
      const signal = scene.choose("the signal is", ["SIGTERM", "SIGHUP", "SIGINT"])
      scene.fault(`${signal} to the keeper`)
      process.kill(keeper, signal)
      await scene.cleared()
      await waited(scene, id)
    }
  },
  {
    name: "keeper-command-ends",
    about: "the bottle's command ends by itself, and its code is what is waited for",
    boundedRuns: 1,
    provoke: async (scene) => {
      const code = Life.code(scene)
      scene.witnessed.add(code)
      const id = await Life.launch(scene, "--", "sh", "-c", `sleep 0.${scene.random.below(5)}; exit ${code}`)
      const { code: told } = await scene.bottle("wait", id, "--timeout", "30s")
      if (told !== code) throw new Error(`the command ended with ${code}, and wait told ${told}`)
    }
  },
  {
    name: "keeper-killed-with-command",
    about: "the keeper is killed while the bottle's command runs: its code is not known, and none is told",
    boundedRuns: 1,
    provoke: async (scene) => {
      const { id, keeper } = await Life.up(scene, "--", "sh", "-c", "sleep 1000; exit 5")
      const waiting = scene.start(["wait", id])
      await scene.moment(300)
      scene.fault("SIGKILL to the keeper")
      scene.kill(keeper)
      const { code } = await scene.end(waiting)
      if (code !== 125) throw new Error(`wait told ${code} of a command whose end nobody saw`)
    }
  },
  {
    name: "machine-of-keeper-killed",
    about: "the machine of a bottle in the background is killed: the bottle goes down by itself",
    boundedRuns: 1,
    provoke: async (scene) => {
      await Life.up(scene)
      const [machine = 0] = scene.machines()
      scene.fault(`SIGKILL to the machine ${machine}`)
      scene.kill(machine)
      await scene.cleared(60_000)
    }
  },
  {
    name: "exec-client-killed",
    about: "the client of an exec is killed: its command ends in the guest, and the bottle stays",
    boundedRuns: 1,
    provoke: async (scene) => {
      const { id } = await Life.up(scene)
      const client = scene.start(["exec", id, "--", "sh", "-c", "echo begun; exec sleep 12345"])
      await client.printed("begun")
      await scene.moment(30)
      scene.say("SIGKILL to the client")
      client.child.kill("SIGKILL")
      await scene.end(client)
      await scene.until("the command's end", () => scene.inMachines((argv) => argv.includes("12345")).length === 0)
      const { code, stdout } = await scene.bottle("exec", id, "--", "echo", "alive")
      if (code !== 0 || stdout.toString() !== "alive\n") throw new Error("the bottle did not stay")
      scene.fault("down")
      await scene.obeyed("down", id)
    }
  }
]

/** Takes down what came up although nobody was told of it: an `up` that was ended at its very end. */
const downIfUp = async (scene: Scene): Promise<void> => {
  await scene.until("no bottle, or one that is up", () =>
    scene.ledgers().every((id) => scene.ledger(id).some(({ entry }) => entry?._tag === "Up"))
  )
  const up = scene.ledgers().filter((id) => !scene.ledger(id).some(({ entry }) => entry?._tag === "Closing"))
  // Whoever is ended before the hand-over takes the bottle with it.
  if (up.length > 0) scene.say(`${up.join(", ")} is up`)
}

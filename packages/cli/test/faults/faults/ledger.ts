/** The ledger's disk is full, or what is on it is not what was written. */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import { lacks } from "../../e2e/harness.js"
import type { Fault } from "../fault.js"
import * as Life from "../life.js"
import { names, type Scene } from "../scene.js"

/** A small disk over a directory of the home, in a mount namespace of its own. */
interface Disk {
  /** What stands before a program so that it sees the disk. */
  readonly within: ReadonlyArray<string>
  /** The same directory, seen from here. */
  readonly directory: string
  readonly fill: () => void
  /** The disk itself bears the home's name: it goes before anybody counts, unless a process of a bottle's still sees it. */
  readonly unmount: () => void
}

const DISK_BYTES = 1024 * 1024

/** As root only: whoever mounts in a user namespace of its own is its root, and no ordinary user any more. */
const needsRoot = (): string | undefined =>
  process.getuid?.() !== 0
    ? "only root mounts a disk for another user"
    : lacks("unshare", "nsenter", "mount")
      ? "there is no unshare"
      : undefined

const mount = async (scene: Scene, directory: string): Promise<Disk> => {
  const { uid } = scene.home.user
  Fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  scene.home.own()
  const script = `mount -t tmpfs -o size=${DISK_BYTES},mode=0700,uid=${uid},gid=${uid} tmpfs "$0" && echo mounted && read -r word`
  const holder = ChildProcess.spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", script, directory], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const unmount = () => void holder.kill("SIGKILL")
  scene.finally(unmount)
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once("data", () => resolve())
    holder.once("exit", () => reject(new Error("the disk could not be mounted")))
  })
  const seen = `/proc/${holder.pid}/root${directory}`
  return {
    within: ["nsenter", `--target=${holder.pid}`, "--mount", "--"],
    directory: seen,
    unmount,
    fill: () => {
      const file = Fs.openSync(`${seen}/.full`, "w")
      try {
        for (;;) Fs.writeSync(file, Buffer.alloc(4096))
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error
      } finally {
        Fs.closeSync(file)
      }
    }
  }
}

const left = ({ directory }: Disk): ReadonlyArray<string> => names(directory).filter((name) => !name.startsWith("."))

/** What may stand in the place of a line, or of all. */
const damages = ["garbage", "nothing", "half", "binary", "zeros", "another line", "a long line"] as const

const damage = (text: string, how: (typeof damages)[number]): string => {
  switch (how) {
    case "garbage":
      return "}{ not json"
    case "nothing":
      return ""
    case "half":
      return text.slice(0, text.length / 2)
    case "binary":
      return "\u0001\ufffd\u0000\u001b]0;x\u0007"
    case "zeros":
      return "\u0000".repeat(text.length)
    case "another line":
      return '{"version":99,"entry":{"_tag":"Gone"}}'
    case "a long line":
      return `"${"x".repeat(300_000)}"`
  }
}

const corrupt = (scene: Scene, id: string, isAll: boolean): void => {
  const file = scene.ledgerFile(id)
  const written = Fs.readFileSync(file, "utf8").split("\n").slice(0, -1)
  const at = scene.random.below(written.length)
  const how = scene.choose(isAll ? "every line becomes" : `line ${at + 1} of ${written.length} becomes`, damages)
  const text = written.map((line, index) => (isAll || index === at ? damage(line, how) : line)).join("\n")
  // Over what is there, as a sick disk would do it; and sometimes without its last line feed.
  Fs.writeFileSync(file, scene.random.chance(0.5) ? `${text}\n` : text)
}

/** The ledger's disk, and what is on it. */
export const ledger: ReadonlyArray<Fault> = [
  {
    name: "disk-full-at-claim",
    about: "the disk is full when a bottle is claimed: nothing is created",
    boundedRuns: 1,
    lacks: needsRoot,
    provoke: async (scene) => {
      const disk = await mount(scene, `${scene.state}/bottles`)
      disk.fill()
      const own = Life.code(scene)
      const argv = scene.home.argv(["run", "-q", "--", "sh", "-c", `exit ${own}`])
      const running = scene.home.spawn([...disk.within, ...argv])
      scene.fault("a launch on a full disk")
      const { code, stderr } = await scene.end(running)
      if (code !== 125) throw new Error(`it ended with ${code}: ${stderr}`)
      if (!/^bottle: the ledger .* cannot be written/.test(stderr)) throw new Error(`it said ${stderr}`)
      if (scene.machines().length > 0) throw new Error("a machine was made")
      if (left(disk).length > 0) throw new Error(`it left ${left(disk).join(", ")}`)
      Fs.rmSync(`${disk.directory}/.full`)
      scene.witnessed.add(own)
      const again = await scene.end(scene.home.spawn([...disk.within, ...argv]))
      scene.fault("the second launch is over")
      if (again.code !== own) throw new Error(`with room it ended with ${again.code}: ${again.stderr}`)
      if (left(disk).length > 0) throw new Error(`it left ${left(disk).join(", ")}`)
      disk.unmount()
    }
  },
  {
    name: "disk-full-later",
    about: "the disk becomes full while a bottle is up, and its owner ends by itself or is killed",
    boundedRuns: 1,
    lacks: needsRoot,
    provoke: async (scene) => {
      const where = scene.choose("the full disk is that of the", ["ledgers", "whole state"])
      const disk = await mount(scene, where === "ledgers" ? `${scene.state}/bottles` : scene.state)
      const code = Life.code(scene)
      const words = ["run", "-q", "-i", "-e", `MARKER=${scene.home.marker}`, "--", ...Life.command(scene, code)]
      const running = scene.home.spawn([...disk.within, ...scene.home.argv(words)], { stdin: "pipe" })
      running.child.stdin?.on("error", () => {})
      await running.printed("begun\n")
      disk.fill()
      const how = scene.choose("its owner is", ["told", "killed"])
      scene.fault("the disk is full")
      if (how === "told") {
        scene.witnessed.add(code)
        running.child.stdin?.end("end\n")
      } else running.child.kill("SIGKILL")
      const { code: told, stderr } = await scene.end(running)
      if (how === "told" && told !== code)
        throw new Error(`the command ended with ${code}, and the run with ${told}: ${stderr}`)
      const ledgers = where === "ledgers" ? disk : { ...disk, directory: `${disk.directory}/bottles` }
      await scene.until("the ledger to go", () => left(ledgers).length === 0)
      disk.unmount()
    }
  },
  {
    name: "ledger-corrupted",
    about: "a line of the ledger becomes something else, and then the owner is killed, or ends by itself",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      await run.begun()
      const { id } = await scene.owned()
      await scene.until("a bottle that is up", () => scene.ledger(id).some(({ entry }) => entry?._tag === "Up"))
      corrupt(scene, id, false)
      const { code, stderr } = await scene.bottle("ls")
      if (code !== 0) throw new Error(`ls ended with ${code}: ${stderr}`)
      const how = scene.choose("its owner is", ["told", "killed"])
      if (how === "told") {
        run.finish()
        scene.fault("the end")
        const ended = await scene.end(run.running)
        if (ended.code !== run.code)
          throw new Error(`the command ended with ${run.code}, and the run with ${ended.code}`)
        return
      }
      scene.fault("SIGKILL to the run")
      run.running.child.kill("SIGKILL")
      await scene.end(run.running)
    }
  },
  {
    name: "ledger-destroyed",
    about: "no line of the ledger can be read any more, and the owner is killed: only cleanup --all takes it",
    boundedRuns: 1,
    provoke: async (scene) => {
      const run = Life.run(scene)
      await run.begun()
      const { id } = await scene.owned()
      corrupt(scene, id, true)
      const living = await scene.bottle("cleanup")
      if (living.code !== 0) throw new Error(`cleanup ended with ${living.code}: ${living.stderr}`)
      if (run.hasEnded() || scene.machines().length === 0) throw new Error("cleanup took a bottle whose owner lives")
      run.running.child.kill("SIGKILL")
      scene.say("SIGKILL to the run")
      await scene.end(run.running)
      await scene.until("the handle's end", () => scene.handles().length === 0)
      scene.fault("cleanup --all")
      await scene.obeyed("cleanup", "--all")
    }
  }
]

/** Bottles as the faults want them: with a command that says when it has begun, and ends with a known code when told. */
import * as Fs from "node:fs"
import type { Running } from "../e2e/harness.js"
import type { Scene } from "./scene.js"

/** A `bottle run` whose command waits for its end. */
export interface Run {
  readonly running: Running
  readonly hasEnded: () => boolean
  /** Resolves when the command has begun. */
  readonly begun: () => Promise<void>
  /** Lets the command end by itself with its code. */
  readonly finish: () => void
  readonly code: number
}

/** How many codes are no code of ours, of a signal's or of success: who tells one of them has it from the guest. */
const CODES = 60

// A guest that is told nothing waits; one that will not be told ignores what can be ignored, and has a child elsewhere.
const obedient = (code: number) => `echo begun; read -r word; exit ${code}`
const stubborn = (code: number) =>
  `trap '' HUP INT TERM; (setsid sleep 1000 >/dev/null 2>&1 &) ; sleep 1000 >/dev/null 2>&1 & echo begun; read -r word; exit ${code}`

/** The words of a command that ends with the code when a line comes on its standard input. */
export const command = (scene: Scene, code: number): ReadonlyArray<string> => [
  "sh",
  "-c",
  scene.random.chance(0.3) ? stubborn(code) : obedient(code),
  scene.home.marker
]

/** A code that only the guest's command can have ended with. */
export const code = (scene: Scene): number => 3 + scene.random.below(CODES)

/** Starts a `bottle run`. */
export const run = (scene: Scene, ...flags: ReadonlyArray<string>): Run => {
  const chosen = code(scene)
  const running = scene.start(
    ["run", "-q", "-i", "-e", `MARKER=${scene.home.marker}`, ...flags, "--", ...command(scene, chosen)],
    { stdin: "pipe" }
  )
  running.child.stdin?.on("error", () => {})
  let ended = false
  void running.ended.then(() => (ended = true))
  return {
    running,
    hasEnded: () => ended,
    begun: () => running.printed("begun\n"),
    finish: () => {
      scene.witnessed.add(chosen)
      scene.say(`its command is told to end with ${chosen}`)
      running.child.stdin?.end("end\n")
    },
    code: chosen
  }
}

/** A bottle that is up in the background. */
export interface Up {
  readonly id: string
  readonly keeper: number
}

/** Brings a bottle up in the background that may be down again by then: its id. */
export const launch = async (scene: Scene, ...flags: ReadonlyArray<string>): Promise<string> =>
  (await scene.obeyed("up", "-e", `MARKER=${scene.home.marker}`, ...flags)).trim()

/** Brings a bottle up in the background. */
export const up = async (scene: Scene, ...flags: ReadonlyArray<string>): Promise<Up> => {
  if (!flags.includes("--")) scene.hasCommandless = true
  const id = await launch(scene, ...flags)
  const owner = scene.owner(id)
  if (owner === undefined) throw new Error(`the bottle ${id} is up and its ledger names no owner`)
  return { id, keeper: owner.pid }
}

/** A file that the home's user owns. */
export const write = (scene: Scene, name: string, text: string): string => {
  const file = scene.home.path(name)
  Fs.writeFileSync(file, text, { mode: 0o755 })
  if (process.getuid?.() === 0) Fs.chownSync(file, scene.home.user.uid, scene.home.user.uid)
  return file
}

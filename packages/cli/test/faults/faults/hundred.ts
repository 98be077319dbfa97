/** A hundred bottles up at once: they are listed, looked at from outside, and taken down. */
import * as ChildProcess from "node:child_process"
import type { Fault } from "../fault.js"
import { read, type Scene } from "../scene.js"

/** How many `bottle up` are under way at once: each is a program, and so is the keeper that it starts. */
const UPS_AT_ONCE = 4

const LISTINGS = 20

/** Runs a program, and then says on a line of its own how long it worked: user's and system's seconds. */
const TIMED = `TIMEFORMAT='worked %U %S'; time "$@"`

/** The milliseconds that a program worked for, however much the machine did beside. */
const workedMillis = (stderr: string): number => {
  const [, user = Number.NaN, system = Number.NaN] = /^worked ([\d.]+) ([\d.]+)$/m.exec(stderr) ?? []
  return 1000 * (Number(user) + Number(system))
}

/** A bottle as `ls --format json` lists it, so far as it matters here. */
interface Listed {
  readonly id: string
  readonly state: string
}

const spread = (values: ReadonlyArray<number>, digits: number): string => {
  const sorted = values.toSorted((left, right) => left - right)
  const at = (part: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN).toFixed(digits)
  return `median ${at(0.5)}, ${at(0)} to ${at(1)}`
}

const megabytes = (pid: number, file: string, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(read(`/proc/${pid}/${file}`))?.[1] ?? Number.NaN) / 1024

/** Brings up so many bottles, lists them all, and takes them down at once; what it took is measured. */
export const hold = async (scene: Scene, count: number): Promise<void> => {
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const from = performance.now()
    await work()
    return performance.now() - from
  }
  scene.hasCommandless = true
  const words = ["up", "--allow", "a.test", "-e", `MARKER=${scene.home.marker}`]
  const ids = new Set<string>()
  let left = count
  const bringUp = async () => {
    while (left > 0) {
      left -= 1
      ids.add((await scene.obeyed(...words)).trim())
    }
  }
  const up = await timed(() => Promise.all(Array.from({ length: UPS_AT_ONCE }, bringUp)))
  if (ids.size !== count) throw new Error(`${ids.size} of ${count} bottles have an id of their own`)
  const listings: Array<number> = []
  const works: Array<number> = []
  for (let time = 0; time < LISTINGS; time++) {
    const argv = ["bash", "-c", TIMED, "bash", ...scene.home.argv(["ls", "--format", "json"])]
    const running = scene.home.spawn(argv)
    listings.push(await timed(() => running.ended))
    const { stderr, stdout } = await scene.end(running)
    works.push(workedMillis(stderr))
    const { bottles: listed }: { readonly bottles: ReadonlyArray<Listed> } = JSON.parse(stdout.toString())
    const missing = [...ids].filter((id) => !listed.some((one) => one.id === id && one.state === "up"))
    if (missing.length > 0) throw new Error(`ls does not list as up: ${missing.join(", ")}`)
  }
  if (scene.machines().length !== count) throw new Error(`${scene.machines().length} machines run, and not ${count}`)
  const keepers = [...ids].flatMap((id) => scene.owner(id)?.pid ?? [])
  scene.fault("down --all")
  const rss = keepers.map((pid) => megabytes(pid, "status", "VmRSS"))
  const pss = keepers.map((pid) => megabytes(pid, "smaps_rollup", "Pss"))
  const handles = scene.handles().map((pid) => megabytes(pid, "status", "VmRSS"))
  const free = ChildProcess.execFileSync("free", ["-m"], { encoding: "utf8" }).split("\n")[1]?.split(/\s+/)[6]
  const down = await timed(() => scene.obeyed("down", "--all"))
  await scene.cleared(60_000)
  scene.measured.push(
    `${count} bottles: up in ${(up / 1000).toFixed(1)} s (${UPS_AT_ONCE} at once), down in ${(down / 1000).toFixed(1)} s`,
    `bottle ls, ${LISTINGS} times, ms: ${spread(listings, 0)}; of work in them: ${spread(works, 0)}`,
    `a keeper's resident memory, MB: ${spread(rss, 1)}; its share of what is shared divided: ${spread(pss, 1)}`,
    `a handle's resident memory, MB: ${spread(handles, 1)}; available on the machine then: ${free ?? "?"} MB`
  )
}

/** A hundred bottles up at once. */
export const hundred: ReadonlyArray<Fault> = [
  {
    name: "hundred",
    about: "nothing goes wrong with a hundred bottles at once",
    boundedRuns: 0,
    boundMillis: 1_200_000,
    provoke: (scene) => hold(scene, 100)
  }
]

/** Where a fault happens: a home of its own, what was done in it, and a count of what is left of it. */
import * as Census from "@bottle/testing/Census"
import * as FaultyProgram from "@bottle/testing/FaultyProgram"
import { waitUntil } from "@bottle/testing/Wait"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { type Ended, Home, type Running, type User } from "../e2e/harness.js"
import type { Random } from "./random.js"

/** Nothing here takes this long unless something is stuck, however busy the machine is. */
const PATIENCE_MILLIS = 120_000

/** What bottle ends with when it is at fault itself. */
const DEFECT = 70

/** A process may have a whole script among its words. */
const LINE_MAX = 200

/** How often a moment is looked for. */
const LOOK_MILLIS = 2

/** How long may something of a bottle be there after all that was to end has ended; handles wait for nothing else. */
const CLEAR_MILLIS = 60_000

/** One line of a bottle's record of its launch. */
export interface RecordLine {
  readonly _tag: string
  readonly stage?: string
  readonly code?: number | null
  readonly origin?: string
  readonly error?: string | null
}

/** One line of a ledger, as far as it matters here. */
export interface LedgerLine {
  readonly role?: string
  readonly writer?: { readonly identity?: { readonly pid?: number } }
  readonly entry?: { readonly _tag?: string }
}

/** A process that owns a bottle, as its ledger names it. */
export interface Owner {
  readonly id: string
  readonly pid: number
}

/** A run of a fault does all in its scene. */
export class Scene {
  readonly home: Home
  readonly random: Random
  readonly census: Census.Census
  /** The codes that a guest's command ended with by itself; no other code of a guest may be told. */
  readonly witnessed = new Set<number>()
  /** Whether a bottle here has no command: it ends with 0 when it goes down cleanly. */
  hasCommandless = false
  /** Whether the bundles here are in containers. */
  readonly hasContainer: boolean
  readonly #began = performance.now()
  readonly #trail: Array<string> = []
  readonly #closing: Array<() => Promise<void> | void> = []
  #faultMillis: number | undefined
  /** What was measured beside, a line each. */
  readonly measured: Array<string> = []
  /** How long it took until nothing was left, counted from the fault or from what ended it; the longest, of several. */
  clearedMillis: number | undefined

  constructor(user: User, random: Random, options: { readonly docker?: boolean } = {}) {
    this.home = new Home(user)
    this.random = random
    this.hasContainer = options.docker === true
    this.census = Census.make({
      marker: this.home.marker,
      directories: [this.home.path("home")],
      stays: (path, isDirectory) => this.#stays(path, isDirectory),
      label: this.hasContainer ? this.home.label : undefined,
      subnets: this.hasContainer ? () => this.#subnets() : undefined
    })
    this.say(`as ${user.name} in ${this.home.directory}`)
  }

  get state(): string {
    return this.home.path("home/.local/state/bottle")
  }

  /** Notes what is done, for the message of a failure. */
  say(what: string): void {
    this.#trail.push(`${(performance.now() - this.#began).toFixed(0).padStart(6)} ms  ${what}`)
  }

  get trail(): string {
    return this.#trail.join("\n")
  }

  /** From here on the time is counted until nothing is left. */
  fault(what: string): void {
    this.say(what)
    this.#faultMillis = performance.now()
  }

  /** Is done when the scene is over, whatever happened; the last one first. */
  finally(work: () => Promise<void> | void): void {
    this.#closing.unshift(work)
  }

  /** A choice, written down. */
  choose<A extends string | number>(what: string, from: readonly [A, ...ReadonlyArray<A>]): A {
    const chosen = this.random.pick(from)
    this.say(`${what}: ${chosen}`)
    return chosen
  }

  /** Lets a random part of a measured length pass: the randomness of the moment, no hope that something is done by then. */
  async moment(lengthMillis: number): Promise<void> {
    const millis = this.random.next() * lengthMillis
    this.say(`after ${millis.toFixed(1)} of ${lengthMillis.toFixed(0)} ms`)
    // Timers are as coarse as what we want to hit.
    if (millis > 2) await delay(millis)
  }

  /** Waits until something can be seen; says what it waited for when that takes too long. */
  async until(what: string, condition: () => boolean, boundMillis: number = PATIENCE_MILLIS): Promise<void> {
    await Effect.runPromise(waitUntil(Effect.sync(condition), { boundMillis, everyMillis: LOOK_MILLIS, what }))
  }

  /** Waits for a program's end, which must come. */
  async end(running: Running, boundMillis: number = PATIENCE_MILLIS): Promise<Ended> {
    const ended = await Promise.race([running.ended, delay(boundMillis, undefined, { ref: false })])
    if (ended === undefined) throw new Error(`it had not ended ${boundMillis} ms later`)
    if (ended.code === DEFECT) throw new Error(`a fault in bottle itself: ${ended.stderr}`)
    this.say(`ended: ${ended.code ?? ended.signal}${ended.stderr === "" ? "" : `, said ${oneLine(ended.stderr)}`}`)
    return ended
  }

  /** Starts `bottle` with these words. */
  start(args: ReadonlyArray<string>, options: Parameters<Home["start"]>[1] = {}): Running {
    this.say(`bottle ${args.slice(0, 6).join(" ")}`)
    return this.home.start(args, { ...options, env: { MARKER: this.home.marker, BOTTLE_DEBUG: "1", ...options.env } })
  }

  /** Runs `bottle` with these words to its end. */
  async bottle(...args: ReadonlyArray<string>): Promise<Ended> {
    return this.end(this.start(args))
  }

  /** As `bottle`, where the words must be obeyed. */
  async obeyed(...args: ReadonlyArray<string>): Promise<string> {
    const { code, stderr, stdout } = await this.bottle(...args)
    if (code !== 0) throw new Error(`bottle ${args.join(" ")} ended with ${code}: ${stderr}`)
    return stdout.toString()
  }

  /** smolvm's place, taken by a program that stands before the local runtime. */
  faultySmolvm(): FaultyProgram.FaultyProgram {
    const { home } = this
    const command = [home.node, home.path("smolvm-local.mjs")]
    const program = FaultyProgram.make({ path: home.path("bin/smolvm"), control: home.path("faulty-smolvm"), command })
    this.finally(program.recover)
    return program
  }

  /** docker's place, taken by a program that stands before the real one. */
  faultyDocker(path: string): FaultyProgram.FaultyProgram {
    const { home } = this
    const program = FaultyProgram.make({
      path: home.path("bin/docker"),
      control: home.path("faulty-docker"),
      command: [path]
    })
    this.finally(program.recover)
    return program
  }

  /** The ids of the bottles that have a ledger. */
  ledgers(): ReadonlyArray<string> {
    return names(Path.join(this.state, "bottles")).filter((name) => !name.startsWith("."))
  }

  ledgerFile(id: string): string {
    return Path.join(this.state, "bottles", id, "ledger.jsonl")
  }

  /** What a bottle's ledger holds now, line by line; lines that cannot be read are left out. */
  ledger(id: string): ReadonlyArray<LedgerLine> {
    return lines<LedgerLine>(this.ledgerFile(id))
  }

  /** The process that owns a bottle, once its ledger says so. */
  owner(id: string): Owner | undefined {
    for (const line of this.ledger(id)) {
      const pid = pidOf(line)
      if (pid !== undefined) return { id, pid }
    }
    return undefined
  }

  /** Waits for the only bottle's ledger, and gives its owner. */
  async owned(): Promise<Owner> {
    let found: Owner | undefined
    await this.until("a ledger that names its owner", () => {
      const [id] = this.ledgers()
      found = id === undefined ? undefined : this.owner(id)
      return found !== undefined
    })
    if (found === undefined) throw new Error("unreachable")
    return found
  }

  /** What the records of this home's launches say, by bottle. */
  records(): ReadonlyMap<string, ReadonlyArray<RecordLine>> {
    return new Map(
      names(this.home.records).map((id) => [id, lines<RecordLine>(Path.join(this.home.records, id, "launch.jsonl"))])
    )
  }

  /** The pids of this home's processes whose words fulfil a condition. */
  processes(isMeant: (argv: ReadonlyArray<string>) => boolean): ReadonlyArray<number> {
    return marked(this.home.marker).filter((pid) => isMeant(argvOf(pid)))
  }

  /** The dead man's handles: shells that were given what to run when their pipe ends. */
  handles(): ReadonlyArray<number> {
    return this.processes(([program = "", ...words]) => program.endsWith("sh") && words.includes("recover"))
  }

  /** The first processes of this home's machines, by the number that the host knows them by. */
  machines(): ReadonlyArray<number> {
    const { marker } = this.home
    return pids().filter(
      (pid) =>
        /^NSpid:\t\d+\t(?:\d+\t)*1$/m.test(read(`/proc/${pid}/status`)) &&
        (read(`/proc/${pid}/mountinfo`).includes(marker) || read(`/proc/${pid}/environ`).includes(marker))
    )
  }

  /** The pids of the processes in this home's machines whose words fulfil a condition. */
  inMachines(isMeant: (argv: ReadonlyArray<string>) => boolean): ReadonlyArray<number> {
    const namespaces = new Set(this.machines().map(pidNamespace))
    return pids().filter((pid) => namespaces.has(pidNamespace(pid)) && isMeant(argvOf(pid)))
  }

  /** Sends SIGKILL to one process of this home; whether it was there. */
  kill(pid: number): boolean {
    try {
      return process.kill(pid, "SIGKILL")
    } catch {
      return false
    }
  }

  /** Waits until nothing of this home's is left, seen from outside. */
  async cleared(boundMillis: number = CLEAR_MILLIS): Promise<void> {
    const from = this.#faultMillis ?? performance.now()
    const end = performance.now() + boundMillis
    for (;;) {
      const left = Census.lines(await Effect.runPromise(this.census.take))
      if (left.length === 0) break
      if (performance.now() > end) {
        throw new Error(
          `still there ${boundMillis} ms later:\n${left.map((line) => `  ${line.slice(0, LINE_MAX)}`).join("\n")}`
        )
      }
      await delay(20)
    }
    this.clearedMillis = Math.max(this.clearedMillis ?? 0, performance.now() - from)
    this.say("nothing is left")
  }

  /** No record may tell a code that no command ended with, and none may tell two ends. */
  assertNoInvention(): void {
    for (const [id, record] of this.records()) {
      const ends = record.filter(({ _tag }) => _tag === "Ended")
      if (ends.length > 1) throw new Error(`the record of ${id} tells ${ends.length} ends: ${JSON.stringify(ends)}`)
      for (const { code, origin } of ends) {
        if (code === 0 && origin === "engine" && this.hasCommandless) continue
        this.assertCode(code ?? null, `the record of ${id} (origin ${origin})`)
      }
    }
  }

  /** A code that was told: ours (125 and up), none, or one that a command ended with by itself. */
  assertCode(code: number | null, where: string): void {
    if (code === null || code >= 125 || this.witnessed.has(code)) return
    throw new Error(`${where} tells the code ${code}, and no command ended with it`)
  }

  /** Ends and removes all that is left, after a failure too; gives what was left. */
  async close(): Promise<void> {
    for (const work of this.#closing) await work()
    for (let look = 0; look < 100; look++) {
      const left = [...marked(this.home.marker), ...this.machines()]
      if (left.length === 0) break
      for (const pid of left) this.kill(pid)
      await delay(20)
    }
    if (this.hasContainer) await this.home.remove()
    else Fs.rmSync(this.home.directory, { recursive: true, force: true })
  }

  /** What a reader of a failure needs beside the trail: what ledgers and records tell. */
  remains(): string {
    const ledgers = this.ledgers().map((id) => {
      const told = this.ledger(id).map(({ entry, role, writer }) => `${role} ${writer?.identity?.pid} ${entry?._tag}`)
      return `the ledger of ${id}: ${told.join(", ")}`
    })
    const records = [...this.records()].map(([id, record]) => {
      const told = record.filter(({ _tag }) => _tag !== "StageEnded" && _tag !== "BundleSaid")
      return `the record of ${id}: ${told.map(shortly).join(", ")}`
    })
    const there = [...new Set([...marked(this.home.marker), ...this.inMachines(() => true)])].map(described)
    return [...ledgers.slice(0, 5), ...records.slice(0, 5), ...there.slice(0, 40)].join("\n")
  }

  #stays(path: string, isDirectory: boolean): boolean {
    if (path === this.home.records || path.startsWith(`${this.home.records}/`)) return true
    return isDirectory && STANDING.has(Path.relative(this.home.path("home"), path))
  }

  #subnets(): ReadonlyArray<string> {
    return names(this.home.records).flatMap((id) => {
      const plan = read(Path.join(this.home.records, id, "plan.json"))
      return [...plan.matchAll(/"subnet": "([0-9./]+)"/g)].map(([, subnet = ""]) => subnet)
    })
  }
}

/** The directories that a first bottle makes and none removes. */
const STANDING: ReadonlySet<string> = new Set([
  ".local",
  ".local/state",
  ".local/state/bottle",
  ".local/state/bottle/bottles",
  ".local/state/bottle/bottles/.names",
  ".local/state/bottle/run",
  ".local/state/bottle/local",
  ".local/state/bottle/local/machines",
  ".local/state/bottle/local/locks",
  ".cache",
  ".cache/bottle",
  ".cache/bottle/packs"
])

const described = (pid: number): string => {
  const state = /^State:\t(\S)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? "gone"
  const words = argvOf(pid).join(" ").replaceAll(/\s+/g, " ").slice(0, 120)
  return `${pid} of ${parentOf(pid)}, ${state} in ${read(`/proc/${pid}/wchan`)}: ${words}`
}

const shortly = ({ _tag, stage, ...others }: RecordLine): string =>
  _tag === "StageStarted" ? `${stage}` : `${_tag} ${JSON.stringify({ ...others, time: undefined })}`

/** The process that started one, or has inherited it. */
export const parentOf = (pid: number): number => Number(/^PPid:\t(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0)

const pidNamespace = (pid: number): string => attempt(() => Fs.readlinkSync(`/proc/${pid}/ns/pid`), `none of ${pid}`)

/** A text on one line, not too long. */
export const oneLine = (text: string): string => JSON.stringify(text.trim().slice(0, 300))

const attempt = <A>(work: () => A, otherwise: A): A => {
  try {
    return work()
  } catch {
    return otherwise
  }
}

/** A file's text; nothing where it is not there. */
export const read = (path: string): string => attempt(() => Fs.readFileSync(path, "utf8"), "")

/** A directory's names; none where it is not there. */
export const names = (directory: string): ReadonlyArray<string> => attempt(() => Fs.readdirSync(directory), [])

const lines = <A>(file: string): ReadonlyArray<A> =>
  read(file)
    .split("\n")
    .flatMap((line) =>
      attempt(() => {
        const value: unknown = JSON.parse(line)
        return typeof value === "object" && value !== null ? [value as A] : []
      }, [])
    )

const pids = (): ReadonlyArray<number> =>
  Fs.readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)

const argvOf = (pid: number): ReadonlyArray<string> => read(`/proc/${pid}/cmdline`).split("\0").slice(0, -1)

const marked = (marker: string): ReadonlyArray<number> =>
  pids().filter(
    (pid) =>
      pid !== process.pid &&
      (read(`/proc/${pid}/cmdline`).includes(marker) ||
        read(`/proc/${pid}/environ`).includes(marker) ||
        attempt(() => Fs.readlinkSync(`/proc/${pid}/cwd`), "").includes(marker))
  )

/** The pid of the owner, where this line was written by it. */
const pidOf = (line: LedgerLine): number | undefined => (line.role === "owner" ? line.writer?.identity?.pid : undefined)

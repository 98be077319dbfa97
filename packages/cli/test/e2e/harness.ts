/** What the end-to-end tests share: the built program, run as a user would run it, and a look at what it left behind. */
import * as DockerDaemon from "@bottle/testing/DockerDaemon"
import * as Survivors from "@bottle/testing/Survivors"
import * as Effect from "effect/Effect"
import { deepStrictEqual } from "node:assert/strict"
import * as ChildProcess from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const dist = (name: string): string => fileURLToPath(new URL(`../../../${name}`, import.meta.url))

/** What is below a directory. Of what is being taken down meanwhile, a directory can be gone before it is read. */
const entriesBelow = (directory: string): ReadonlyArray<Fs.Dirent> => {
  for (let left = WALKS_MAX; ; left -= 1) {
    try {
      return Fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    } catch (error) {
      if (left <= 1 || !(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error
    }
  }
}

/** As often as directories may go while they are looked at. */
const WALKS_MAX = 100

/** A sweep ends within this, by a runtime that answers. */
const SWEEP_MILLIS = 20_000

const BUNDLE = dist("cli/dist/bottle.mjs")
const KEEPER = dist("cli/dist/bottle-keeper.mjs")
const LOCAL = dist("local/dist/smolvm-local.mjs")
const IMAGE_FILES = dist("cli/dist/bundle")

/** Who runs the program. */
export interface User {
  readonly name: string
  /** What stands before the program to become this user. */
  readonly become: ReadonlyArray<string>
  readonly uid: number
}

const isRoot = process.getuid?.() === 0

// No account of the machine's: an ordinary user without anything but its number.
const ORDINARY_UID = 34_567

/** The users that these tests can be: as root, root and an ordinary one; as anybody else, that one. */
export const users: ReadonlyArray<User> = isRoot
  ? [
      { name: "root", become: [], uid: 0 },
      {
        name: "an ordinary user",
        become: ["setpriv", `--reuid=${ORDINARY_UID}`, `--regid=${ORDINARY_UID}`, "--clear-groups", "--"],
        uid: ORDINARY_UID
      }
    ]
  : [{ name: "an ordinary user", become: [], uid: process.getuid?.() ?? 0 }]

/** The last of `users`: as which a test runs that need not be run as each. */
export const ordinary: User = users[users.length - 1] ?? { name: "", become: [], uid: 0 }

// Not our own PATH: an ordinary user may not look into its directories.
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// The tests may have a docker daemon of their own.
const docker: Record<string, string> =
  process.env["DOCKER_HOST"] === undefined ? {} : { DOCKER_HOST: process.env["DOCKER_HOST"] }

/** The path of a program that every user can run. */
export const find = (name: string): string | undefined =>
  SYSTEM_PATH.split(":")
    .map((directory) => Path.join(directory, name))
    .find((path) => Fs.existsSync(path))

/** Whether one of these programs is missing. A test that is skipped for it says so in its name. */
export const lacks = (...programs: ReadonlyArray<string>): boolean => programs.some((name) => find(name) === undefined)

const isOpenToAll = (path: string): boolean =>
  path === "/" || ((Fs.statSync(path).mode & 0o001) !== 0 && isOpenToAll(Path.dirname(path)))

/** How a program ended, and all it printed. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** A program that runs. */
export interface Running {
  readonly child: ChildProcess.ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves when standard output holds the text; rejects when the program ends before. */
  readonly printed: (text: string) => Promise<void>
  /** The same of standard error. */
  readonly told: (text: string) => Promise<void>
  /** What standard output holds now. */
  readonly output: () => string
}

/** A home of its own for one test, below a directory whose name nothing else on the machine bears. */
export class Home {
  readonly directory: string
  readonly marker: string
  readonly user: User
  readonly bin: string
  readonly node: string
  readonly env: Record<string, string>

  constructor(user: User) {
    this.user = user
    this.marker = `e2e-${randomBytes(6).toString("hex")}`
    this.directory = Path.join(Fs.realpathSync(Os.tmpdir()), `bottle-${this.marker}`)
    this.bin = Path.join(this.directory, "bin")
    for (const path of [this.directory, this.path("home"), this.path("work"), this.bin]) {
      Fs.mkdirSync(path, { mode: 0o755 })
    }
    // The checkout may be where an ordinary user cannot look.
    Fs.copyFileSync(BUNDLE, this.path("bottle.mjs"))
    Fs.copyFileSync(KEEPER, this.path("bottle-keeper.mjs"))
    Fs.copyFileSync(LOCAL, this.path("smolvm-local.mjs"))
    Fs.cpSync(IMAGE_FILES, this.path("bundle"), { recursive: true })
    this.node = user.become.length === 0 || isOpenToAll(process.execPath) ? process.execPath : this.path("node")
    if (this.node !== process.execPath) Fs.copyFileSync(process.execPath, this.node)
    this.env = { PATH: `${this.bin}:${SYSTEM_PATH}`, HOME: this.path("home"), LC_ALL: "C.UTF-8", ...docker }
    this.own()
  }

  path(name: string): string {
    return Path.join(this.directory, name)
  }

  /** Gives everything below the home to its user. */
  own(): void {
    if (!isRoot) return
    const walk = (at: string): void => {
      Fs.lchownSync(at, this.user.uid, this.user.uid)
      if (Fs.lstatSync(at).isDirectory()) for (const name of Fs.readdirSync(at)) walk(Path.join(at, name))
    }
    walk(this.directory)
  }

  /** Writes a program that is found by its name. */
  program(name: string, text: string): string {
    const file = Path.join(this.bin, name)
    Fs.writeFileSync(file, text, { mode: 0o755 })
    return file
  }

  /** The words of a command line of ours, for the user of this home. */
  argv(args: ReadonlyArray<string>): ReadonlyArray<string> {
    return [...this.user.become, this.node, this.path("bottle.mjs"), ...args]
  }

  /** Starts any program as the user, in its work directory. */
  spawn(
    argv: ReadonlyArray<string>,
    options: {
      readonly stdin?: "ignore" | "pipe" | number
      readonly env?: Record<string, string>
      readonly onStdout?: (chunk: Buffer) => void
    } = {}
  ): Running {
    const [program = "", ...args] = argv
    const child = ChildProcess.spawn(program, args, {
      cwd: this.path("work"),
      env: { ...this.env, ...options.env },
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"]
    })
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    const listeners = new Set<() => void>()
    const look = () => {
      for (const listener of listeners) listener()
    }
    child.stdout?.on("data", (chunk: Buffer) => {
      if (options.onStdout === undefined) stdout.push(chunk)
      else options.onStdout(chunk)
      look()
    })
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr.push(chunk)
      look()
    })
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (code, signal) =>
        resolve({ code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() })
      )
    })
    const holds = (chunks: ReadonlyArray<Buffer>, wanted: string) =>
      new Promise<void>((resolve, reject) => {
        const listener = () => {
          if (!Buffer.concat(chunks).toString().includes(wanted)) return
          listeners.delete(listener)
          resolve()
        }
        listeners.add(listener)
        listener()
        void ended.then((end) => reject(new Error(`it ended (${end.code}) before it said ${wanted}: ${end.stderr}`)))
      })
    return {
      child,
      ended,
      printed: (wanted) => holds(stdout, wanted),
      told: (wanted) => holds(stderr, wanted),
      output: () => Buffer.concat(stdout).toString()
    }
  }

  /** Starts `bottle` with these words. */
  start(args: ReadonlyArray<string>, options: Parameters<Home["spawn"]>[1] = {}): Running {
    return this.spawn(this.argv(args), options)
  }

  /** Runs `bottle` with these words to its end. */
  bottle(...args: ReadonlyArray<string>): Promise<Ended> {
    return this.start(args).ended
  }

  /** The directory that holds the records of this home's bottles. They are meant to stay. */
  get records(): string {
    return this.path("home/.local/state/bottle/records")
  }

  /** Every file, socket and lock below the home directory; directories do not count, and neither do records. */
  files(): ReadonlyArray<string> {
    return entriesBelow(this.path("home"))
      .filter((entry) => !entry.isDirectory())
      .map((entry) => Path.join(entry.parentPath, entry.name))
      .filter((file) => !file.startsWith(`${this.records}/`))
  }

  /** What every container and network of this home's bottles is labelled with. */
  get label(): string {
    return `bottle.owner=${this.path("home/.local/state/bottle/run")}`
  }

  /** What is left of this home's bottles, seen from outside: processes, mounts, namespaces, sockets, files, containers. */
  async left(): Promise<ReadonlyArray<string>> {
    const found = await Effect.runPromise(Survivors.find(this.marker))
    const contained = DockerDaemon.answers() ? await Effect.runPromise(DockerDaemon.labelled(this.label)) : []
    return [...found.processes, ...found.mounts, ...found.namespaces, ...found.sockets, ...this.files(), ...contained]
  }

  async assertNothingLeft(): Promise<void> {
    // A sweep that a launch started goes on by itself, for a moment longer than the launch maybe.
    const end = performance.now() + SWEEP_MILLIS
    while ((await this.left()).some((line) => line.includes("bottle-keeper.mjs sweep ")) && performance.now() < end) {
      await new Promise((done) => setTimeout(done, 50))
    }
    deepStrictEqual(await this.left(), [])
  }

  /** Removes the home, and whatever a failed test has left in the docker daemon. */
  async remove(): Promise<void> {
    if (DockerDaemon.answers()) await Effect.runPromise(Effect.scoped(DockerDaemon.removing(this.label)))
    Fs.rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Runs a test in a home of its own. Whatever the test did, nothing of its bottles may be left, and then the home goes. */
export const inHome = async (user: User, use: (home: Home) => Promise<void>): Promise<void> => {
  const home = new Home(user)
  try {
    await use(home)
    await home.assertNothingLeft()
  } finally {
    await home.remove()
  }
}

/** A server that counts who connects, and answers every one with the same bytes. */
export interface Listener {
  readonly port: number
  readonly connections: () => number
  readonly close: () => Promise<void>
}

/** Listens on an address of this machine until it is closed; the port is the system's choice unless it is given. */
export const listen = (host: string, answer: string, port = 0): Promise<Listener> =>
  new Promise((resolve, reject) => {
    let count = 0
    const sockets = new Set<Net.Socket>()
    const server = Net.createServer((socket) => {
      count += 1
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
      socket.once("data", () => socket.end(answer))
    })
    server.on("error", reject)
    server.listen(port, host, () => {
      const address = server.address()
      resolve({
        port: typeof address === "object" && address !== null ? address.port : 0,
        connections: () => count,
        close: () =>
          new Promise((done) => {
            for (const socket of sockets) socket.destroy()
            server.close(() => done())
          })
      })
    })
  })

/** The addresses of this machine that are not loopback. */
export const otherAddresses = (): ReadonlyArray<string> =>
  Object.values(Os.networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter((entry) => !entry.internal && entry.family === "IPv4")
    .map((entry) => entry.address)

/** The two lines of a failure that every one has: what, and what to do; not what was run, nor where to read on. */
export const failureLines = (stderr: string): ReadonlyArray<string> =>
  stderr
    .trimEnd()
    .split("\n")
    .filter((line) => !/^ {2}(?:ran {2}|said|    ) |^more: docs\/reference\/errors\.md#[a-z]+$/.test(line))

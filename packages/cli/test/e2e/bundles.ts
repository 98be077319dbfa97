/** The two kinds of bundle, so that one test is run with each: beside the launch, and in a container. */
import * as DockerDaemon from "@bottle/testing/DockerDaemon"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import type { Home, Listener, Running, User } from "./harness.js"
import { inHome, listen, otherAddresses, users } from "./harness.js"

/** A bundle, and who launches it. */
export interface Setup {
  readonly name: string
  readonly kind: "process" | "container"
  readonly user: User
  /** Why it cannot be tried here. A test that is skipped for it says so in its name. */
  readonly lacks: string | undefined
}

/** A container takes seconds where nothing takes milliseconds else, and these tests share two processors. */
export const TIMEOUT_MILLIS = 180_000

const root = users.find((user) => user.uid === 0)

export const setups: ReadonlyArray<Setup> = [
  ...users.map((user) => ({
    name: `a bundle beside the launch, as ${user.name}`,
    kind: "process" as const,
    user,
    lacks: undefined
  })),
  {
    name: "a bundle in a container",
    kind: "container",
    user: root ?? users[0] ?? { name: "", become: [], uid: 0 },
    lacks: root === undefined || !DockerDaemon.answers() ? "no docker daemon answers root" : undefined
  }
]

/** The setups whose bundle is one kind. */
export const setupsOf = (kind: Setup["kind"]): ReadonlyArray<Setup> => setups.filter((setup) => setup.kind === kind)

/** The name of a test with a setup. */
export const titled = (text: string, { lacks, name }: Setup): string =>
  `${text}, with ${name}${lacks === undefined ? "" : ` (skipped: ${lacks})`}`

/** The images of a file's tests: what the bundle's is built on, and its own. Made once, gone with `close`. */
export interface Images {
  readonly base: string
  readonly bundle: string
  readonly close: () => Promise<void>
}

/**
 * Imports this machine's own node as the base of the bundle's image, and has the first launch of all build that: two
 * that build one name at once leave an image without a name. Undefined where there is no daemon.
 */
export const makeImages = async (): Promise<Images | undefined> => {
  const [setup] = setupsOf("container")
  if (setup === undefined || setup.lacks !== undefined) return undefined
  const scope = Effect.runSync(Scope.make())
  const base = await Effect.runPromise(Scope.extend(DockerDaemon.image({ programs: ["node"] }), scope))
  const bundle = `bottle-e2e:${randomUUID()}`
  const images: Images = {
    base,
    bundle,
    close: async () => {
      ChildProcess.spawnSync("docker", ["image", "rm", bundle], { stdio: "ignore" })
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
  try {
    await inHome(setup.user, async (home) => {
      const { code, stderr } = await home.bottle("run", "-q", ...flags(setup, images), "--", "true")
      if (code !== 0) throw new Error(`the first bottle with a container failed: ${stderr}`)
    })
    return images
  } catch (error) {
    await images.close()
    throw error
  }
}

/** The flags of a setup. */
export const flags = ({ kind }: Setup, images: Images | undefined): ReadonlyArray<string> =>
  kind === "process" || images === undefined
    ? ["--bundle", "process"]
    : ["--bundle", "container", "--bundle-image", images.bundle, "--bundle-base", images.base]

/** An address of this machine at which a setup's proxy reaches a server of the test's. */
export const hostAddress = ({ kind }: Setup): string =>
  kind === "process" ? "127.0.0.1" : (otherAddresses()[0] ?? "127.0.0.1")

const http = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`

/** A server that the proxy of a setup can reach, and that answers every request with the same words. */
export const serve = (setup: Setup, words: string): Promise<Listener> => listen(hostAddress(setup), http(words))

/** What a guest's shell needs to probe, in bash alone: no guest needs a client program. */
export const PROBES = `
ask() { timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128 && printf "$0" >&3 && cat <&3' "$1" 2>&1 | tr -d '\\r' | head -c 600; }
get() { ask "GET http://$1/ HTTP/1.1\\\\r\\\\nHost: \${2:-$1}\\\\r\\\\nConnection: close\\\\r\\\\n\\\\r\\\\n"; }
tunnel() { ask "CONNECT $1 HTTP/1.1\\\\r\\\\nHost: $1\\\\r\\\\n\\\\r\\\\nhello"; }
direct() { if timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; then echo connected; else echo failed; fi; }
udp() { if timeout 5 bash -c "echo x >/dev/udp/$1/$2" 2>/dev/null; then echo sent; else echo failed; fi; }
`

/** A bottle whose guest does what it is told, a line at a time. */
export interface Guest {
  readonly running: Running
  /** Runs a line in the guest's shell, and gives all that it printed. */
  readonly ask: (line: string) => Promise<string>
  /** Ends the guest's shell, and waits for the end of the run. */
  readonly leave: () => ReturnType<Home["bottle"]>
}

/** Starts a bottle with a shell that has `get`, `tunnel`, `direct` and `udp`, and waits until it listens. */
export const enter = async (
  home: Home,
  args: ReadonlyArray<string>,
  options: Parameters<Home["start"]>[1] = {}
): Promise<Guest> => {
  const script = `${PROBES}\necho entered\nwhile IFS= read -r line; do eval "$line"; done`
  const running = home.start(["run", "-i", ...args, "--", "bash", "-c", script], { ...options, stdin: "pipe" })
  await running.printed("entered\n")
  let from = running.output().length
  let asked = 0
  return {
    running,
    ask: async (line) => {
      asked += 1
      const mark = `<answer ${asked}>\n`
      running.child.stdin?.write(`{ ${line}; }; printf '\\n<answer ${asked}>\\n'\n`)
      await running.printed(mark)
      const output = running.output()
      const end = output.indexOf(mark, from)
      const answer = output.slice(from, end)
      from = end + mark.length
      return answer.trim()
    },
    leave: () => {
      running.child.stdin?.end()
      return running.ended
    }
  }
}

/** The files of the one record that a home has. */
export interface RecordFiles {
  readonly id: string
  readonly read: (name: string) => string
  readonly decisions: () => ReadonlyArray<{
    readonly phase: string
    readonly host: string
    readonly verdict: string
    readonly reason: string
  }>
}

/** The record of a home's only bottle. */
export const recordOf = (home: Home): RecordFiles => {
  const [id = "none", ...others] = Fs.readdirSync(home.records)
  if (others.length > 0) throw new Error(`more than one record: ${[id, ...others].join(", ")}`)
  const read = (name: string) => Fs.readFileSync(`${home.records}/${id}/${name}`, "utf8")
  return {
    id,
    read,
    decisions: () =>
      read("decisions.jsonl")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
  }
}

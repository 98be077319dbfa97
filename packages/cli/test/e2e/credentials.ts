/** What the tests of credentials share: an upstream that writes down what it saw, and searches for a value. */
import { assert } from "@effect/vitest"
import * as ChildProcess from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Path from "node:path"
import type { Images, Setup } from "./bundles.js"
import { enter, flags, hostAddress, recordOf } from "./bundles.js"
import { type Home, inHome } from "./harness.js"

/** A value that a search finds by its form: whoever looks for it does not hold it. */
export const makeNeedle = (): string => `needle${randomBytes(12).toString("hex")}`

/** What the upstream was asked, and with which header. */
interface Seen {
  readonly line: string
  readonly key: string | undefined
  readonly body: string
}

interface Upstream {
  readonly port: number
  readonly seen: ReadonlyArray<Seen>
  readonly close: () => Promise<void>
}

/** An upstream on this machine that writes down what it saw. */
export const serve = (host: string): Promise<Upstream> =>
  new Promise((resolve, reject) => {
    const seen: Array<Seen> = []
    const server = Http.createServer((request, response) => {
      let body = ""
      request.setEncoding("utf8")
      request.on("data", (text: string) => (body += text))
      request.on("end", () => {
        const key = request.headers["x-api-key"]
        seen.push({ line: `${request.method} ${request.url}`, key: typeof key === "string" ? key : undefined, body })
        response.end("served")
      })
    })
    server.on("error", reject)
    server.listen(0, host, () => {
      const address = server.address()
      resolve({
        port: typeof address === "object" && address !== null ? address.port : 0,
        seen,
        close: () =>
          new Promise((done) => {
            server.closeAllConnections()
            server.close(() => done())
          })
      })
    })
  })

/** Writes a policy whose one credential is the variable `HOST_KEY`, for a name that is pinned to the upstream. */
export const writePolicy = (home: Home, setup: Pick<Setup, "kind">, { port }: Upstream): void => {
  const address = hostAddress({ ...setup, name: "", user: home.user, lacks: undefined })
  const api = {
    source: { env: "HOST_KEY" },
    header: "x-api-key",
    upstream: `http://api.test:${port}/base`,
    baseUrlVariable: "API_BASE_URL",
    placeholderVariable: "API_KEY"
  }
  Fs.writeFileSync(home.path("policy.json"), JSON.stringify({ resolve: { "api.test": address }, credentials: { api } }))
}

/** In the guest: everything that it could find a value in, but for the host's own read-only programs. */
const HUNT = [
  "{ env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; ls -aR /run; cat /dev/shm/*;",
  "find / \\( -path /proc -o -path /sys -o -path /dev -o -path /usr -o -path '/lib*' \\) -prune -o -type f -exec cat {} +; }",
  "2>/dev/null | grep -a -o 'needl[e][0-9a-f]\\{24\\}' | sort -u"
].join(" ")

/** In the guest: asks for something at the base URL, with the placeholder that it has. */
const ASK = `ask "POST /\${API_BASE_URL#http://*/}/v1/messages?q=1 HTTP/1.1\\r\\nHost: \${API_BASE_URL:7:14}\\r\\nX-Api-Key: $API_KEY\\r\\nContent-Length: 5\\r\\nConnection: close\\r\\n\\r\\nhello"`

const filesBelow = (directory: string): ReadonlyArray<string> =>
  Fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => Path.join(entry.parentPath, entry.name))

/** What a process shows of itself; nothing of one that has just ended. */
const shown = (pid: string, name: "cmdline" | "environ"): string => {
  try {
    return Fs.readFileSync(`/proc/${pid}/${name}`, "latin1")
  } catch {
    return ""
  }
}

/** Where on this machine the value can be seen, apart from the environment of the one who was given it there. */
export const traces = (
  home: Home,
  value: string,
  givenTo: ReadonlyArray<number | undefined>
): ReadonlyArray<string> => {
  const pids = Fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))
  return [
    ...filesBelow(home.directory).filter((file) => Fs.readFileSync(file, "latin1").includes(value)),
    ...pids.filter((pid) => shown(pid, "cmdline").includes(value)).map((pid) => `the words of process ${pid}`),
    ...pids
      .filter((pid) => !givenTo.includes(Number(pid)) && shown(pid, "environ").includes(value))
      .map((pid) => `the environment of process ${pid}: ${shown(pid, "cmdline").replaceAll("\0", " ")}`)
  ]
}

/** What docker tells and keeps of a container. */
const ofContainer = (name: string): string => {
  const docker = (...words: ReadonlyArray<string>): string => {
    const { stderr, stdout } = ChildProcess.spawnSync("docker", words, {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024
    })
    return `${stdout}${stderr}`
  }
  const root = docker("info", "--format", "{{.DockerRootDir}}").trim()
  const id = docker("container", "inspect", "--format", "{{.Id}}", name).trim()
  assert.match(id, /^[0-9a-f]{64}$/)
  const kept = filesBelow(Path.join(root, "containers", id)).map((file) => Fs.readFileSync(file, "latin1"))
  assert.isAbove(kept.length, 1)
  return [docker("inspect", name), docker("logs", name), docker("top", name), ...kept].join("\n")
}

/** A guest uses a credential, and looks for its value everywhere; so do we, outside of it. */
export const isUsedAndNotFound = (setup: Setup, images: Images | undefined): Promise<void> =>
  inHome(setup.user, async (home) => {
    const upstream = await serve(hostAddress(setup))
    const value = makeNeedle()
    const plain = makeNeedle()
    try {
      writePolicy(home, setup, upstream)
      const env = { HOST_KEY: value }
      const words = [...flags(setup, images), "--policy", home.path("policy.json")]
      const guest = await enter(
        home,
        ["-q", ...words, "-e", `PLAIN=${plain}`, "--report", "r.json", "--trace", "t.json"],
        { env }
      )
      assert.match(await guest.ask(ASK), /^HTTP\/1\.1 200 [^]*served$/)
      assert.deepStrictEqual(upstream.seen, [{ line: "POST /base/v1/messages?q=1", key: value, body: "hello" }])

      // The same search finds what was given to the guest.
      assert.strictEqual(await guest.ask(HUNT), plain)
      assert.strictEqual(await guest.ask('echo "$API_KEY $HOST_KEY"'), "bottle-placeholder-api")
      assert.match(await guest.ask(`get api.test:${upstream.port}`), /^HTTP\/1\.1 403 /)

      const { pid } = guest.running.child
      assert.deepStrictEqual(traces(home, value, [pid]), [])
      assert.isAbove(traces(home, plain, [pid]).length, 1)
      const { bundle } = JSON.parse(recordOf(home).read("plan.json"))
      if (bundle._tag === "Container") {
        const told = ofContainer(bundle.container)
        assert.notInclude(told, value)
        assert.include(told, bundle.container)
      }
      const { code, stderr, stdout } = await guest.leave()
      assert.strictEqual(code, 0, stderr)
      const plan = await home.start(["plan", "--format", "json", ...words, "--", "true"], { env }).ended
      assert.include(plan.stdout.toString(), "HOST_KEY")
      assert.notInclude([stderr, stdout.toString(), plan.stdout.toString(), plan.stderr].join("\n"), value)
      assert.deepStrictEqual(traces(home, value, []), [])
    } finally {
      await upstream.close()
    }
  })

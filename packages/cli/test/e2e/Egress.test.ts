import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import type { Images, Setup } from "./bundles.js"
import { enter, flags, hostAddress, makeImages, recordOf, serve, setups, titled, TIMEOUT_MILLIS } from "./bundles.js"
import { inHome, listen, otherAddresses, users } from "./harness.js"

let images: Images | undefined
beforeAll(async () => {
  images = await makeImages()
}, TIMEOUT_MILLIS)
afterAll(() => images?.close())

/** What the probes of one bottle are about. */
interface Place {
  /** The allowed host with its port, and where it really is. */
  readonly allowed: string
  readonly upstream: { readonly host: string; readonly port: number }
  /** Ports of servers on this machine's loopback, and on all its addresses. */
  readonly loopback: number
  readonly everywhere: number
  /** An address of this machine that is not loopback. */
  readonly address: string
  /** The addresses of the bundle's container and of its network's gateway. */
  readonly bundle: { readonly address: string; readonly gateway: string } | undefined
}

type Row = readonly [name: string, probe: string, expected: RegExp]

const ANSWERS = /upstream-answers$/
const REFUSED = /^HTTP\/1\.1 403 [^]*\n\n.+/
const FAILS = /^failed$/

/** Section by section what a launch must survive: each refusal in the same bottle as what is allowed. */
const table = ({ address, allowed, bundle, everywhere, loopback, upstream }: Place): ReadonlyArray<Row> => [
  ["runs a command", "echo hello-from-vm", /^hello-from-vm$/],
  ["connects to the proxy's port", "direct 127.0.0.1 3128", /^connected$/],
  ["reaches an allowed host", `get ${allowed}`, ANSWERS],
  ["reaches it through a tunnel", `tunnel ${allowed}`, ANSWERS],

  ["an unlisted host", "get refused.test", /^HTTP\/1\.1 403 [^]*refused\.test/],
  ["the same again", "get refused.test:80", REFUSED],
  ["a tunnel to one", "tunnel refused.test:443", REFUSED],
  ["a port that is not listed", "get allowed.test:1", REFUSED],
  ["an address in a name's stead", `get ${upstream.host}:${upstream.port}`, REFUSED],
  ["an address with another's name", `get ${upstream.host}:${upstream.port} ${allowed}`, /^HTTP\/1\.1 40[03] /],
  ["the proxy's own loopback", `get 127.0.0.1:${loopback}`, REFUSED],
  ["this machine's address", `get ${address}:${everywhere}`, REFUSED],
  ["the metadata address", "get 169.254.169.254", REFUSED],
  ["a private address", "get 10.0.0.1", REFUSED],
  ["another private one", "tunnel 192.168.255.1:443", REFUSED],
  ["the metadata address in another spelling", "get 0xa9fea9fe", /^HTTP\/1\.1 40[03] /],

  ["the allowed host without the proxy", `direct allowed.test ${upstream.port}`, FAILS],
  ["its address without the proxy", `direct ${upstream.host} ${upstream.port}`, FAILS],
  ["this machine's loopback", `direct 127.0.0.1 ${loopback}`, FAILS],
  ["this machine's address, directly", `direct ${address} ${everywhere}`, FAILS],
  ["IPv6 loopback", `direct ::1 ${everywhere}`, FAILS],
  ["IPv6", "direct 2001:4860:4860::8888 53", FAILS],
  ["the metadata address, directly", "direct 169.254.169.254 80", FAILS],
  ["a resolver by TCP", "direct 8.8.8.8 53", FAILS],
  ["a resolver by UDP", "udp 8.8.8.8 53", FAILS],
  ["UDP at large", "udp 192.0.2.1 9", FAILS],

  ...(bundle === undefined
    ? []
    : ([
        ["the bundle's address", `direct ${bundle.address} 3128`, FAILS],
        ["another port of the bundle", `direct ${bundle.address} 80`, FAILS],
        ["the bundle through itself", `get ${bundle.address}:3128`, REFUSED],
        ["the bridge's gateway", `direct ${bundle.gateway} ${everywhere}`, FAILS],
        ["the gateway through the proxy", `get ${bundle.gateway}:${everywhere}`, REFUSED]
      ] satisfies ReadonlyArray<Row>)),

  ["still reaches the allowed host", `get ${allowed}`, ANSWERS]
]

const bundlePlace = (plan: string): Place["bundle"] => {
  const { bundle } = JSON.parse(plan)
  return bundle._tag === "Container" ? bundle.candidates[bundle.chosen] : undefined
}

describe.concurrent("egress", { timeout: TIMEOUT_MILLIS }, () => {
  for (const setup of setups) {
    it.skipIf(setup.lacks !== undefined)(titled("lets the listed host answer and nothing else", setup), () =>
      inHome(setup.user, async (home) => {
        const upstream = await serve(setup, "upstream-answers")
        const [loopback, everywhere, six] = [
          await listen("127.0.0.1", "x"),
          await listen("0.0.0.0", "x"),
          await listen("::1", "x").catch(() => undefined)
        ]
        try {
          const allowed = `allowed.test:${upstream.port}`
          const host = hostAddress(setup)
          const guest = await enter(home, [
            ...flags(setup, images),
            ...["--allow", allowed, "--resolve", `allowed.test=${host}`, "--report", "report.json"]
          ])
          const rows = table({
            allowed,
            upstream: { host, port: upstream.port },
            loopback: loopback.port,
            everywhere: six?.port ?? everywhere.port,
            address: otherAddresses()[0] ?? "192.0.2.1",
            bundle: bundlePlace(recordOf(home).read("plan.json"))
          })
          for (const [name, probe, expected] of rows) assert.match(await guest.ask(probe), expected, name)
          const { code, stderr } = await guest.leave()
          assert.strictEqual(code, 0, stderr)

          // What listened says the same as the guest: the proof's decoys were others.
          assert.strictEqual(upstream.connections(), 3)
          for (const listener of [loopback, everywhere, six]) assert.strictEqual(listener?.connections() ?? 0, 0)
          assertTold(stderr)
          assertWritten(home.path("work/report.json"), recordOf(home), setup)
        } finally {
          for (const listener of [upstream, loopback, everywhere, six]) await listener?.close()
        }
      })
    )
  }

  for (const user of users) {
    it(`has no way out at all without a bundle, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const other = await listen("127.0.0.1", "x")
        try {
          const guest = await enter(home, ["-q", "--bundle", "none"])
          assert.strictEqual(await guest.ask(`direct 127.0.0.1 ${other.port}`), "failed")
          assert.strictEqual(await guest.ask("direct 127.0.0.1 3128"), "failed")
          assert.strictEqual(await guest.ask('echo "${http_proxy-unset}"'), "unset")
          assert.strictEqual((await guest.leave()).code, 0)
          assert.strictEqual(other.connections(), 0)
        } finally {
          await other.close()
        }
      }))

    it(`refuses everything when nothing is allowed, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const guest = await enter(home, ["-q"])
        assert.match(await guest.ask("get example.com"), REFUSED)
        assert.strictEqual(await guest.ask("direct 127.0.0.1 3128"), "connected")
        const { code, stderr } = await guest.leave()
        assert.strictEqual(code, 0)
        assert.strictEqual(stderr, "")
      }))
  }
})

/** The user is told once for each host, with what to do; of the proof's own refusals nothing. */
const assertTold = (stderr: string): void => {
  const told = stderr.split("\n").filter((line) => line.startsWith("bottle: refused"))
  assert.lengthOf(
    told.filter((line) => line.includes("refused refused.test")),
    1
  )
  assert.include(told, "bottle: refused refused.test:80 (no rule allows it); allow it with --allow refused.test")
  assert.include(
    told,
    "bottle: refused allowed.test:1 (it is allowed on other ports only); allow it with --allow allowed.test:1"
  )
  assert.notInclude(stderr, "bottle.internal")
  assert.notInclude(stderr, "bottle.invalid")
}

const assertWritten = (file: string, record: ReturnType<typeof recordOf>, { kind }: Setup): void => {
  const report = JSON.parse(Fs.readFileSync(file, "utf8"))
  assert.strictEqual(report.plan.bundle._tag, kind === "process" ? "Process" : "Container")
  assert.isAtLeast(report.denials.filter((denial: { host: string }) => denial.host === "refused.test").length, 3)
  assert.deepStrictEqual(report.exit, { code: 0, origin: "guest", timedOut: false })
  assert.deepStrictEqual(report.releaseFailures, [])
  assert.strictEqual(report.proof.outcome, "proven")
  assert.match(report.record, new RegExp(`/records/${record.id}$`))

  assert.deepStrictEqual(JSON.parse(record.read("proof.json")), report.proof)
  assert.deepStrictEqual(JSON.parse(record.read("plan.json")), report.plan)
  const decisions = record.decisions().filter(({ phase }) => phase === "decision")
  const verdictsOf = (host: string) => decisions.filter((one) => one.host === host).map(({ verdict }) => verdict)
  assert.deepStrictEqual(verdictsOf("allowed.test"), ["allow", "allow", "deny", "allow"])
  assert.deepStrictEqual(verdictsOf("refused.test"), ["deny", "deny", "deny"])
  const launch = record.read("launch.jsonl").trimEnd().split("\n")
  assert.deepInclude(JSON.parse(launch.at(-1) ?? ""), { _tag: "Ended", code: 0, origin: "guest", error: null })
}

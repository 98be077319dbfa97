import * as Policy from "@bottle/egress/Policy"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as CommandScript from "@bottle/testing/CommandScript"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Net from "node:net"
import * as EgressProof from "../src/EgressProof.js"
import * as Answers from "../src/internal/proof/answers.js"
import * as Decoys from "../src/internal/proof/decoys.js"
import * as Judge from "../src/internal/proof/judge.js"
import * as Targets from "../src/internal/proof/targets.js"
import { ProofRecord, type Probe } from "../src/ProofRecord.js"
import { bare, planOf } from "./fixtures/plans.js"

const names = { token: "0123456789abcdef" }
const BANNER = "bottle-decoy-1"
const NONCE = "the-nonce"

const host = { addresses: ["127.0.0.1", "198.51.100.7", "fe80::1", "2001:db8::7"], resolvers: ["192.0.2.53", "junk"] }

const process: Targets.Situation = {
  proxy: { host: "127.0.0.1", port: 3128 },
  container: null,
  policy: Policy.empty
}

const containerAt = (topology: "socket" | "address"): Targets.Situation => ({
  proxy: topology === "socket" ? { host: "127.0.0.1", port: 3128 } : { host: "192.168.77.2", port: 3128 },
  container: { address: "192.168.77.2", gateway: "192.168.77.1", port: 3128, topology },
  policy: Policy.empty
})

const none: Targets.Situation = { proxy: null, container: null, policy: Policy.empty }

const PORT_FIRST = 40_000

/** The targets of a situation on this host, everything listening. */
const targetsOf = (situation: Targets.Situation) => {
  const requests = Targets.requests(situation, host, names)
  const decoys = requests.decoys.map((request, index) => ({ ...request, port: PORT_FIRST + index }))
  const neighbours = requests.neighbours.map((address, index) => ({ address, port: PORT_FIRST + 100 + index }))
  return { requests, decoys, neighbours, targets: Targets.make(situation, requests, { decoys, neighbours }, names) }
}

interface Given {
  readonly situation?: Targets.Situation
  /** What the guest says instead, by the probe's name or target; `null` for nothing. */
  readonly says?: Readonly<Record<string, string | null>>
  readonly tool?: "perl" | "wget"
  readonly arrivals?: Readonly<Record<string, ReadonlyArray<string>>>
  readonly asked?: ReadonlyArray<string | null>
  readonly unreached?: ReadonlyArray<string>
  readonly isOffline?: boolean
  readonly isUnlogged?: boolean
}

const REFUSAL = "open HTTP/1.1 403 Forbidden\\nX-Bottle-Refused: no-rule\\n\\nno"

/** What an honest guest of a closed bottle says of a target. */
const honest = ({ judge, target }: Targets.Target): string => {
  switch (judge._tag) {
    case "Bundle":
      return `open HTTP/1.1 200 OK\\n\\n${NONCE}`
    case "OwnListener":
      return `open ${names.token}`
    case "Refused":
      return REFUSAL
    case "Device":
      return "device"
    default:
      return target.includes("@gateway") ? "none" : target.startsWith("udp") ? "sent" : "no refused"
  }
}

/** Judges a guest that is honest, and closed, but for what is given. */
const judge = (given: Given = {}): ReadonlyArray<Probe> => {
  const { decoys, neighbours, requests, targets } = targetsOf(given.situation ?? process)
  const lines = targets.flatMap((target) => {
    const said = given.says?.[target.target] ?? given.says?.[target.name]
    const isSilent = given.says?.[target.target] === null || given.says?.[target.name] === null
    return isSilent || target.line === null ? [] : [`${target.id} 3 ${said ?? honest(target)}`]
  })
  const stdout = Buffer.from([`tool ${given.tool ?? "perl"}`, ...lines, "end", ""].join("\n"))
  const isLogged = given.isUnlogged !== true
  return Judge.probes(targets, {
    nonce: NONCE,
    token: names.token,
    banner: BANNER,
    answers: Answers.parse(stdout, new Set(targets.map(({ id }) => id))),
    decoys: decoys.map((decoy) => {
      const payloads = given.arrivals?.[`${decoy.protocol} ${decoy.address}`] ?? []
      return {
        ...decoy,
        failure: null,
        arrivals: payloads.map((payload) => ({ payload })),
        reached: given.unreached?.includes(decoy.address) !== true
      }
    }),
    neighbours: neighbours.map((neighbour, index) => ({
      ...neighbour,
      failure: null,
      reached: true,
      asked: index === 0 ? (given.asked ?? []) : []
    })),
    outsides: requests.outsides.map(() => given.isOffline !== true),
    events: targets.flatMap(({ judge }) =>
      judge._tag === "Refused" && isLogged ? [{ host: judge.host, port: judge.port, verdict: "deny" as const }] : []
    )
  })
}

const verdictOf = (probes: ReadonlyArray<Probe>, nameOrTarget: string): ReadonlyArray<string> => [
  ...new Set(
    probes.filter(({ name, target }) => name === nameOrTarget || target === nameOrTarget).map(({ verdict }) => verdict)
  )
]

const situations = { process, none, socket: containerAt("socket"), address: containerAt("address") }

describe("EgressProof, what a closed bottle shows", () => {
  for (const [name, situation] of Object.entries(situations)) {
    it(`is proven with an honest guest (${name})`, () => {
      const probes = judge({ situation })
      assert.deepStrictEqual(Judge.outcome(probes), { _tag: "Proven" })
      const others = probes.filter(({ target, verdict }) => verdict !== "held" && !target.includes("@gateway"))
      assert.deepStrictEqual(others, [])
    })
  }

  it("tries each kind of target once more where there is a bundle in a container", () => {
    const names = (situation: Targets.Situation) => new Set(judge({ situation }).map(({ name }) => name))
    assert.includeMembers([...names(containerAt("socket"))], ["bridge-gateway-tcp", "bundle-direct", "network-device"])
    assert.include([...names(containerAt("address"))], "bundle-port")
    assert.notInclude([...names(containerAt("address"))], "bundle-direct")
    assert.notInclude([...names(containerAt("address"))], "network-device")
    assert.notInclude([...names(process)], "bundle-port")
    assert.notInclude([...names(none)], "unlisted-name")
    assert.include([...names(none)], "guest-tool")
  })

  it("tries the host's loopback in every spelling", () => {
    const targets = targetsOf(process).targets.map(({ target }) => target)
    for (const spelled of ["127.0.0.1", "0.0.0.0", "[::ffff:7f00:1]", "100.96.0.1", "@gateway"]) {
      assert.include(targets, `tcp ${spelled}:${PORT_FIRST}`)
      assert.include(targets, `udp ${spelled}:${PORT_FIRST + 1}`)
    }
  })

  it("dials the proxy's own port directly only where the guest must not reach it", () => {
    const ports = (topology: "socket" | "address") =>
      targetsOf(containerAt(topology))
        .targets.filter(({ name }) => name.startsWith("bundle-"))
        .map(({ target }) => target)
    assert.deepStrictEqual(ports("socket"), ["tcp 192.168.77.2:3128"])
    assert.notInclude(ports("address"), "tcp 192.168.77.2:3128")
    assert.include(ports("address"), "tcp 192.168.77.2:22")
  })

  it("opens no decoy at an address that no other machine could dial, and eight addresses at most", () => {
    const many = Array.from({ length: 12 }, (_, index) => `198.51.100.${index}`)
    const addresses = new Set(
      Targets.requests(process, { addresses: ["fe80::1", "169.254.7.7", ...many], resolvers: [] }, names).decoys.map(
        ({ address }) => address
      )
    )
    assert.deepStrictEqual([...addresses], ["127.0.0.1", "::1", ...many.slice(0, 8)])
  })
})

describe("EgressProof, what is a leak", () => {
  const decoy = "tcp 198.51.100.7:40004"

  it("is what reaches a decoy, whatever the guest says", () => {
    const id = targetsOf(process).targets.find(({ target }) => target === decoy)?.id
    const probes = judge({ arrivals: { "tcp 198.51.100.7": [`bottle-proof-${id}`] } })
    assert.deepStrictEqual(verdictOf(probes, decoy), ["leaked"])
    const outcome = Judge.outcome(probes)
    assert.strictEqual(outcome._tag === "Leaked" ? outcome.probe.target : "", decoy)
    assert.deepStrictEqual(verdictOf(judge(), decoy), ["held"])
  })

  it("is what reaches a decoy and names no probe", () => {
    for (const payload of ["", "GET / HTTP/1.1", "bottle-proof-999"]) {
      const outcome = Judge.outcome(judge({ arrivals: { "udp 127.0.0.1": [payload] } }))
      assert.strictEqual(outcome._tag === "Leaked" ? outcome.probe.name : "", "host-loopback")
    }
  })

  it("is a connection that says nothing, but for the host's own check where that was cut off", () => {
    const at = (unreached: ReadonlyArray<string>, ...payloads: ReadonlyArray<string>) =>
      Judge.outcome(judge({ unreached, arrivals: { "tcp 198.51.100.7": payloads } }))._tag
    assert.strictEqual(at([], ""), "Leaked")
    assert.strictEqual(at(["198.51.100.7"], "", ""), "Leaked")
    assert.strictEqual(at(["198.51.100.7"], "", "x"), "Leaked")
    assert.notStrictEqual(at(["198.51.100.7"], ""), "Leaked")
  })

  it("is what asks another bundle", () => {
    const id = targetsOf(process).targets.find(({ name }) => name === "other-bundle")?.id ?? ""
    assert.strictEqual(Judge.outcome(judge({ asked: [id] }))._tag, "Leaked")
    assert.strictEqual(Judge.outcome(judge({ asked: [null] }))._tag, "Leaked")
  })

  it("is a guest that holds a decoy's answer, though nothing was seen to arrive", () => {
    assert.deepStrictEqual(verdictOf(judge({ says: { [decoy]: `open ${BANNER}` } }), decoy), ["leaked"])
    assert.deepStrictEqual(verdictOf(judge({ says: { [decoy]: "open something else" } }), decoy), ["held"])
    assert.deepStrictEqual(
      verdictOf(judge({ says: { "guest-resolver-tcp": `cannot ${BANNER}` } }), "guest-resolver-tcp"),
      ["leaked"]
    )
  })

  const answered = {
    "guest-resolver-udp": "data bp",
    "resolver-udp": "data bp",
    "resolver-tcp": "open",
    internet: "open HTTP/1.1 400",
    metadata: "open HTTP/1.1 400",
    "unlisted-name": "open HTTP/1.1 502 Bad Gateway",
    "loopback-through-proxy": "open HTTP/1.1 200 OK",
    "metadata-through-proxy": "open HTTP/1.1 403 Forbidden",
    "network-device": "device eth0"
  }
  for (const [name, said] of Object.entries(answered)) {
    it(`is an answer to ${name}`, () => {
      const outcome = Judge.outcome(judge({ says: { [name]: said } }))
      assert.strictEqual(outcome._tag === "Leaked" ? outcome.probe.name : "", name)
      assert.deepStrictEqual(verdictOf(judge(), name), ["held"])
    })
  }

  it("is a resolver that answers the guest, though it does not answer the host", () => {
    const probes = judge({ isOffline: true, says: { "resolver-udp": "data bp" } })
    assert.deepStrictEqual(verdictOf(probes, "resolver-udp"), ["leaked"])
  })

  it("is a connection outside without an answer, where there is no network whose gateway could take it", () => {
    const says = (situation: Targets.Situation) =>
      verdictOf(judge({ situation, says: { metadata: "open" } }), "metadata")
    assert.deepStrictEqual(says(process), ["leaked"])
    assert.deepStrictEqual(says(containerAt("address")), ["held"])
  })

  it("is, on a network, a resolver that knows more than that there is no such name", () => {
    const situation = containerAt("address")
    const says = (said: string, isOffline = false) =>
      verdictOf(judge({ situation, isOffline, says: { "guest-resolver-udp": said } }), "guest-resolver-udp")
    assert.deepStrictEqual(says("data bp???????????????a?root-servers?net?"), ["leaked"])
    assert.deepStrictEqual(says("data bp???????????????"), ["held"])
    assert.deepStrictEqual(says("data bp???????????????", true), ["untested"])
    assert.deepStrictEqual(says("data b"), ["untested"])
    const without = verdictOf(judge({ says: { "guest-resolver-udp": "data bp???????????????" } }), "guest-resolver-udp")
    assert.deepStrictEqual(without, ["leaked"])
  })

  it("is a port of the bundle's that answers, or that the host finds open too", () => {
    const situation = containerAt("address")
    const says = (said: string, isOffline = false) =>
      verdictOf(judge({ situation, isOffline, says: { "bundle-port": said } }), "bundle-port")
    assert.deepStrictEqual(says("open SSH-2.0", true), ["leaked"])
    assert.deepStrictEqual(says("open"), ["leaked"])
    // A gateway that takes every connection before it knows whether anybody listens.
    assert.deepStrictEqual(says("open", true), ["held"])
  })
})

describe("EgressProof, what shows nothing", () => {
  it("is a target that the host itself cannot reach", () => {
    assert.deepStrictEqual(verdictOf(judge({ unreached: ["2001:db8::7"] }), "host-address-tcp6"), ["untested"])
    const offline = judge({ isOffline: true })
    for (const name of ["resolver-udp", "resolver-tcp", "guest-resolver-udp", "metadata"]) {
      assert.deepStrictEqual(verdictOf(offline, name), ["untested"], name)
    }
    assert.strictEqual(Judge.outcome(offline)._tag, "Proven")
  })

  it("is a decoy that could not be opened", () => {
    const requests = Targets.requests(process, host, names)
    const decoys = requests.decoys.map(({ address }, index) => ({ port: address === "::1" ? 0 : PORT_FIRST + index }))
    const targets = Targets.make(process, requests, { decoys, neighbours: [{ port: 1 }] }, names)
    const closed = targets.filter(({ name }) => name === "host-loopback-tcp6")
    assert.deepStrictEqual(
      closed.map(({ line }) => line),
      [null]
    )
  })

  it("is what the guest's program cannot try, and what the guest passes over", () => {
    const probes = judge({ says: { "host-loopback-udp": "cannot", metadata: null, "network-device": "none" } })
    assert.deepStrictEqual(verdictOf(probes, "network-device"), ["untested"])
    assert.deepStrictEqual(verdictOf(probes, "host-loopback-udp"), ["untested"])
    assert.deepStrictEqual(verdictOf(probes, "metadata"), ["untested"])
    assert.strictEqual(Judge.outcome(probes)._tag, "Proven")
  })

  it("is what the policy allows, which is not asked for", () => {
    const allowing = Either.getOrThrow(Policy.make({ allow: [`*.${names.token}.bottle-proof.invalid`] }))
    const { targets } = targetsOf({ ...process, policy: allowing })
    assert.isNull(targets.find(({ name }) => name === "unlisted-name")?.line)
    const probes = judge({ situation: { ...process, policy: allowing } })
    assert.deepStrictEqual(verdictOf(probes, "unlisted-name"), ["untested"])
    assert.deepStrictEqual(verdictOf(judge(), "unlisted-name"), ["held"])
  })

  it("is everything, where what must work does not", () => {
    for (const [situation, name] of [
      [process, "bundle"],
      [none, "guest-tool"]
    ] as const) {
      const probes = judge({ situation, says: { [name]: "no refused" } })
      assert.deepStrictEqual(verdictOf(probes, name), ["broken"])
      assert.isFalse(probes.some(({ verdict }) => verdict === "held"))
      assert.strictEqual(Judge.outcome(probes)._tag, "Unproven")
    }
  })

  for (const name of ["host-loopback-tcp", "host-address-tcp", "unlisted-name"]) {
    it(`leaves the bottle unproven without ${name}`, () => {
      const outcome = Judge.outcome(judge({ says: { [name]: "cannot" } }))
      assert.strictEqual(outcome._tag === "Unproven" ? outcome.reason : "", "untested")
    })
  }
})

describe("EgressProof, what is broken", () => {
  it("is a refusal that the bundle's log does not show", () => {
    const outcome = Judge.outcome(judge({ isUnlogged: true }))
    assert.strictEqual(outcome._tag === "Unproven" ? outcome.reason : "", "proxy-broken")
  })

  it("takes wget's word for a refusal where the log shows it, and another program's not", () => {
    const says = { "unlisted-name": "open HTTP/1.1 403 Forbidden" }
    assert.deepStrictEqual(verdictOf(judge({ says, tool: "wget" }), "unlisted-name"), ["held"])
    assert.deepStrictEqual(verdictOf(judge({ says, tool: "wget", isUnlogged: true }), "unlisted-name"), ["broken"])
    assert.deepStrictEqual(verdictOf(judge({ says }), "unlisted-name"), ["leaked"])
  })

  it("is a refusal that is not about the policy", () => {
    const says = { "unlisted-name": "open HTTP/1.1 503 Service Unavailable\\nX-Bottle-Refused: too-much-waiting" }
    assert.deepStrictEqual(verdictOf(judge({ says }), "unlisted-name"), ["broken"])
  })

  it("is another answer than the nonce", () => {
    for (const said of ["open HTTP/1.1 200 OK\\n\\nanother", "open", "no refused"]) {
      assert.deepStrictEqual(verdictOf(judge({ says: { bundle: said } }), "bundle"), ["broken"])
    }
  })
})

describe("EgressProof, a decoy", () => {
  const request = { name: "host-loopback", protocol: "tcp", address: "127.0.0.1" } as const

  it.scopedLive("answers nobody who has not said anything, so that what holds its answer has left its mark", () =>
    Effect.gen(function* () {
      const decoy = yield* Decoys.open(request, BANNER)
      let answer = ""
      const guest = yield* Effect.acquireRelease(
        Effect.sync(() => Net.connect({ host: decoy.address, port: decoy.port })),
        (socket) => Effect.sync(() => socket.destroy())
      )
      guest.on("data", (bytes) => (answer += bytes.toString("latin1")))
      yield* waitUntil(
        Effect.sync(() => decoy.arrivals().length === 1),
        { boundMillis: 10_000, what: "the connection" }
      )
      assert.isTrue(yield* decoy.check)
      assert.strictEqual(answer, "")
      guest.write("bottle-proof-1")
      yield* waitUntil(
        Effect.sync(() => answer.includes(BANNER)),
        { boundMillis: 10_000, what: "the answer" }
      )
      assert.deepStrictEqual(
        decoy.arrivals().map(({ payload }) => payload),
        ["bottle-proof-1"]
      )
    })
  )
})

describe("EgressProof, what the guest says", () => {
  const parse = (text: string) => Answers.parse(Buffer.from(text, "latin1"), new Set(["1", "2"]))

  it("is taken for the probes that were asked, the last word of each", () => {
    const { byId, complete, tool } = parse("tool perl\n1 5 no timeout\n1 7 open a b\n2/192.0.2.1 0 sent\nend\n")
    assert.deepStrictEqual(byId.get("1"), [{ place: null, millis: 7, word: "open", rest: "a b" }])
    assert.deepStrictEqual(byId.get("2"), [{ place: "192.0.2.1", millis: 0, word: "sent", rest: "" }])
    assert.strictEqual(tool, "perl")
    assert.isTrue(complete)
  })

  it("is passed over where it is anything else", () => {
    const junk = [
      "tool rm",
      "3 1 no refused",
      "1 x no refused",
      "1 1 yes",
      "constructor 1 sent",
      "1/../.. 1 sent",
      " end"
    ]
    const { byId, complete, tool } = parse(junk.join("\n"))
    assert.strictEqual(byId.size, 0)
    assert.isNull(tool)
    assert.isFalse(complete)
    assert.isFalse(parse("1 5 sent\nend\n").complete)
  })

  it("is visible ASCII, and bounded in length, in lines and in places", () => {
    const { byId } = parse(`1 1 open \u001b[31m\u00ff${"x".repeat(5000)}\n`)
    const [answer] = byId.get("1") ?? []
    assert.match(answer?.rest ?? "", /^\?\[31m\?x+$/)
    assert.isBelow(answer?.rest.length ?? Infinity, 1500)
    const places = Array.from({ length: 50 }, (_, index) => `1/192.0.2.${index} 1 sent`)
    assert.strictEqual(parse(places.join("\n")).byId.get("1")?.length, 6)
    assert.strictEqual(parse(`${"\n".repeat(5000)}1 1 sent\n`).byId.size, 0)
  })
})

describe("EgressProof.prove, with a guest that does not answer", () => {
  const plan = planOf({ ...bare, bundle: "none" })
  const prove = EgressProof.prove({ plan, proof: NONCE, bundle: { events: Stream.empty } })

  it.effect("gives up after its time, and says so", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.flip(prove))
      const script = yield* CommandScript.CommandScript
      const hasStarted = Effect.map(script.recorded, (all) => all.some(({ argv }) => argv.includes("bottle-proof")))
      yield* waitUntil(hasStarted, { boundMillis: 10_000, what: "the guest's command" })
      yield* TestClock.adjust("21 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "EgressUnproven")
      if (error._tag === "EgressUnproven") assert.strictEqual(error.reason, "timed-out")
    }).pipe(
      Effect.provide(Smolvm.layer({ program: "smolvm", env: {} })),
      Effect.provide(
        CommandScript.layer([
          { match: ["smolvm", "--version"], stdout: "smolvm 1.9.3\n", times: "any" },
          { match: (argv) => argv.includes("bottle-proof"), hang: true }
        ])
      )
    )
  )

  it.effect("passes on why the runtime could not ask", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(prove)
      assert.strictEqual(error._tag, "MachineNotRunning")
    }).pipe(
      Effect.provide(Smolvm.layer({ program: "smolvm", env: {} })),
      Effect.provide(
        CommandScript.layer([
          { match: ["smolvm", "--version"], stdout: "smolvm 1.9.3\n", times: "any" },
          {
            match: (argv) => argv.includes("bottle-proof"),
            exit: 1,
            stderr: `Error: agent operation failed: machine '${plan.machine}' is not running\n`
          }
        ])
      )
    )
  )
})

describe("ProofRecord", () => {
  it("survives JSON", () => {
    const record = new ProofRecord({
      version: 1,
      outcome: "proven",
      reason: null,
      tool: "perl",
      durationMillis: 40,
      lastEvent: 4,
      probes: judge()
    })
    const json = Schema.parseJson(ProofRecord)
    const text = Schema.encodeSync(json)(record)
    assert.deepStrictEqual(Schema.decodeSync(json)(text), record)
    assert.notInclude(text, NONCE)
  })
})

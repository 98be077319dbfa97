import * as Grammar from "@bottle/smolvm/Grammar"
import * as Line from "@bottle/smolvm/Line"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import type { LaunchOptions, MachineSource } from "../src/LaunchOptions.js"
import * as LaunchPlan from "../src/LaunchPlan.js"
import { argvOf, bare, container, planOf, refusal, shown, withContainer } from "./fixtures/plans.js"

/** The first candidate for the tests' id. */
const A = "192.168.164.2"

const sources = {
  bare: { _tag: "Bare" },
  image: { _tag: "Image", reference: "./root.tar" },
  pack: { _tag: "Pack", path: "/p/x.smolmachine" }
} as const satisfies Record<string, MachineSource>

type SourceName = keyof typeof sources

const sourceWords: Readonly<Record<SourceName, ReadonlyArray<string>>> = {
  bare: [],
  image: ["--image", "./root.tar"],
  pack: ["--from", "/p/x.smolmachine"]
}

const variables = [
  ["HTTP_PROXY", `http://${A}:3128`],
  ["HTTPS_PROXY", `http://${A}:3128`],
  ["ALL_PROXY", `http://${A}:3128`],
  ["NO_PROXY", `localhost,127.0.0.1,::1,${A}`],
  ["http_proxy", `http://${A}:3128`],
  ["https_proxy", `http://${A}:3128`],
  ["all_proxy", `http://${A}:3128`],
  ["no_proxy", `localhost,127.0.0.1,::1,${A}`],
  ["NODE_USE_ENV_PROXY", "1"]
] as const

/** The network's words of `machine create`, or why there are none. */
type Expected = ReadonlyArray<string> | "not held" | "dropped" | "no local images"

const tsi = ["--net", "--allow-cidr", `${A}/32`]
const virtio = ["--net-backend", "virtio-net", "--allow-host", A]
/** As the policy is dropped, so is the network that it would stand for. */
const asked = ["--net", ...virtio]

interface Release {
  /** What is planned where the release must hold the policy. */
  readonly held: Readonly<Record<SourceName, Expected>>
  /** What is planned where the proof alone may decide. */
  readonly unproven: Readonly<Record<SourceName, Expected>>
  readonly name: "positional" | "flag"
  readonly label: boolean
  readonly allowsPrivate: boolean
}

const old: Release = {
  held: { bare: "not held", image: "no local images", pack: "not held" },
  unproven: { bare: tsi, image: "no local images", pack: tsi },
  name: "positional",
  label: false,
  allowsPrivate: false
}
const first: Release = {
  held: { bare: virtio, image: "no local images", pack: "dropped" },
  unproven: { bare: virtio, image: "no local images", pack: asked },
  name: "flag",
  label: false,
  allowsPrivate: false
}
const middle: Release = {
  held: { bare: virtio, image: virtio, pack: "dropped" },
  unproven: { bare: virtio, image: virtio, pack: asked },
  name: "flag",
  label: false,
  allowsPrivate: false
}
const newer: Release = {
  held: { bare: virtio, image: virtio, pack: virtio },
  unproven: { bare: virtio, image: virtio, pack: virtio },
  name: "flag",
  label: true,
  allowsPrivate: false
}

const releases: Readonly<Record<string, Release>> = {
  "0.8.0": old,
  "0.8.2": old,
  "0.9.0": old,
  "1.0.1": old,
  "1.0.2": first,
  "1.0.4": { ...first, allowsPrivate: true },
  "1.1.0": { ...middle, allowsPrivate: true },
  "1.1.3": middle,
  "1.5.2": middle,
  "1.6.4": middle,
  "1.7.7": middle,
  "1.8.0": newer,
  "1.9.3": newer
}

const addressed = (source: SourceName, over: Partial<LaunchOptions> = {}): LaunchOptions => ({
  source: sources[source],
  allow: ["example.com"],
  bundle: "container",
  topology: "address",
  ...over
})

const createWords = (release: Release, source: SourceName, network: ReadonlyArray<string>): ReadonlyArray<string> => [
  "smolvm",
  "machine",
  "create",
  ...sourceWords[source],
  ...network,
  ...variables.flatMap(([name, value]) => ["-e", `${name}=${value}`]),
  ...(release.label ? ["bottle.id=demo-abc12", "bottle.owner=/r/bottle", "bottle.state=/s/bottle"] : []).flatMap(
    (it) => ["--label", it]
  ),
  ...(release.name === "flag" ? ["--name", "bottle-demo-abc12"] : ["bottle-demo-abc12"])
]

const refusals = {
  "not held": {
    reason: "it does not hold --allow-cidr: its only backend for a policy (TSI) lets other addresses through",
    advice: "Use smolvm 1.0.2 or newer (for packs and a registry's images 1.8.0), or --unproven-egress, with which"
  },
  dropped: {
    reason: "it drops --allow-host in silence where a machine is made from a pack (--from)",
    advice: "Use smolvm 1.8.0 or newer for packs, "
  },
  "no local images": {
    reason: "it takes no archive or directory as an image (--image)",
    advice: "Use smolvm 1.1.0 or newer, or an image of a registry."
  }
} as const

const check = (version: string, release: Release, source: SourceName, unprovenEgress: boolean): void => {
  const options = addressed(source, { unprovenEgress })
  const expected = (unprovenEgress ? release.unproven : release.held)[source]
  if (typeof expected === "string") {
    const error = refusal(options, version, withContainer)
    assert.strictEqual(error._tag, "RuntimeUnfit")
    assert.include(error.message, `cannot be had from smolvm ${version}: ${refusals[expected].reason}`)
    assert.include(error.suggestion, refusals[expected].advice)
    return
  }
  const plan = planOf(options, version, withContainer)
  assert.deepStrictEqual(argvOf(plan, "create")[0], createWords(release, source, expected))
  assert.deepStrictEqual(plan.guest.env, variables)
  // A pack's own wish for a network wins: what the record says is looked at before the start.
  assert.strictEqual(argvOf(plan, "create").length, source === "pack" ? 2 : 1)
  const start = plan.steps.find((step) => step.stage === "start")
  assert.deepStrictEqual(start?.argv, ["smolvm", "machine", "start", "--name", "bottle-demo-abc12"])
  assert.deepStrictEqual(start?.env, release.allowsPrivate ? [["SMOLVM_EGRESS_ALLOW_PRIVATE", "1"]] : undefined)
  assert.isFalse(plan.steps.some((step) => step.stage === "relay"))
  const isHeld = typeof release.held[source] !== "string"
  assert.strictEqual(plan.proof.doubt === null, isHeld)
  assert.strictEqual(plan.proof.demand, isHeld && unprovenEgress ? "attempted" : "proven")
}

describe("the topology address", () => {
  for (const [version, release] of Object.entries(releases)) {
    for (const source of ["bare", "image", "pack"] as const) {
      it(`${version}, ${source}: is planned where the release holds it, word for word, or refused`, () => {
        check(version, release, source, false)
      })
      it(`${version}, ${source}: is left to the proof where that is accepted`, () => {
        check(version, release, source, true)
      })
    }
  }

  it("makes a pack of a registry's image, and is refused with it before 1.8.0", () => {
    const options = { ...addressed("bare"), source: { _tag: "Image", reference: "registry.example/alpine:3" } } as const
    const plan = planOf(options, "1.8.0", withContainer)
    assert.include(argvOf(plan, "create")[0] ?? [], "--from")
    assert.include(argvOf(plan, "pack")[0] ?? [], "registry.example/alpine:3")
    for (const [version, advice] of [
      ["1.0.4", "Use smolvm 1.8.0 or newer for a registry's images, no image at all, or --unproven-egress"],
      ["1.7.7", "a registry's images, a local image archive (--image ./image.tar), no image at all, or --unproven"]
    ] as const) {
      const error = refusal(options, version, withContainer)
      assert.include(error.message, `smolvm ${version}: it drops --allow-host`)
      assert.include(error.suggestion, advice)
    }
  })

  for (const line of Line.lines) {
    it(`has only commands that smolvm ${line} takes`, () => {
      for (const source of ["bare", "image", "pack"] as const) {
        for (const unprovenEgress of [false, true]) {
          const tried = Either.getOrUndefined(tryAddressed(source, unprovenEgress, line))
          for (const step of (tried?.steps ?? []).filter(({ argv }) => argv[0] === "smolvm")) {
            const parsed = Grammar.parse(line, step.argv.slice(1))
            assert.isTrue(Either.isRight(parsed), `${step.argv.join(" ")}: ${JSON.stringify(parsed)}`)
          }
        }
      }
    })
  }

  it("is refused by the local runtime, which takes the topology socket", () => {
    const local = { ...withContainer, runtime: "local" } as const
    for (const bundle of [undefined, "process", "container"] as const) {
      const error = refusal(addressed("bare", { bundle }), "1.9.3", local)
      assert.strictEqual(error._tag, "RuntimeUnfit")
      assert.include(error.message, "the local runtime gives its machines no network")
    }
    const plan = planOf(addressed("bare", { topology: "socket" }), "1.9.3", local)
    assert.strictEqual(plan.bundle._tag, "Container")
  })

  it("is refused where the machine may be left in place, which the topology socket allows", () => {
    const error = refusal(addressed("bare", { keepOnFailure: true }), "1.9.3", withContainer)
    assert.strictEqual(error._tag, "OptionRefused")
    assert.include(error.message, "keepOnFailure: ")
    const plan = planOf(addressed("bare", { keepOnFailure: true, topology: "socket" }), "1.9.3", withContainer)
    assert.isTrue(plan.keepOnFailure)
  })

  it("is refused by a bundle without an address, and has none to choose where there is no bundle", () => {
    for (const bundle of ["process", "none"] as const) {
      const error = refusal(addressed("bare", { bundle, allow: [] }), "1.9.3", withContainer)
      assert.strictEqual(error._tag, "OptionRefused")
      assert.include(error.message, "topology: ")
    }
    assert.strictEqual(planOf(addressed("bare"), "1.9.3", withContainer).bundle._tag, "Container")
  })
})

const tryAddressed = (source: SourceName, unprovenEgress: boolean, version: string) =>
  Either.try(() => planOf(addressed(source, { unprovenEgress }), version, withContainer))

describe("a bundle that nobody chose", () => {
  const of = (source: SourceName, over: Partial<LaunchOptions> = {}): LaunchOptions => ({
    source: sources[source],
    allow: ["example.com"],
    ...over
  })
  const shape = (
    options: LaunchOptions,
    version: string,
    over: Parameters<typeof planOf>[2] = withContainer
  ): string => {
    const { bundle } = planOf(options, version, over)
    return bundle._tag === "Container" ? `container at ${bundle.topology}` : bundle._tag
  }

  it("is beside the launch where the socket reaches the guest, else a container where the release holds a policy", () => {
    for (const [version, source, expected] of [
      ["1.0.2", "bare", "container at address"],
      ["1.6.3", "bare", "container at address"],
      ["1.6.4", "bare", "Process"],
      ["1.1.0", "image", "container at address"],
      ["1.7.7", "image", "container at address"],
      ["1.8.0", "image", "Process"],
      ["1.8.0", "pack", "Process"]
    ] as const) {
      assert.strictEqual(shape(of(source), version), expected, `${version} ${source}`)
    }
  })

  it("is refused where neither is there, saying what would do", () => {
    const alone = refusal(of("bare"), "1.5.2", { container: null })
    assert.include(alone.message, "--mount-socket")
    assert.include(alone.message, "there is no container engine")
    assert.include(alone.suggestion, "install docker")
    assert.include(refusal(of("bare", { allow: [], policy: {} }), "1.5.2").message, "a policy (--policy) cannot be had")
    const old = refusal(of("bare"), "1.0.1", withContainer)
    assert.include(old.message, "--mount-socket")
    assert.include(old.message, "--allow-cidr")
    const packed = refusal(of("pack"), "1.7.7", withContainer)
    assert.include(packed.message, "--mount-socket")
    assert.include(packed.message, "--from")
    assert.strictEqual(shape(of("pack", { unprovenEgress: true }), "1.7.7"), "container at address")
  })

  it("is none where there is nothing to reach and the socket does not arrive", () => {
    assert.strictEqual(shape(of("bare", { allow: [] }), "1.5.2"), "None")
    assert.strictEqual(shape(of("bare", { allow: [], policy: {} }), "1.5.2"), "container at address")
    assert.strictEqual(shape(of("bare", { allow: [] }), "1.6.4"), "Process")
  })

  it("is beside the launch with the local runtime, container engine or not", () => {
    for (const over of [withContainer, { container: null }]) {
      assert.strictEqual(shape(of("bare"), "1.9.3", { ...over, runtime: "local" }), "Process")
    }
  })

  it("follows the topology that was asked for", () => {
    assert.strictEqual(shape(of("bare", { topology: "address" }), "1.9.3"), "container at address")
    assert.strictEqual(shape(of("bare", { topology: "socket" }), "1.9.3"), "Process")
    assert.strictEqual(refusal(of("bare", { topology: "socket" }), "1.6.3", withContainer)._tag, "RuntimeUnfit")
  })
})

describe("a bundle in a container", () => {
  it("takes the socket where it reaches the guest, and the address where it does not", () => {
    const of = (version: string, topology?: "socket" | "address") => {
      const { bundle } = planOf({ ...bare, bundle: "container", topology }, version, withContainer)
      return bundle._tag === "Container" ? bundle.topology : bundle._tag
    }
    assert.strictEqual(of("1.9.3"), "socket")
    assert.strictEqual(of("1.6.3"), "address")
    assert.strictEqual(of("1.9.3", "address"), "address")
    const error = refusal({ ...bare, bundle: "container", topology: "socket" }, "1.6.3", withContainer)
    assert.include(error.message, "--mount-socket")
  })

  it("is refused without a container engine, and planned with one", () => {
    const options: LaunchOptions = { ...bare, bundle: "container" }
    for (const none of [{ container: null }, { container: undefined }]) {
      const error = refusal(options, "1.9.3", none)
      assert.strictEqual(error._tag, "ContainerUnfit")
      assert.include(error.message, "there is no container engine")
      assert.include(error.suggestion, "Install docker")
    }
    assert.strictEqual(planOf(options, "1.9.3", withContainer).bundle._tag, "Container")
  })

  it("is refused with an upstream proxy that would be looked for in it, and planned with another one", () => {
    const options = (upstream: string, bundle: LaunchOptions["bundle"] = "container"): LaunchOptions => ({
      ...bare,
      bundle,
      policy: { allow: ["api.example.com"], upstream }
    })
    const itself = ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "LOCALHOST.", "proxy.localhost"]
    for (const host of itself) {
      const upstream = `http://${host}:3128`
      const error = refusal(options(upstream), "1.9.3", withContainer)
      assert.strictEqual(error._tag, "OptionRefused")
      assert.match(error.message, /^policy: the upstream \S+:3128 is the bundle's container itself/)
      assert.include(error.suggestion, "--bundle process")
      // A bundle at an address is a container too, whoever chose it.
      refusal({ ...options(upstream, undefined), topology: "address" }, "1.9.3", withContainer)
      assert.strictEqual(planOf(options(upstream, "process"), "1.9.3", withContainer).bundle._tag, "Process")
    }
    for (const host of ["192.168.1.1", "[fd00::1]", "proxy.corp.example", "localhost.example"]) {
      assert.strictEqual(planOf(options(`http://${host}:3128`), "1.9.3", withContainer).bundle._tag, "Container")
    }
  })

  it("is refused where the host routes every private network, and planned where one is left", () => {
    const options: LaunchOptions = { ...bare, bundle: "container" }
    const routes = ["10.0.0.0/8", "172.16.0.0/12"]
    const error = refusal(options, "1.9.3", withContainer, [...routes, "192.168.0.0/16"])
    assert.include(error.message, "the host routes every private network")
    const { bundle } = planOf(options, "1.9.3", withContainer, routes)
    assert.match(bundle._tag === "Container" ? LaunchPlan.subnetOf(bundle).subnet : "", /^192\.168\./)
  })

  it("plans everything in words of docker's, and shows all of it", () => {
    expect(shown(planOf(addressed("bare"), "1.9.3", withContainer))).toMatchSnapshot()
  })

  it("builds an image only where it is told how, with its own variable for the builder", () => {
    const build = { dockerfile: "/b/Dockerfile", program: "/b/bottle-bundle.mjs", base: "node:22-slim" }
    const built = planOf(addressed("bare"), "1.9.3", { container: { ...container, build } })
    const step = built.steps.find(({ stage }) => stage === "image")
    assert.deepStrictEqual(step?.env, [["DOCKER_BUILDKIT", "0"]])
    assert.deepStrictEqual(step?.argv.slice(0, 2), ["docker", "build"])
    assert.include(step?.argv ?? [], "BASE=node:22-slim")
    assert.strictEqual(step?.argv.at(-1), "/c/bottle/images/.context-demo-abc12")
    assert.isFalse(planOf(addressed("bare"), "1.9.3", withContainer).steps.some(({ stage }) => stage === "image"))
  })

  it("goes in the order in which it came, backwards", () => {
    const plan = planOf({ ...bare, bundle: "container" }, "1.9.3", withContainer)
    assert.deepStrictEqual(
      plan.steps.map(({ argv, stage }) => `${stage}: ${argv[0]} ${argv[1]} ${argv[1] === "run" ? "" : argv[2]}`.trim()),
      [
        "network: docker network create",
        "bundle: docker run",
        "create: smolvm machine create",
        "start: smolvm machine start",
        "ready: smolvm machine exec",
        "relay: smolvm machine exec",
        "proof: smolvm machine exec",
        "release: smolvm machine delete",
        "release: docker rm --force",
        "release: docker network rm"
      ]
    )
  })

  it("mounts the launch's own socket in the topology socket, and nothing of the network's in the guest", () => {
    const plan = planOf({ ...bare, bundle: "container" }, "1.9.3", withContainer)
    const create = argvOf(plan, "create")[0] ?? []
    assert.include(create, "/r/bottle/demo-abc12/egress.sock:/run/bottle-egress.sock")
    assert.deepStrictEqual(
      create.filter((word) => word.startsWith("--net") || word.startsWith("--allow") || word.includes("192.168")),
      []
    )
    assert.include(create, "HTTP_PROXY=http://127.0.0.1:3128")
    assert.deepStrictEqual(LaunchPlan.socketOf(plan), {
      ...plan.bundle,
      socket: "/r/bottle/demo-abc12/egress.sock",
      socketMode: 0o600
    })
    assert.isNull(LaunchPlan.socketOf(planOf(addressed("bare"), "1.9.3", withContainer)))
  })

  it("refuses an image's name that docker does not take", () => {
    const error = refusal({ ...bare, bundle: "container" }, "1.9.3", {
      container: { ...container, image: "--privileged" }
    })
    assert.strictEqual(error._tag, "ContainerUnfit")
    assert.include(error.message, "image")
  })
})

describe("withSubnet", () => {
  /** What a plan says, the list of candidates apart. */
  const said = (plan: LaunchPlan.LaunchPlan): string => {
    const { bundle, ...rest } = plan
    return JSON.stringify(bundle._tag === "Container" ? { ...rest, bundle: { ...bundle, candidates: [] } } : plan)
  }

  const everything: Partial<LaunchOptions> = {
    env: [
      ["ADDRESS", A],
      ["HTTPS_PROXY", "http://mine.example:1"]
    ],
    workdir: `/${A}`,
    mounts: [{ host: `/${A}`, guest: `/srv/${A}`, readonly: true }],
    resolve: [`example.com=${A}`]
  }

  for (const version of Object.keys(releases)) {
    for (const topology of ["socket", "address"] as const) {
      it(`is the plan of ${version} at ${topology}, in another network and nothing else`, () => {
        const options = addressed("bare", { topology, unprovenEgress: true })
        const tried = Either.try(() => planOf(options, version, withContainer))
        if (Either.isLeft(tried)) return assert.strictEqual(topology, "socket")
        const plan = tried.right
        const { bundle } = plan
        if (bundle._tag !== "Container") return assert.fail("there is no container")
        assert.isAbove(bundle.candidates.length, 1)
        for (const [index, { address }] of bundle.candidates.entries()) {
          const prefix = address.replace(/2$/, "")
          const moved = LaunchPlan.withSubnet(plan, index)
          assert.strictEqual(
            said(moved).replaceAll(prefix, "192.168.164.").replace(`"chosen":${index}`, `"chosen":0`),
            said(plan)
          )
          assert.include(said(moved), address)
          if (index > 0) assert.notInclude(said(moved), "192.168.164.")
          assert.deepStrictEqual(LaunchPlan.withSubnet(moved, 0), plan)
        }
      })
    }
  }

  it("leaves what the user said alone, where it looks like the address too", () => {
    const plan = planOf(addressed("bare", everything), "1.9.3", withContainer)
    const moved = LaunchPlan.withSubnet(plan, 1)
    assert.deepStrictEqual(moved.egress, plan.egress)
    assert.deepStrictEqual(moved.guest.mounts, plan.guest.mounts)
    assert.strictEqual(moved.guest.workdir, plan.guest.workdir)
    const env = new Map(moved.guest.env)
    assert.strictEqual(env.get("ADDRESS"), A)
    assert.strictEqual(env.get("HTTPS_PROXY"), "http://mine.example:1")
    assert.notInclude(env.get("HTTP_PROXY"), A)
    const create = argvOf(moved, "create")[0] ?? []
    assert.include(create, `ADDRESS=${A}`)
    assert.include(create, `/${A}:/srv/${A}:ro`)
    assert.deepStrictEqual(LaunchPlan.withSubnet(moved, 0), plan)
  })

  it("leaves a plan without a container as it is, and knows no network but the candidates", () => {
    const plan = planOf(bare)
    assert.strictEqual(LaunchPlan.withSubnet(plan, 3), plan)
    assert.throws(() => LaunchPlan.withSubnet(planOf(addressed("bare"), "1.9.3", withContainer), 8), RangeError)
  })
})

describe("the proof of a plan", () => {
  const demand = (options: LaunchOptions, version = "1.9.3") => planOf(options, version, withContainer).proof

  it("is demanded of every bundle, and only tried where there is none or where that is accepted", () => {
    assert.deepStrictEqual(demand(bare), { demand: "proven", doubt: null })
    assert.deepStrictEqual(demand({ ...bare, bundle: "container" }), { demand: "proven", doubt: null })
    assert.deepStrictEqual(demand({ ...bare, bundle: "none" }), { demand: "attempted", doubt: null })
    assert.deepStrictEqual(demand({ ...bare, unprovenEgress: true }), { demand: "attempted", doubt: null })
  })

  it("is demanded of a release that does not hold the policy, whatever is accepted", () => {
    const { demand: asked, doubt } = demand(addressed("pack", { unprovenEgress: true }), "1.7.7")
    assert.strictEqual(asked, "proven")
    assert.include(doubt, "--from")
  })
})

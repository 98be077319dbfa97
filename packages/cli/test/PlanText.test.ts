import * as PlanText from "@bottle/cli/PlanText"
import * as BottleId from "@bottle/engine/BottleId"
import { Directories } from "@bottle/engine/Directories"
import type { ContainerSettings } from "@bottle/engine/Engine"
import type { LaunchOptions } from "@bottle/engine/LaunchOptions"
import * as LaunchPlan from "@bottle/engine/LaunchPlan"
import * as Capabilities from "@bottle/smolvm/Capabilities"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"

const container: ContainerSettings = {
  program: "docker",
  image: "bottle-bundle:abc",
  build: { dockerfile: "/b/Dockerfile", program: "/b/bottle-bundle.mjs", base: "node:22-slim" }
}

const render = (options: Partial<LaunchOptions>, version = "1.9.3"): ReadonlyArray<string> =>
  LaunchPlan.make({
    id: BottleId.fromParts("demo", "abc12"),
    options: { source: { _tag: "Bare" }, ...options },
    capabilities: Capabilities.fromVersion(version),
    program: "smolvm",
    settings: {
      directories: new Directories({ cache: "/c/bottle", state: "/s/bottle", run: "/r/bottle" }),
      runtime: "smolvm",
      arch: "x64",
      superuser: false,
      container
    }
  }).pipe(
    Either.getOrThrowWith((error) => error),
    (plan) => PlanText.render(plan, ["echo", "hello world"]).split("\n")
  )

/** The lines below a title, without their indent. */
const below = (lines: ReadonlyArray<string>, title: string): ReadonlyArray<string> => {
  const rest = lines.slice(lines.indexOf(`${title}:`) + 1)
  const end = rest.findIndex((line) => !line.startsWith("  "))
  return lines.includes(`${title}:`) ? rest.slice(0, end).map((line) => line.trim()) : []
}

describe("PlanText", () => {
  it("says of a bundle beside the launch how it is reached, and that the proof is required", () => {
    const lines = render({ allow: ["example.com"] })
    assert.include(lines, "bundle: a proxy beside the launch, reached through one socket, without any network")
    assert.include(lines, "proof: the guest must show that it reaches its bundle and nothing else")
    assert.isFalse(lines.some((line) => /^(network|image|in doubt):/.test(line)))
    assert.strictEqual(lines.at(-1), "then in the bottle: echo 'hello world'")
  })

  it("says of each credential what it is for and where its value comes from, and no value", () => {
    const lines = render({
      credentials: {
        api: {
          source: { env: "API_KEY" },
          header: "X-Api-Key",
          upstream: "https://api.example.com",
          baseUrlVariable: "API_BASE_URL",
          placeholderVariable: "API_KEY"
        },
        git: {
          source: { command: ["pass", "show", "git\u001b[2J"] },
          header: "authorization",
          prefix: "Bearer ",
          upstream: "https://git.example.com:8443/api",
          methods: ["GET"],
          paths: ["/api/repos/*"]
        }
      }
    })
    assert.deepStrictEqual(below(lines, "credentials that stay in the bundle"), [
      "api: the header x-api-key for https://api.example.com, from the variable API_KEY; the guest has its base URL in API_BASE_URL and a placeholder in API_KEY",
      "git: the header authorization for https://git.example.com:8443/api, from the command pass show git\\x1b[2J; only GET /api/repos/*"
    ])
    assert.include(below(lines, "environment"), "API_KEY=bottle-placeholder-api")
    assert.deepStrictEqual(below(render({ allow: ["example.com"] }), "credentials that stay in the bundle"), [])
  })

  it("says of a bundle in a container its image, its network, and where it is", () => {
    const lines = render({ allow: ["example.com"], bundle: "container", topology: "address" })
    assert.include(
      lines,
      "bundle: a container of bottle-bundle:abc at 192.168.164.2:3128, reached at its address, and no other"
    )
    assert.include(lines, "network: 192.168.164.0/24, of its own; where that is taken, one of 7 others")
    assert.include(lines, "image: built on node:22-slim where it is not there")
    const socket = render({ bundle: "container", topology: "socket" })
    assert.isTrue(socket.some((line) => line.endsWith("reached through one socket, without any network")))
  })

  it("prints the commands with the variables of their own, and cuts scripts short", () => {
    const commands = below(render({ allow: ["example.com"], topology: "address" }, "1.0.4"), "commands")
    assert.match(commands[0] ?? "", /^image: DOCKER_BUILDKIT=0 docker build /)
    assert.include(commands, "start: SMOLVM_EGRESS_ALLOW_PRIVATE=1 smolvm machine start --name bottle-demo-abc12")
    assert.include(commands, "release: docker network rm bottle-demo-abc12")
    const proof = commands.find((line) => line.startsWith("proof: "))
    assert.match(proof ?? "", /^proof: smolvm machine exec .* -- sh -c <\d+ characters of script> bottle-proof /)
    for (const command of commands) assert.isAtMost(command.length, 2000)
  })

  it("says what is in doubt, and that only the proof decides; and when it need not succeed", () => {
    const options: Partial<LaunchOptions> = { allow: ["example.com"], topology: "address", unprovenEgress: true }
    const doubted = render({ ...options, source: { _tag: "Pack", path: "/p/x.smolmachine" } }, "1.5.2")
    assert.include(
      doubted,
      "in doubt: smolvm 1.5.2: it drops --allow-host in silence where a machine is made from a pack (--from); the proof alone decides"
    )
    assert.include(doubted, "proof: the guest must show that it reaches its bundle and nothing else")
    const held = render(options, "1.5.2")
    assert.isFalse(held.some((line) => line.startsWith("in doubt")))
    assert.include(held, "proof: the guest tries what it has the programs for; one that leaks is refused")
  })

  it("prints the whole policy: what is allowed, denied, pinned, and through whom", () => {
    const lines = render({
      allow: ["example.com", "*.example.org:8443"],
      deny: ["bad.example.com", "192.0.2.0/24"],
      resolve: ["example.com=192.0.2.9"],
      policy: { upstream: "http://proxy.example.com:3128" }
    })
    assert.deepStrictEqual(below(lines, "can reach"), [
      "*.example.org:8443",
      "example.com (ports 80, 443) at 192.0.2.9"
    ])
    assert.deepStrictEqual(below(lines, "cannot reach, whatever allows it"), [
      "192.0.2.0/24 (every port)",
      "bad.example.com (every port)"
    ])
    assert.deepStrictEqual(below(lines, "through the proxy"), ["proxy.example.com:3128"])
  })

  it("says that nothing can be reached without a bundle", () => {
    const lines = render({ bundle: "none" })
    assert.include(lines, "bundle: none")
    assert.deepStrictEqual(below(lines, "can reach"), ["nothing: there is no proxy and no network"])
  })
})

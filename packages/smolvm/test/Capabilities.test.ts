import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Capabilities from "../src/Capabilities.js"
import * as Grammar from "../src/Grammar.js"
import { contract } from "../src/internal/contract.js"
import * as Line from "../src/Line.js"
import * as MachineCreate from "../src/MachineCreate.js"

const gates: ReadonlyArray<readonly [keyof Capabilities.Capabilities, string, unknown, string, unknown]> = [
  ["nameStyle", "1.0.1", "positional", "1.0.2", "flag"],
  ["label", "1.7.7", false, "1.8.0", true],
  ["secretEnv", "0.9.0", false, "1.0.0", true],
  ["execDetach", "1.2.5", false, "1.3.0", true],
  ["mountSocket", "1.6.3", false, "1.6.4", true],
  ["localImages", "1.0.4", false, "1.1.0", true],
  ["egressEvents", "1.8.0", false, "1.8.1", true],
  ["packSuffixRefused", "1.6.13", false, "1.7.0", true],
  ["socketReachesWorkload", "1.6.3", "none", "1.6.4", "bare"],
  ["socketReachesWorkload", "1.7.7", "bare", "1.8.0", "all"],
  ["policyHeldWithFrom", "1.7.7", false, "1.8.0", true],
  ["createCommand", "0.9.0", false, "1.0.0", true],
  ["commandHeldWithFrom", "1.6.3", false, "1.6.4", true],
  ["remoteVolumes", "1.9.2", false, "1.9.3", true],
  ["portBackend", "1.0.1", "any", "1.0.2", "virtio-net-on-request"],
  ["portBackend", "1.0.3", "virtio-net-on-request", "1.0.4", "virtio-net"],
  ["policyBackend", "1.0.1", "none", "1.0.2", "virtio-net-on-request"],
  ["policyBackend", "1.1.2", "virtio-net-on-request", "1.1.3", "virtio-net"],
  ["policyFloorsPrivate", "1.0.3", false, "1.0.4", true],
  ["policyFloorsPrivate", "1.1.2", true, "1.1.3", false],
  ["createRefusesOfflineImage", "1.7.2", false, "1.7.3", true],
  ["deleteStopsFirst", "0.8.0", false, "0.8.1", true],
  ["stopFailsWhenMissing", "0.8.0", false, "0.8.1", true],
  ["execSignalCodes", "0.8.0", false, "0.8.1", true],
  ["execTimeoutEnforcedForImages", "1.4.0", true, "1.4.1", false],
  ["execTimeoutEnforcedForImages", "1.6.13", false, "1.7.0", true],
  ["streamCapBytes", "1.3.7", null, "1.3.8", 11_534_336],
  ["bufferedOverflowFails", "0.9.0", false, "1.0.0", true],
  ["stdinLargeSafe", "1.8.0", false, "1.8.1", true],
  ["cpReachesWorkload", "1.7.2", false, "1.7.3", true],
  ["vmPacksSeeded", "1.2.1", false, "1.2.2", true],
  ["newerThanKnown", "1.9.3", false, "1.9.4", true]
]

describe("Capabilities", () => {
  for (const [field, before, old, from, now] of gates) {
    it(`${field} is ${String(old)} in ${before} and ${String(now)} in ${from}`, () => {
      assert.strictEqual(Capabilities.fromVersion(before)[field], old)
      assert.strictEqual(Capabilities.fromVersion(from)[field], now)
    })
  }

  it("give an unreadable version what the oldest line has", () => {
    const named = { version: "", versionText: "" }
    assert.deepStrictEqual(
      { ...Capabilities.fromVersion("unknown"), ...named },
      { ...Capabilities.fromVersion("0.8.0"), ...named, deleteStopsFirst: false }
    )
  })

  it("agree with the grammar of every line about the options it has", () => {
    for (const line of Line.lines) {
      const { execDetach, label, mountSocket, nameStyle, secretEnv } = Capabilities.fromVersion(line)
      const accepts = (...argv: ReadonlyArray<string>) => Either.isRight(Grammar.parse(line, argv))
      assert.strictEqual(accepts("machine", "create", "--name", "a"), nameStyle === "flag", line)
      assert.strictEqual(accepts("machine", "create", "a"), nameStyle === "positional", line)
      assert.strictEqual(accepts("machine", "create", "--mount-socket", "/a:/b"), mountSocket, line)
      assert.strictEqual(accepts("machine", "create", "--label", "a=b"), label, line)
      assert.strictEqual(accepts("machine", "create", "--secret-env", "a=b"), secretEnv, line)
      assert.strictEqual(accepts("machine", "exec", "--secret-env", "a=b", "--", "x"), secretEnv, line)
      assert.strictEqual(accepts("machine", "exec", "-d", "--", "x"), execDetach, line)
    }
  })

  it("have at each line the options of its grammar, and between the lines those of their own version", () => {
    for (const line of Line.lines) {
      const { options } = Capabilities.fromVersion(line)
      const { commands } = contract.dialects[line]
      assert.deepStrictEqual(Object.keys(options).toSorted(), Object.keys(commands).toSorted(), line)
      for (const [command, index] of Object.entries(commands)) {
        const longs = (contract.definitions[index]?.options ?? []).map(({ long }) => long)
        assert.deepStrictEqual(options[command]?.toSorted(), longs.toSorted(), `${line} ${command}`)
      }
    }
    assert.isFalse(Capabilities.has(Capabilities.fromVersion("1.2.4"), "machine run", "--dns"))
    assert.isTrue(Capabilities.has(Capabilities.fromVersion("1.2.5"), "machine run", "--dns"))
    assert.isFalse(Capabilities.has(Capabilities.fromVersion("0.9.0"), "machine fork"))
    assert.isTrue(Capabilities.has(Capabilities.fromVersion("1.0.0"), "machine fork"))
    assert.isFalse(Capabilities.has(Capabilities.fromVersion("1.9.3"), "toString"))
  })

  it("know the version from which on something is there", () => {
    assert.strictEqual(Capabilities.neededVersion("machine fork"), "1.0.0")
    assert.strictEqual(Capabilities.neededVersion("machine fork", "--name"), "1.0.2")
    assert.strictEqual(Capabilities.neededVersion("machine create", "--image"), "0.8.0")
    assert.isNull(Capabilities.neededVersion("machine create", "--egress-proxy"))
    assert.isNull(Capabilities.neededVersion("machine branch"))
  })

  it("open each gate of one option at the version that is needed for it", () => {
    for (const [command, option, field] of [
      ["machine create", "--label", "label"],
      ["machine create", "--mount-socket", "mountSocket"],
      ["machine exec", "--secret-env", "secretEnv"],
      ["machine exec", "--detach", "execDetach"],
      ["machine egress-events", undefined, "egressEvents"]
    ] as const) {
      assert.isTrue(Capabilities.fromVersion(Capabilities.neededVersion(command, option) ?? "")[field], field)
    }
  })

  describe("of a newer release", () => {
    const helps = Object.fromEntries(
      Capabilities.subcommands.map((command) => [command, Grammar.help("1.9.3", command) ?? ""])
    )
    const newer = Capabilities.fromVersion("1.22.2")
    const read = (changed: Readonly<Record<string, string>>) => Capabilities.withHelp(newer, { ...helps, ...changed })
    const create = helps["machine create"] ?? ""
    const listing = (command: string, option: string) => ({ [command]: `${helps[command]}      ${option} <X>\n` })

    it("are those of the newest known, where its help lists the same", () => {
      const { options, ...rest } = read({})
      const { options: known, ...others } = newer
      assert.deepStrictEqual(rest, others)
      // What the help hides was not seen.
      const hidden = ["--stub", "--lib-dir", "--rootfs-dir"]
      assert.includeMembers([...(known["pack create"] ?? [])], hidden)
      for (const command of Capabilities.subcommands) {
        const seen = known[command]?.filter((long) => command !== "pack create" || !hidden.includes(long))
        assert.sameMembers([...(options[command] ?? [])], [...(seen ?? [])], command)
      }
    })

    it("have no option that its help does not list", () => {
      const without = read({
        "machine create": create.replace(/.*--mount-socket.*\n/, ""),
        "machine exec": (helps["machine exec"] ?? "").replace(/.*--detach.*\n/, "")
      })
      assert.isFalse(without.mountSocket)
      assert.strictEqual(without.socketReachesWorkload, "none")
      assert.isFalse(Capabilities.has(without, "machine create", "--mount-socket"))
      assert.isFalse(without.execDetach)
      assert.isTrue(without.label)
    })

    it("take no word of a sentence, and no longer name, for an option", () => {
      const less = create.replace(/.*--mount-socket.*\n/, "")
      assert.isFalse(read({ "machine create": `${less}      --other <X>  replaces --mount-socket\n` }).mountSocket)
      assert.isFalse(read({ "machine create": `${less}      --mount-socket-mode <X>\n` }).mountSocket)
      assert.isTrue(read({ "machine create": `${less}      --mount-socket <X>\n` }).mountSocket)
    })

    it("have no subcommand whose help is missing, is that of a group, or is none", () => {
      const { "machine fork": _, ...rest } = helps
      const without = Capabilities.withHelp(newer, {
        ...rest,
        "machine egress-events": Grammar.help("1.9.3", "machine") ?? "",
        "pack push": "error: unrecognized subcommand 'push'\n"
      })
      assert.isFalse(Capabilities.has(without, "machine fork"))
      assert.isFalse(Capabilities.has(without, "machine egress-events"))
      assert.isFalse(without.egressEvents)
      assert.isFalse(Capabilities.has(without, "pack push"))
      assert.isTrue(Capabilities.has(without, "pack pull"))
    })

    it("name no version to update to for what it has lost", () => {
      const { "machine fork": _, ...rest } = helps
      const lost = Capabilities.withHelp(newer, {
        ...rest,
        "machine create": create.replace(/.*--mount-socket.*\n/, "")
      })
      const older = Capabilities.fromVersion("0.9.0")
      const mounting = { name: "box", mountSockets: [{ host: "/run/a.sock", guest: "/run/a.sock" }] }
      for (const [capabilities, socket, fork] of [
        [lost, null, null],
        [older, "1.6.4", "1.0.0"]
      ] as const) {
        const error = Option.getOrThrow(Either.getLeft(MachineCreate.argv(mounting, capabilities)))
        assert.strictEqual(error._tag, "UnsupportedOption")
        assert.strictEqual(error._tag === "UnsupportedOption" ? error.neededVersion : "", socket)
        assert.strictEqual(Capabilities.updateFor(capabilities, "machine fork"), fork)
      }
      assert.isTrue(Either.isRight(MachineCreate.argv(mounting, newer)))
    })

    it("have the options that are new where its help lists them", () => {
      assert.isFalse(read({}).egressProxy)
      assert.isFalse(read({}).egressInterceptor)
      assert.isFalse(read({}).credential)
      assert.isTrue(read(listing("machine create", "--egress-proxy")).egressProxy)
      assert.isFalse(read(listing("machine run", "--egress-proxy")).egressProxy)
      assert.isTrue(Capabilities.has(read(listing("machine run", "--egress-proxy")), "machine run", "--egress-proxy"))
      assert.isTrue(read(listing("machine start", "--egress-interceptor")).egressInterceptor)
      assert.isTrue(read(listing("machine create", "--credential")).credential)
    })
  })

  it("read the version from stdout alone", () => {
    assert.strictEqual(Capabilities.parseVersion("smolvm 1.9.3\n"), "1.9.3")
    assert.strictEqual(Capabilities.parseVersion("smolvm 1.9.3 (namespaces, shared kernel)\n"), "1.9.3")
    assert.isUndefined(Capabilities.parseVersion("note\nsmolvm 1.9.3\n"))
    assert.isUndefined(Capabilities.parseVersion("other 1.9.3\n"))
    assert.isUndefined(Capabilities.parseVersion(""))
    // No number of a version is that long, and none such could be compared.
    assert.strictEqual(Capabilities.parseVersion("smolvm 2.0.123456789-rc1\n"), "2.0.123456789")
    assert.isUndefined(Capabilities.parseVersion("smolvm 2.0.1234567890\n"))
  })
})

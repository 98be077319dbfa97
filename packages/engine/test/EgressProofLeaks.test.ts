import type * as LeakingSmolvm from "@bottle/testing/LeakingSmolvm"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { TOOLS } from "../src/ProofRecord.js"
import * as Bridged from "./fixtures/bridged.js"
import * as Forwarding from "./fixtures/forwarding.js"
import * as Proving from "./fixtures/proving.js"

const TIMEOUT_MILLIS = 60_000

const bundles = ["process", "none"] as const

/** Runs a launch that needs this leak, or is skipped by name. */
const launches = (
  name: string,
  setting: Proving.Setting,
  check: (ended: Proving.Ended) => void,
  lacks: ReadonlyArray<string> = Proving.missing(setting.leak)
) =>
  it.live.skipIf(lacks.length > 0)(
    `${name}${Proving.note(lacks)}`,
    () => Temp.withTempDir((directory) => Effect.map(Proving.launch(directory, setting), check)),
    TIMEOUT_MILLIS
  )

/** It was refused for this leak, by name, and the machine was gone (`Proving.launch` looks). */
const isOpen =
  (...leaks: ReadonlyArray<string>) =>
  (ended: Proving.Ended) => {
    if (ended._tag === "Bottle") return assert.fail("the bottle was handed over")
    assert.strictEqual(ended.error._tag, "EgressNotEnforced", ended.error.message)
    assert.notInclude(ended.error.message, "\n")
    const record = Proving.recordOf(ended)
    assert.strictEqual(record.outcome, "leaked")
    assert.includeMembers([...Proving.named(record, "leaked")], [...leaks])
  }

const isOpenOnlyBy =
  (...leaks: ReadonlyArray<string>) =>
  (ended: Proving.Ended) => {
    isOpen(...leaks)(ended)
    assert.sameMembers([...Proving.named(Proving.recordOf(ended), "leaked")], [...leaks])
  }

const isProven = (ended: Proving.Ended) => {
  if (ended._tag === "Refused") return assert.fail(ended.error.message)
  assert.strictEqual(ended.record.outcome, "proven")
  assert.deepStrictEqual(Proving.named(ended.record, "leaked"), [])
  assert.deepStrictEqual(Proving.named(ended.record, "broken"), [])
}

const isUnproven = (reason: string) => (ended: Proving.Ended) => {
  if (ended._tag === "Bottle") return assert.fail("the bottle was handed over")
  if (ended.error._tag !== "EgressUnproven") return assert.fail(ended.error.message)
  assert.strictEqual(ended.error.reason, reason)
  assert.strictEqual(ended.error.record.outcome, "unproven")
  assert.notInclude(ended.error.message, "\n")
  assert.notStrictEqual(ended.error.suggestion, "")
}

for (const bundle of bundles) {
  const leaking = (leak: LeakingSmolvm.Leak): Proving.Setting => ({ leak, options: { bundle } })

  describe(`EgressProof, a smolvm that leaks, with the bundle ${bundle}`, () => {
    launches("hands over a bottle of the same smolvm that is closed", leaking("none"), isProven)

    launches(
      "catches a policy that is dropped",
      leaking("policy-dropped"),
      isOpen(
        "host-loopback-tcp",
        "host-loopback-udp",
        // The loopback in other words, as there is no gateway of smolvm's here.
        "host-alias-tcp",
        "host-alias-udp",
        "other-bundle",
        ...(Proving.hasLoopback6 ? ["host-loopback-tcp6", "host-loopback-udp6"] : []),
        // Of a host that has other addresses, those too; they are where its own network is.
        ...(Proving.hasOuterAddress ? ["host-address-tcp", "host-address-udp", "network-device"] : [])
      )
    )

    launches("catches a resolver that answers", leaking("dns-open"), isOpenOnlyBy("guest-resolver-udp"))

    launches(
      "catches a gateway to the host's loopback",
      leaking("loopback-open"),
      isOpenOnlyBy("host-alias-tcp", "other-bundle")
    )

    launches("catches a network device that nobody asked for", leaking("device-given"), isOpenOnlyBy("network-device"))
  })
}

describe("EgressProof, the network of a container bundle", () => {
  const options = { bundle: "container" } as const
  const withBridge = (leak: LeakingSmolvm.Leak): Proving.Setting => ({
    leak,
    options,
    bundle: Bridged.layer("with a network")
  })
  const lacks = Proving.missing("device-given")

  launches(
    "shows that its gateway cannot be reached",
    withBridge("none"),
    (ended) => {
      isProven(ended)
      assert.includeMembers(
        [...Proving.named(Proving.recordOf(ended), "held")],
        ["bridge-gateway-tcp", "bridge-gateway-udp"]
      )
      // Nobody is at the bundle's address: that the guest does not reach it shows nothing.
      assert.include([...Proving.named(Proving.recordOf(ended), "untested")], "bundle-direct")
    },
    lacks
  )

  launches(
    "catches a guest that reaches its gateway",
    withBridge("policy-dropped"),
    isOpen("bridge-gateway-tcp", "bridge-gateway-udp"),
    lacks
  )

  launches(
    "leaves a gateway untested that this host does not have",
    { leak: "none", options, bundle: Bridged.layer("without") },
    (ended) => {
      isProven(ended)
      assert.include([...Proving.named(Proving.recordOf(ended), "untested")], "bridge-gateway-tcp")
    }
  )
})

/** A guest that tries everything, and then says of every target that it was not reached. */
const LIAR = `"$@" | sed -e 's/^\\([0-9/.]*\\) [0-9]* open HTTP.1.0.*/\\1 0 no refused/' \\
  -e 's/^\\([0-9/.]*\\) [0-9]* data .*/\\1 0 no refused/' -e 's/ device .*/ device/'`

const lying = (words: ReadonlyArray<string>): ReadonlyArray<string> =>
  words.includes("bottle-proof") ? ["sh", "-c", LIAR, "sh", ...words] : words

describe("EgressProof, a guest that lies", () => {
  launches(
    "believes the decoys, and not the guest",
    { leak: "policy-dropped", options: { bundle: "none" }, guest: lying },
    (ended) => {
      isOpen("host-loopback-tcp", "host-loopback-udp", "other-bundle")(ended)
      assert.notInclude(Proving.named(Proving.recordOf(ended), "leaked"), "network-device")
    }
  )

  launches("hands over a bottle that is closed", { leak: "none", guest: lying }, isProven)
})

describe("EgressProof, a bundle that is not ours", () => {
  launches(
    "catches a proxy that passes everything on",
    { leak: "none", bundle: Forwarding.layer("forwards") },
    isOpen("unlisted-name", "loopback-through-proxy")
  )

  launches(
    "does not take a refusal that is in nobody's log",
    { leak: "none", bundle: Forwarding.layer("says nothing") },
    isUnproven("proxy-broken")
  )

  launches(
    "does not take a proxy that does not answer, and finds nothing else shown by that",
    { leak: "none", bundle: Forwarding.layer("is broken") },
    (ended) => {
      isUnproven("proxy-broken")(ended)
      assert.deepStrictEqual(Proving.named(Proving.recordOf(ended), "held"), [])
    }
  )
})

/** The proof's command with other words before it. */
const instead = (change: (words: ReadonlyArray<string>) => ReadonlyArray<string>) => (words: ReadonlyArray<string>) =>
  words.includes("bottle-proof") ? change(words) : words

const withoutTools = instead((words) => ["env", "PATH=/nowhere", "/bin/sh", ...words.slice(1)])
const withoutShell = instead((words) => ["/nowhere/sh", ...words.slice(1)])

describe("EgressProof, a guest that cannot be probed", () => {
  launches("refuses one without a program", { leak: "none", guest: withoutTools }, isUnproven("no-tool"))
  launches("refuses one without a shell", { leak: "none", guest: withoutShell }, isUnproven("no-shell"))
  launches("refuses one that says nothing", { leak: "none", guest: instead(() => ["true"]) }, isUnproven("no-answer"))

  for (const [what, guest] of [
    ["a program", withoutTools],
    ["a shell", withoutShell]
  ] as const) {
    launches(
      `hands over one without ${what} where the plan takes that, and says so`,
      { leak: "none", guest, options: { unprovenEgress: true } },
      (ended) => {
        if (ended._tag === "Refused") return assert.fail(ended.error.message)
        assert.strictEqual(ended.record.outcome, "unproven")
        assert.notStrictEqual(ended.record.reason, null)
      }
    )
  }

  launches(
    "refuses one that says nothing even where the plan takes a guest that cannot be probed",
    { leak: "none", guest: instead(() => ["true"]), options: { unprovenEgress: true } },
    isUnproven("no-answer")
  )

  launches(
    "refuses a leak whatever the plan takes",
    { leak: "policy-dropped", options: { unprovenEgress: true } },
    isOpen("host-loopback-tcp")
  )
})

describe("EgressProof, a guest with one program alone", () => {
  const only = (tool: string) =>
    instead((words) => [
      "sh",
      "-c",
      'at=$(mktemp -d) && ln -s "$(command -v sh)" "$(command -v "$1")" "$at" && shift && PATH=$at exec "$@"',
      "sh",
      tool,
      ...words
    ])

  for (const tool of TOOLS) {
    const lacks = [...Proving.missing("policy-dropped"), ...(Fs.existsSync(`/usr/bin/${tool}`) ? [] : [tool])]
    launches(
      `is proven closed by ${tool}`,
      { leak: "none", guest: only(tool) },
      (ended) => {
        isProven(ended)
        assert.strictEqual(Proving.recordOf(ended).tool, tool)
      },
      lacks
    )
    launches(
      `is caught by ${tool} where it leaks`,
      { leak: "policy-dropped", guest: only(tool) },
      (ended) => {
        isOpen("host-loopback-tcp", "host-alias-tcp")(ended)
        assert.strictEqual(Proving.recordOf(ended).tool, tool)
      },
      lacks
    )
  }
})

/** A guest that runs this instead of the proof's command, and is to be kept where its launch fails. */
const behaving = (script: string, more: Partial<Proving.Setting> = {}): Proving.Setting => ({
  leak: "none",
  guest: instead((words) => ["sh", "-c", script, "sh", ...words]),
  options: { keepOnFailure: true },
  ...more
})

describe("EgressProof, a guest that does not behave", () => {
  for (const [what, script] of [
    ["closes its input and goes", "exec <&-"],
    ["says that it is done and nothing else", "cat >/dev/null; echo end"],
    ["writes without an end", "exec yes '1 1 no refused'"],
    ["writes a gigabyte in one line", "exec head -c 1000000000 /dev/zero"],
    ["writes a gigabyte of errors", "exec head -c 1000000000 /dev/zero >&2"],
    ["ends its own probes", 'sleep 0.05 | kill -9 $$; exec "$@"'],
    ["answers for probes that are not there", "echo tool perl; seq -f '%g 1 no refused' 500 999; echo nothing"]
  ] as const) {
    launches(`refuses one that ${what}, and keeps nothing of it`, behaving(script), isUnproven("no-answer"))
  }

  launches(
    "refuses one that says that it has tried and nothing else",
    behaving("echo tool perl; echo end"),
    isUnproven("untested")
  )

  launches(
    "does not take one that has answered for one without a shell",
    behaving("echo tool perl; echo perl: not found >&2; exit 127", { options: { unprovenEgress: true } }),
    isUnproven("no-answer")
  )

  launches(
    "gives up on one that hangs, and keeps nothing of it",
    behaving("trap '' TERM HUP; sleep 1000 & wait; sleep 1000", { isHurried: true }),
    isUnproven("timed-out")
  )

  launches(
    "keeps nothing of one that leaks, and hangs then",
    // Without a relay, whose failure would be kept.
    behaving('"$@"; sleep 1000', {
      leak: "policy-dropped",
      isHurried: true,
      options: { bundle: "none", keepOnFailure: true }
    }),
    isOpen("host-loopback-tcp")
  )

  launches("hands over one that behaves, in the same words", behaving('exec "$@"'), isProven)
})

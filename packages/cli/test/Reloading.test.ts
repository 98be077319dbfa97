import * as Reloading from "@bottle/cli/Reloading"
import { ReloadRequests } from "@bottle/cli/ReloadRequests"
import type { RunRequest } from "@bottle/cli/RunRequest"
import { empty, fromDocument, type Policy, toDocument } from "@bottle/egress/Policy"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Settings from "@bottle/engine/Settings"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Queue from "effect/Queue"
import * as Fs from "node:fs"

const request = (policyFile: string | null, over: Partial<RunRequest> = {}): RunRequest => ({
  options: { source: { _tag: "Bare" }, allow: ["flag.example"], deny: ["bad.example"] },
  beginning: { settings: Settings.empty, bottle: null, agent: null, file: null },
  input: null,
  isConversation: false,
  workspace: null,
  policyFile,
  container: { program: "docker", image: null, base: null },
  command: ["true"],
  secrets: new Map(),
  timeoutMillis: undefined,
  interactive: false,
  tty: "auto",
  runtime: null,
  format: "text",
  report: null,
  trace: null,
  quiet: false,
  ...over
})

const byHand = { allow: ["hand.example:443"] }

/** Asks for a reload, and gives what was said, once something was, and the policies that were put in force. */
const reload = (of: RunRequest, times = 1) =>
  Effect.scoped(
    Effect.gen(function* () {
      const requests = yield* Queue.unbounded<void>()
      const said = yield* Queue.unbounded<string>()
      const policies: Array<Policy> = []
      const recorded: Array<unknown> = []
      const kept: Array<boolean | undefined> = []
      yield* Reloading.follow({
        bottle: {
          reload: (policy, options) =>
            Effect.sync(() => {
              policies.push(policy)
              kept.push(options?.keepAllowed)
            }),
          // What is in force is more than what was read: what was allowed by hand is in it too.
          policy: Effect.sync(() => Either.getOrThrow(fromDocument(toDocument(policies.at(-1) ?? empty), byHand)))
        },
        record: { reloaded: (egress) => Effect.sync(() => void recorded.push(egress)) },
        request: of,
        say: (line) => Queue.offer(said, line)
      }).pipe(Effect.provideService(ReloadRequests, { next: Queue.take(requests) }))
      const lines: Array<string> = []
      for (let time = 0; time < times; time++) {
        yield* Queue.offer(requests, undefined)
        lines.push(yield* Queue.take(said))
      }
      return { kept, lines, policies, recorded }
    })
  ).pipe(Effect.provide(NodeFileSystem.layer))

describe("Reloading.follow", () => {
  it.live("puts the file's policy in force together with the flags, and writes it down", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/policy.json`
        Fs.writeFileSync(file, `{"allow": ["file.example"]}`)
        const { kept, lines, policies, recorded } = yield* reload(request(file), 2)
        assert.deepStrictEqual(lines, ["bottle: the policy was reloaded", "bottle: the policy was reloaded"])
        assert.deepStrictEqual(
          policies.map(({ allow, deny }) => [...allow, ...deny].map((rule) => rule.text)),
          Array.from({ length: 2 }, () => ["file.example", "flag.example", "bad.example"])
        )
        assert.deepStrictEqual(kept, [true, true])
        assert.deepInclude(recorded[0], {
          allow: ["file.example", "flag.example", "hand.example:443"],
          deny: ["bad.example"]
        })
      })
    )
  )

  it.live("says why the policy before stays", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/policy.json`
        Fs.writeFileSync(file, `{"alow": []}`)
        const { lines, policies } = yield* reload(request(file, { quiet: true }))
        assert.match(lines[0] ?? "", /^bottle: not reloaded, the policy before stays: --policy .*alow.*\ntry: .+/)
        assert.deepStrictEqual(policies, [])
        const none = yield* reload(request(null))
        assert.match(none.lines[0] ?? "", /the policy before stays: this bottle has no --policy FILE/)
      })
    )
  )

  it.live("says the same to programs, on one line", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/policy.json`
        Fs.writeFileSync(file, `{}`)
        const good = yield* reload(request(file, { format: "json" }))
        assert.deepStrictEqual(JSON.parse(good.lines[0] ?? ""), {
          version: 1,
          reload: { ok: true, file, message: null, suggestion: null }
        })
        Fs.rmSync(file)
        const bad = yield* reload(request(file, { format: "json" }))
        const { reload: said } = JSON.parse(bad.lines[0] ?? "")
        assert.isFalse(said.ok)
        assert.include(said.message, "there is no such file")
      })
    )
  )
})

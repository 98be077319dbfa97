/** Every public JSON document: a sample of each, as the program encodes it, and what its schema says it can have. */
import { ApplyDocument } from "@bottle/cli/commands/Apply"
import { CleanupDocument } from "@bottle/cli/commands/Cleanup"
import { CommitDocument } from "@bottle/cli/commands/Commit"
import { ConfigDocument } from "@bottle/cli/commands/Config"
import { CpDocument } from "@bottle/cli/commands/Cp"
import { Diagnosis } from "@bottle/cli/Diagnosis"
import { DiffDocument } from "@bottle/cli/commands/Diff"
import { DownDocument } from "@bottle/cli/commands/Down"
import { InitDocument } from "@bottle/cli/commands/Init"
import { InspectDocument } from "@bottle/cli/commands/Inspect"
import { ListDocument } from "@bottle/cli/commands/Ls"
import { PruneDocument } from "@bottle/cli/commands/Prune"
import { UpDocument } from "@bottle/cli/commands/Up"
import { LIBRARIES, VersionDocument } from "@bottle/cli/commands/Versions"
import { WaitDocument } from "@bottle/cli/commands/Wait"
import * as Documents from "@bottle/cli/Documents"
import * as Failure from "@bottle/cli/Failure"
import { LogLine } from "@bottle/cli/LogLine"
import { Notice } from "@bottle/cli/Notice"
import * as PolicyAnswer from "@bottle/cli/PolicyAnswer"
import { Report } from "@bottle/cli/Report"
import { UsageError } from "@bottle/cli/UsageError"
import { Decision, WatchLine } from "@bottle/cli/WatchLines"
import { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Explanation from "@bottle/egress/Explanation"
import * as Policy from "@bottle/egress/Policy"
import { PolicyDocument } from "@bottle/egress/PolicyDocument"
import * as BottleId from "@bottle/engine/BottleId"
import { Directories } from "@bottle/engine/Directories"
import * as LaunchPlan from "@bottle/engine/LaunchPlan"
import { Manifest } from "@bottle/engine/Manifest"
import { ProofRecord } from "@bottle/engine/ProofRecord"
import { BundleLine, Cut, LaunchLine, Lost } from "@bottle/engine/RecordLine"
import * as Capabilities from "@bottle/smolvm/Capabilities"
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import { places, problems, undescribed } from "./fixtures/jsonSchema.js"

/** What the program writes for a value that was read back from what it writes. */
const sample = <A, I>(schema: Schema.Schema<A, I>, value: NoInfer<I>): I =>
  Schema.encodeSync(schema)(Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(value))

const time = "2026-01-02T03:04:05.678Z"

const id = "demo-abc12"

const planOf = (options: Partial<LaunchPlan.PlanInput["options"]>): typeof LaunchPlan.LaunchPlan.Encoded =>
  LaunchPlan.make({
    id: BottleId.fromParts("demo", "abc12"),
    options: { source: { _tag: "Bare" }, ...options },
    capabilities: Capabilities.fromVersion("1.9.3"),
    program: "smolvm",
    settings: {
      directories: new Directories({ cache: "/c/bottle", state: "/s/bottle", run: "/r/bottle" }),
      runtime: "smolvm",
      arch: "x64",
      superuser: false,
      container: {
        program: "docker",
        image: "bottle-bundle:abc",
        build: { dockerfile: "/b/Dockerfile", program: "/b/bottle-bundle.mjs", base: "node:22-slim" }
      }
    }
  }).pipe(
    Either.getOrThrowWith((error) => error),
    Schema.encodeSync(LaunchPlan.LaunchPlan)
  )

const policy: typeof PolicyDocument.Encoded = {
  allow: ["api.example.com", { host: "mirror.example", methods: ["GET"], paths: ["/debian/*"] }],
  deny: [{ cidr: "10.0.0.0/8" }],
  resolve: { "api.example.com": "127.0.0.1" }
}

const plan = planOf({
  source: { _tag: "Image", reference: "registry.example/library/alpine:3.20" },
  policy,
  env: [["A", "1"]],
  secrets: ["TOKEN"],
  mounts: [{ host: "/home/me/project", guest: "/workspace", readonly: false }],
  workdir: "/workspace",
  cpus: 2,
  memMib: 512,
  keepOnFailure: true
})

const bare = planOf({})

const contained = planOf({ allow: ["example.com"], bundle: "container", topology: "address" })

const event: typeof EgressEvent.Encoded = {
  sequence: 7,
  request: 3,
  phase: "decision",
  time,
  method: "CONNECT",
  host: "example.com",
  port: 443,
  address: null,
  rule: null,
  verdict: "deny",
  reason: "no-rule",
  detail: "no rule allows example.com",
  bytesUp: 0,
  bytesDown: 0,
  durationMillis: 1
}

const proof: typeof ProofRecord.Encoded = {
  version: 1,
  outcome: "proven",
  reason: null,
  tool: "bash",
  durationMillis: 312,
  lastEvent: 4,
  probes: [
    {
      name: "host-loopback-tcp",
      target: "tcp 127.0.0.1:40123",
      expectation: "refused",
      observation: "refused",
      verdict: "held",
      durationMillis: 3
    }
  ]
}

const left = { resource: "the container bottle-demo-abc12", reason: "docker does not answer", suggestion: "docker rm" }

const failure = Failure.fromError(new UsageError({ problem: "--cpus: not a number", advice: "--cpus 2" }))

const encodedFailure = Schema.encodeSync(Failure.Failure)(failure)

const change: Omit<(typeof DiffDocument.Encoded)["changes"][number], "added" | "removed" | "patch"> = {
  path: "src/a.ts",
  kind: "modified",
  before: { kind: "file", mode: 0o644, size: 10, target: null },
  after: { kind: "file", mode: 0o755, size: 5, target: null },
  here: "as-before",
  refused: null,
  guarded: null,
  acting: "it can be run"
}

const row: (typeof ListDocument.Encoded)["bottles"][number] = {
  id,
  name: "demo",
  state: "up",
  owner: { kind: "keeper", pid: 4242, liveness: "alive" },
  machine: { name: `bottle-${id}`, state: "running" },
  runtime: { kind: "local", program: "smolvm-local", version: "1.9.3" },
  rules: 2,
  credentials: ["anthropic"],
  since: time,
  ageMillis: 61_000,
  ttlMillis: 3_600_000,
  ttlLeftMillis: 3_539_000,
  idleMillis: null,
  idleLeftMillis: null,
  sessions: 1,
  command: ["sleep", "1000"],
  exit: null,
  silence: null,
  failures: []
}

const launchLines: ReadonlyArray<typeof LaunchLine.Encoded> = [
  { _tag: "StageStarted", time, stage: "create" },
  { _tag: "StageEnded", time, stage: "create", durationMillis: 12, ok: true },
  { _tag: "ReleaseSlow", time, resource: "the machine" },
  { _tag: "ReleaseFailed", time, ...left },
  { _tag: "Kept", time, machine: `bottle-${id}` },
  { _tag: "Reloaded", time, egress: policy },
  { _tag: "Closing", time, reason: "asked" },
  { _tag: "Recovered", time, failures: 1 },
  { _tag: "Ended", time, code: 0, origin: "guest", timedOut: false, error: null }
]

const bundleLine: typeof BundleLine.Encoded = { time, daemon: "egress", text: "listening" }

const ofPolicy = Either.getOrThrowWith(Policy.fromDocument(policy), (error) => error)

const explanations = [
  { host: "api.example.com", port: 443 },
  { host: "mirror.example", port: 80, method: "GET", path: "/debian/dists/" },
  { host: "elsewhere.example", port: 443 }
].map(({ host, method, path, port }) => Explanation.explain(ofPolicy, { host, port, method, path }))

const samples: Readonly<Record<Documents.Name, ReadonlyArray<unknown>>> = {
  manifest: [
    sample(Manifest, {
      version: 1,
      bottle: "tools",
      bottles: {
        tools: {
          image: "alpine:3.20",
          isolation: "any",
          limits: { cpus: 2, mem: "512M" },
          env: { LANG: "C", TOKEN: { from: "MY_TOKEN" } },
          mounts: [{ host: "/data", guest: "/data", readonly: true }],
          policy: { allow: ["example.com"] },
          ttl: "2h"
        }
      },
      agents: { mine: { extends: "claude", bottle: "tools", prompt: { flag: "-p" }, workspace: "copy" } }
    })
  ],
  policy: [sample(PolicyDocument, policy)],
  plan: [plan, contained],
  event: [sample(EgressEvent, event), sample(EgressEvent, { ...event, verdict: "allow", reason: "allowed" })],
  record: [
    bare,
    sample(ProofRecord, proof),
    sample(EgressEvent, event),
    ...launchLines.map((line) => sample(LaunchLine, line)),
    sample(BundleLine, bundleLine),
    sample(Cut, { cut: true, capBytes: 1024 }),
    sample(Lost, { lost: 3 })
  ],
  error: [JSON.parse(Failure.toJson(failure))],
  report: [
    sample(Report, {
      version: 1,
      startedAt: time,
      durationMillis: 1234,
      record: `/s/bottle/records/${id}`,
      plan: bare,
      proof,
      stages: [{ stage: "create", durationMillis: 12, ok: true }],
      exit: { code: 2, origin: "engine", timedOut: false },
      failure: encodedFailure,
      denials: [event],
      denialsDropped: 0,
      releaseFailures: [left],
      kept: [`bottle-${id}`]
    })
  ],
  notice: [
    sample(Notice, { version: 1, releaseFailure: left }),
    sample(Notice, { version: 1, recordFailure: { message: "the record is not complete", suggestion: "look" } }),
    sample(Notice, { version: 1, reload: { ok: true, file: "/p/agent.json", message: null, suggestion: null } })
  ],
  up: [sample(UpDocument, { version: 1, bottle: { id, name: "demo", pid: 4242, proof: "proven", record: null } })],
  cp: [
    sample(CpDocument, {
      version: 1,
      copied: {
        bottle: id,
        direction: "out",
        kind: "directory",
        host: "/home/me/out",
        guest: "/data/out",
        files: 2,
        directories: 1,
        links: 0,
        bytes: 4096,
        leftOut: [{ path: "link", reason: "it leads out of the copy" }],
        words: null
      }
    })
  ],
  logs: [
    ...launchLines.map((line) => sample(LogLine, { source: "launch", ...line })),
    sample(LogLine, { source: "bundle", ...bundleLine }),
    sample(LogLine, { source: "decisions", ...event }),
    sample(LogLine, { source: "output", time: null, text: "hello" }),
    sample(LogLine, { source: "decisions", cut: true, capBytes: 1024 }),
    sample(LogLine, { source: "launch", unreadable: true })
  ],
  ls: [sample(ListDocument, { version: 1, bottles: [row] })],
  inspect: [
    sample(InspectDocument, {
      version: 1,
      bottle: {
        ...row,
        main: { command: ["sleep", "1000"], interactive: false, exitCode: null },
        ledger: `/s/bottle/bottles/${id}`,
        record: `/s/bottle/records/${id}`,
        plan: bare,
        proof,
        unreadable: [{ document: "plan.json", reason: "it is no JSON" }],
        damaged: 0
      }
    })
  ],
  down: [
    sample(DownDocument, {
      version: 1,
      bottles: [
        { bottle: "demo", id, down: true, how: "owner", failures: [left], failure: null },
        { bottle: "gone", id: null, down: false, how: null, failures: [], failure: encodedFailure }
      ]
    })
  ],
  wait: [sample(WaitDocument, { version: 1, bottle: { id, code: 3, origin: "guest", error: null, failures: [left] } })],
  commit: [sample(CommitDocument, { version: 1, commit: { id, output: "/p/a.smolmachine", outcome: "proven" } })],
  prune: [
    sample(PruneDocument, {
      version: 1,
      dryRun: true,
      items: [
        {
          kind: "pack",
          name: "a.smolmachine",
          path: "/c/bottle/packs/a.smolmachine",
          bytes: 1024,
          unusedMillis: 86_400_000,
          why: "it was not used for 30 days",
          note: null,
          outcome: "found",
          reason: null,
          suggestion: null
        }
      ],
      freedBytes: 1024,
      stayingBytes: 0
    })
  ],
  cleanup: [
    sample(CleanupDocument, {
      version: 1,
      dryRun: false,
      leftovers: [
        {
          kind: "machine",
          name: `bottle-${id}`,
          bottle: id,
          why: "its owner is dead",
          removable: true,
          outcome: "removed",
          reason: null,
          suggestion: null
        }
      ],
      unanswered: [{ asked: "docker", reason: "it does not run", suggestion: "start it", absent: true }]
    })
  ],
  doctor: [
    sample(Diagnosis, {
      version: 1,
      ok: true,
      isolation: "namespaces",
      runtime: { kind: "local", program: "smolvm-local", version: "1.9.3", isolation: "namespaces" },
      checks: [{ id: "node", group: "host", name: "Node", verdict: "ok", detail: "22.1.0", fix: null }]
    })
  ],
  diff: [
    sample(DiffDocument, {
      version: 1,
      id,
      source: "/home/me/project",
      tree: `/s/bottle/workspaces/${id}/tree`,
      up: false,
      changes: [{ ...change, added: 1, removed: 2, patch: "-old\n+new" }]
    })
  ],
  apply: [
    sample(ApplyDocument, {
      version: 1,
      id,
      source: "/home/me/project",
      dryRun: false,
      discarded: false,
      changes: [{ path: "src/a.ts", kind: "modified", acting: null, outcome: "taken", reason: null }],
      removed: true
    })
  ],
  init: [sample(InitDocument, { version: 1, init: { manifest: "/c/bottle/bottle.json", next: "bottle config" } })],
  config: [
    sample(ConfigDocument, {
      version: 1,
      config: {
        manifest: "/c/bottle/bottle.json",
        bottle: "tools",
        agent: null,
        settings: [{ key: "limits.cpus", value: 2, origin: { kind: "bottle", name: "tools" } }]
      }
    })
  ],
  "policy-watch": [
    sample(WatchLine, {
      version: 1,
      refusal: {
        time,
        host: "example.com",
        port: 443,
        method: "CONNECT",
        reason: "no-rule",
        why: "no rule allows it",
        allow: "example.com",
        advice: null,
        warnings: [],
        count: 1
      }
    }),
    sample(WatchLine, { version: 1, allowed: { allow: "example.com", for: "good", file: "/p/agent.json" } }),
    sample(WatchLine, {
      version: 1,
      notAllowed: { allow: null, error: "NotRead", message: "it is no JSON", suggestion: null }
    }),
    sample(WatchLine, { version: 1, ended: { id, reason: "asked", message: "it was told to", untold: 0 } })
  ],
  "policy-decision": [sample(Decision, { allow: "example.com", for: "bottle" })],
  "policy-check": [
    JSON.parse(
      PolicyAnswer.checkToJson({
        version: 1,
        file: "agent.json",
        policy: Policy.toDocument(ofPolicy),
        warnings: [{ place: "allow[0]", message: "another rule has it already" }]
      })
    )
  ],
  "policy-explain": explanations.map((explanation) =>
    JSON.parse(PolicyAnswer.explainToJson({ version: 1, file: "agent.json", explanation }))
  ),
  version: [
    sample(VersionDocument, {
      version: 1,
      bottle: "0.1.0",
      node: "22.1.0",
      platform: "linux",
      arch: "x64",
      libraries: { effect: "3.0.0" },
      smolvm: { newest: "1.9.3", lines: ["1.5.2", "1.9.3"] },
      runtime: { kind: "smolvm", program: "smolvm", version: null, line: null }
    })
  ]
}

const Any = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const WithDefinitions = Schema.Struct({ definitions: Schema.optional(Any) })

const definitionsOf = (schema: unknown): ReadonlyArray<readonly [name: string, definition: string]> => {
  const { definitions } = Schema.decodeUnknownSync(WithDefinitions)(schema)
  return Object.entries(definitions ?? {}).map(([name, definition]) => [name, JSON.stringify(definition)])
}

/** What a record is made of, which stands in other documents too. */
const recorded: ReadonlyMap<string, string> = new Map(definitionsOf(JSON.parse(Documents.toText("record"))))

/** The fields of a schema; of what stands in a record too only where that is shown, once. */
const placesOf = (name: Documents.Name, schema: unknown): ReadonlyArray<string> => {
  const definitions = definitionsOf(schema)
  const isShown = (line: string) =>
    name === "record" ||
    !definitions.some(
      ([definition, text]) =>
        recorded.get(definition) === text && (line.startsWith(`#${definition}:`) || line.startsWith(`#${definition}.`))
    )
  return places(schema).filter(isShown)
}

const page = (name: string): unknown =>
  JSON.parse(Fs.readFileSync(new URL(`../../../docs/reference/${name}.schema.json`, import.meta.url), "utf8"))

describe("every document", () => {
  for (const name of Documents.names) {
    const schema: unknown = JSON.parse(Documents.toText(name))

    it(`${name}: what the program writes is as it was`, () => {
      expect(samples[name]).toMatchSnapshot()
    })

    it(`${name}: what it writes is what its schema says, to the last field`, () => {
      expect(samples[name].flatMap((one) => problems(schema, one, { closed: true }))).toEqual([])
    })

    it(`${name}: its schema names a draft and a title, describes every field, and has the fields that it had`, () => {
      expect(schema).toMatchObject({ $schema: "http://json-schema.org/draft-07/schema#", title: expect.any(String) })
      expect(schema).toHaveProperty("description")
      expect(undescribed(schema)).toEqual([])
      expect(placesOf(name, schema)).toMatchSnapshot()
    })

    // Written by: for NAME in ...; do bottle schema NAME > docs/reference/NAME.schema.json; done
    it(`${name}: docs/reference has what bottle schema prints`, () => {
      expect(page(name)).toEqual(schema)
    })
  }

  it("is refused where it has less, other or more than its schema says", () => {
    const schema: unknown = JSON.parse(Documents.toText("ls"))
    const { failures: _, ...less } = row
    expect(problems(schema, { version: 1, bottles: [row] }, { closed: true })).toEqual([])
    expect(problems(schema, { version: 1, bottles: [less] })).toEqual(["$.bottles[0]: has no failures"])
    expect(problems(schema, { version: 2, bottles: [] })).toEqual(["$.version: is none of [1]"])
    expect(problems(schema, { version: 1, bottles: [{ ...row, id: 3 }] })).toEqual(["$.bottles[0].id: is not string"])
    expect(problems(schema, { version: 1, bottles: [{ ...row, new: 1 }] })).toEqual([])
    expect(problems(schema, { version: 1, bottles: [{ ...row, new: 1 }] }, { closed: true })).toEqual([
      "$.bottles[0]: says nothing of new"
    ])
    expect(problems({ type: "object", unheard: true }, {})).toEqual(["$: cannot be checked: unheard"])
  })
})

it("says which libraries it is bundled with, as the workspace has them", () => {
  const workspace = Fs.readFileSync(new URL("../../../pnpm-workspace.yaml", import.meta.url), "utf8")
  for (const [name, version] of Object.entries(LIBRARIES)) {
    const quoted = name.startsWith("@") ? `"${name}"` : name
    expect(workspace).toContain(`\n  ${quoted}: ${version}\n`)
  }
})

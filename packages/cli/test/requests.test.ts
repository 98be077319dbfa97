import * as Commands from "@bottle/cli/Commands"
import type { Surroundings } from "@bottle/cli/FlagValues"
import * as BottleRequest from "@bottle/cli/requests/BottleRequest"
import * as CleanupRequest from "@bottle/cli/requests/CleanupRequest"
import * as CommitRequest from "@bottle/cli/requests/CommitRequest"
import * as CpRequest from "@bottle/cli/requests/CpRequest"
import * as DownRequest from "@bottle/cli/requests/DownRequest"
import * as ExecRequest from "@bottle/cli/requests/ExecRequest"
import * as ListRequest from "@bottle/cli/requests/ListRequest"
import * as LogsRequest from "@bottle/cli/requests/LogsRequest"
import * as PruneRequest from "@bottle/cli/requests/PruneRequest"
import * as UpRequest from "@bottle/cli/requests/UpRequest"
import * as Tail from "@bottle/cli/Tail"
import type { UsageError } from "@bottle/cli/UsageError"
import * as Words from "@bottle/cli/Words"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"

const surroundings: Surroundings = { cwd: "/home/me", environment: { TOKEN: "s3cret" } }

const requestOf = (parsed: Commands.Parsed, tail: ReadonlyArray<string> | null): Either.Either<unknown, UsageError> => {
  switch (parsed._tag) {
    case "Up":
      return UpRequest.make(parsed.flags, tail, surroundings)
    case "Exec":
      return ExecRequest.make(parsed.flags, tail ?? [], surroundings)
    case "Shell":
      return ExecRequest.makeShell(parsed.flags, surroundings)
    case "Attach":
      return BottleRequest.makeAttach(parsed.flags)
    case "Cp":
      return CpRequest.make(parsed.flags, surroundings)
    case "Logs":
      return LogsRequest.make(parsed.flags)
    case "Ls":
      return Either.right(ListRequest.make(parsed.flags))
    case "Inspect":
      return BottleRequest.makeInspect(parsed.flags)
    case "Down":
      return DownRequest.make(parsed.flags)
    case "Wait":
      return BottleRequest.makeWait(parsed.flags)
    case "Commit":
      return CommitRequest.make(parsed.flags, surroundings)
    case "Prune":
      return PruneRequest.make(parsed.flags)
    case "Cleanup":
      return Either.right(CleanupRequest.make(parsed.flags))
    default:
      throw new Error(`${parsed._tag} is another test's`)
  }
}

/** What a whole line asks for. */
const parse = (argv: ReadonlyArray<string>): Effect.Effect<unknown, UsageError> =>
  Effect.gen(function* () {
    const { tail, words } = Tail.split(argv)
    const reading = yield* Words.read(words, tail)
    if (reading._tag !== "Command") return yield* Effect.dieMessage("not a command")
    return yield* requestOf(yield* Commands.parse(reading), tail)
  }).pipe(Effect.provide(FileSystem.layerNoop({})))

const exec = {
  bottle: "a",
  env: [],
  secrets: new Map(),
  workdir: undefined,
  format: "text",
  command: ["ls", "--", "-l"],
  timeoutMillis: undefined,
  interactive: false,
  tty: "auto"
}

const prune = {
  olderMillis: null,
  maxSizeBytes: null,
  packs: true,
  records: true,
  workspaces: true,
  dryRun: false,
  format: "text"
}

const accepted: ReadonlyArray<readonly [line: string, request: unknown]> = [
  ["exec a -- ls -- -l", exec],
  [
    "exec a-b- -e A=1 -w /x --timeout 1m -i --no-tty --format json -- ls -- -l",
    {
      ...exec,
      bottle: "a-b-",
      env: [["A", "1"]],
      workdir: "/x",
      format: "json",
      timeoutMillis: 60_000,
      interactive: true,
      tty: "never"
    }
  ],
  ["shell a -e A=1", { bottle: "a", env: [["A", "1"]], secrets: new Map(), workdir: undefined, format: "text" }],
  ["attach a -i", { bottle: "a", format: "text", interactive: true }],
  ["attach a", { bottle: "a", format: "text", interactive: false }],
  ["inspect agent-1a2b3 --format json", { bottle: "agent-1a2b3", format: "json" }],
  ["wait a", { bottle: "a", format: "text", timeoutMillis: undefined }],
  ["wait a --timeout 2h", { bottle: "a", format: "text", timeoutMillis: 7_200_000 }],
  ["down b a b", { bottles: ["b", "a"], all: false, format: "text" }],
  ["down --all --format json", { bottles: [], all: true, format: "json" }],
  ["ls", { all: false, idsOnly: false, format: "text" }],
  ["ls -a -q", { all: true, idsOnly: true, format: "text" }],
  ["logs a", { bottle: "a", follow: false, sources: ["launch", "bundle", "decisions"], format: "text" }],
  [
    "logs a -f --only output --only launch",
    { bottle: "a", follow: true, sources: ["launch", "output"], format: "text" }
  ],
  ["commit a -o x.pack", { bottle: "a", output: "/home/me/x.pack", force: false, format: "text" }],
  ["commit a -o /srv/x --force", { bottle: "a", output: "/srv/x", force: true, format: "text" }],
  ["prune", prune],
  ["prune --packs --older 30d", { ...prune, records: false, workspaces: false, olderMillis: 2_592_000_000 }],
  [
    "prune --records --max-size 5G --dry-run",
    { ...prune, packs: false, workspaces: false, maxSizeBytes: 5_368_709_120, dryRun: true }
  ],
  ["prune --packs --records", { ...prune, workspaces: false }],
  ["cleanup", { dryRun: false, all: false, format: "text" }],
  ["cleanup --dry-run --all", { dryRun: true, all: true, format: "text" }],
  ["cp x a:/y", { direction: "in", bottle: "a", host: "/home/me/x", guest: "/y", quiet: false, format: "text" }],
  [
    "cp ./x/ a:y/ -q",
    { direction: "in", bottle: "a", host: "/home/me/./x/", guest: "y/", quiet: true, format: "text" }
  ],
  [
    "cp ./a:/x b:/",
    { direction: "in", bottle: "b", host: "/home/me/./a:/x", guest: "/", quiet: false, format: "text" }
  ],
  ["cp x/. a:", { direction: "in", bottle: "a", host: "/home/me/x/.", guest: ".", quiet: false, format: "text" }],
  [
    "cp a:/y/../z .",
    { direction: "out", bottle: "a", host: "/home/me/.", guest: "/y/../z", quiet: false, format: "text" }
  ],
  [
    "cp a:/y:z /b:c --format json",
    { direction: "out", bottle: "a", host: "/b:c", guest: "/y:z", quiet: false, format: "json" }
  ]
]

const refused: ReadonlyArray<readonly [line: string, refusal: string]> = [
  [
    "exec ../x -- ls",
    '"../x" cannot be a bottle: names are lower-case letters, digits and single dashes | bottle ls lists the bottles'
  ],
  [
    "inspect A",
    '"A" cannot be a bottle: names are lower-case letters, digits and single dashes | bottle ls lists the bottles'
  ],
  [
    "inspect a--b",
    '"a--b" cannot be a bottle: names are lower-case letters, digits and single dashes | bottle ls lists the bottles'
  ],
  [
    "down a .",
    '"." cannot be a bottle: names are lower-case letters, digits and single dashes | bottle ls lists the bottles'
  ],
  ["exec a -w src -- ls", '-w "src" is not an absolute path of the guest | -w /src'],
  ["exec a -t --no-tty -- ls", "-t and --no-tty exclude each other | leave out one of them"],
  ["exec a --timeout 1d -- ls", '--timeout "1d" is not a time with its unit (ms, s, m, h) | --timeout 30s'],
  [
    "exec a -e MISSING -- ls",
    "-e MISSING: your environment has no MISSING | export MISSING first, or -e MISSING=value"
  ],
  [
    "shell a -e 9x=s3cret",
    "-e: a variable's name is letters, digits and _, not beginning with a digit | -e NAME=value"
  ],
  ["wait a --timeout 5", '--timeout "5" is not a time with its unit (ms, s, m, h) | --timeout 30s'],
  [
    "up --name My_Agent",
    '--name "My_Agent" is not made of at most 40 lower-case letters, digits and single dashes | --name my-agent'
  ],
  ["up --ttl 2", '--ttl "2" is not a time with its unit (ms, s, m, h, d) of no more than 24 days | --ttl 2h'],
  ["up --ttl 25d", '--ttl "25d" is not a time with its unit (ms, s, m, h, d) of no more than 24 days | --ttl 2h'],
  ["up --idle 0s", '--idle "0s" is not a time with its unit (ms, s, m, h, d) of no more than 24 days | --idle 30m'],
  ["up --mem 1T", '--mem "1T" is not an amount of memory in MiB, or with M or G | --mem 2G'],
  ["commit a -o out/", '-o "out/" is a directory, and a pack is one file | -o a.smolmachine'],
  ["commit a -o ..", '-o ".." is a directory, and a pack is one file | -o a.smolmachine'],
  ["prune --older 30", '--older "30" is not an age with its unit (m, h, d, w) | --older 30d'],
  ["prune --max-size 5GB", '--max-size "5GB" is not a size with its unit (K, M, G, T) | --max-size 5G'],
  ["cp x y", "neither side is in a bottle | bottle cp FILE NAME:/path, or bottle cp NAME:/path FILE"],
  ["cp a:/x b:/y", "both sides are in a bottle | bottle cp NAME:/path FILE first, then bottle cp FILE NAME:/path"],
  [
    "cp a:/x -",
    "cp has no standard input or output to copy from or to | bottle exec NAME -- cat FILE, or bottle exec NAME -- tar -cf - DIRECTORY"
  ],
  [
    "cp x A:/y",
    '"A" cannot be a bottle: names are lower-case letters, digits and single dashes | bottle ls lists the bottles'
  ],
  [
    "cp x :/y",
    '"" cannot be a bottle: names are lower-case letters, digits and single dashes | bottle ls lists the bottles'
  ]
]

describe("requests", () => {
  for (const [line, expected] of accepted) {
    it.effect(`understands ${line}`, () =>
      Effect.map(parse(line.split(" ")), (request) => assert.deepStrictEqual(request, expected))
    )
  }

  for (const [line, expected] of refused) {
    it.effect(`refuses ${line}`, () =>
      Effect.map(Effect.flip(parse(line.split(" "))), (error) =>
        assert.strictEqual(`${error.message} | ${error.suggestion}`, expected)
      )
    )
  }

  it.effect("understands up with the flags of a launch", () =>
    Effect.gen(function* () {
      const line =
        "up --name agent --ttl 7d --idle 30m --allow a.example -e TOKEN -v x:/x -q --keep-on-failure -- sh -c x"
      const request = (yield* parse(line.split(" "))) as UpRequest.UpRequest
      assert.strictEqual(request.name, "agent")
      assert.strictEqual(request.ttlMillis, 604_800_000)
      assert.strictEqual(request.idleMillis, 1_800_000)
      assert.strictEqual(request.launch.options.name, "agent")
      assert.deepStrictEqual(request.launch.options.allow, ["a.example"])
      assert.deepStrictEqual(request.launch.options.mounts, [{ host: "/home/me/x", guest: "/x", readonly: false }])
      assert.isTrue(request.launch.options.keepOnFailure)
      assert.isTrue(request.launch.quiet)
      assert.deepStrictEqual(request.launch.command, ["sh", "-c", "x"])
      const bare = (yield* parse(["up"])) as UpRequest.UpRequest
      assert.deepStrictEqual([bare.name, bare.ttlMillis, bare.idleMillis, bare.launch.command], [null, null, null, []])
    })
  )

  it.effect("keeps the value of a secret out of everything that can be printed", () =>
    Effect.gen(function* () {
      const request = (yield* parse("exec a -e TOKEN -- true".split(" "))) as ExecRequest.ExecRequest
      assert.strictEqual(Redacted.value(request.secrets.get("TOKEN") ?? Redacted.make("")), "s3cret")
      assert.notInclude(JSON.stringify({ ...request, secrets: [...request.secrets] }), "s3cret")
    })
  )
})

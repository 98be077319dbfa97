import * as Grammar from "@bottle/smolvm/Grammar"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { machine, run, runWords, type Said, started } from "./support/fake.js"

interface Contract {
  readonly dialects: Record<string, { readonly postParseRules: ReadonlyArray<{ readonly rule: string }> }>
}

const contract: Contract = JSON.parse(
  readFileSync(new URL("../../smolvm/src/grammar/contract.json", import.meta.url), "utf8")
)

const files = { "/data/": "", "/data/file": "x", "/etc/passwd": "", "/p.smolmachine": FakeSmolvm.packFile() }

const fake = (line: Grammar.Line) =>
  Effect.provide(FakeSmolvm.layer({ line, files: { ...files, "/rootfs/bin/sh": "" } }))

/** Names became flags at 1.0.2. */
const isPositional = (line: Grammar.Line) => line < "1.0.4"

const named = (line: Grammar.Line, command: string, name: string, rest = "") =>
  `machine ${command}${rest === "" ? "" : ` ${rest}`} ${isPositional(line) ? name : `--name ${name}`}`

const isRefused = (said: Said, code = 1) => {
  assert.strictEqual(said.code, code, said.stdout)
  assert.match(
    said.stderr,
    code === 2 ? /^error: / : /^Error: (?:config|mount|agent) operation failed: |^Error: invalid /m
  )
}

const isTaken = (said: Said) => assert.strictEqual(said.code, 0, said.stderr)

type Check = (
  line: Grammar.Line
) => Effect.Effect<unknown, unknown, Effect.Effect.Context<ReturnType<typeof run>> | FakeSmolvm.FakeSmolvm>

/** A create that is refused with these options, and one that is taken. */
const create =
  (refused: ReadonlyArray<string>, taken: ReadonlyArray<string>, code = 1): Check =>
  (line) =>
    Effect.gen(function* () {
      for (const options of refused) isRefused(yield* run(named(line, "create", "box", options)), code)
      assert.deepStrictEqual(yield* Effect.flatMap(FakeSmolvm.FakeSmolvm, ({ machines }) => machines), [])
      for (const [index, options] of taken.entries()) isTaken(yield* run(named(line, "create", `box${index}`, options)))
    })

/** One check for each rule that is applied after parsing, by its own words. */
const checks: Readonly<Record<string, Check>> = {
  "Rejected when there is no COMMAND, no Smolfile entrypoint/cmd, and none of -i/-t/-d.": () =>
    Effect.gen(function* () {
      isRefused(yield* run("machine run"))
      isTaken(yield* run("machine run -- true"))
      isTaken(yield* run("machine run -i"))
      isTaken(yield* run("machine run -d"))
    }),
  'With no image resolved, a first COMMAND word that contains ":" or a non-leading "/" is rejected as a mistaken image reference.':
    () =>
      Effect.gen(function* () {
        isRefused(yield* run("machine run alpine:3.20"))
        isRefused(yield* run("machine run library/alpine"))
        isRefused(yield* run("machine run ./true"))
        isTaken(yield* run("machine run -- /bin/echo a:b"))
        isTaken(yield* run("machine run --image alpine --net -- sh -c :"))
      }),
  '--name without -d is ignored (warning); -d without --name uses the machine called "default".': () =>
    Effect.gen(function* () {
      const ignored = yield* run("machine run --name box -- true")
      isTaken(ignored)
      assert.include(ignored.stderr, "warning: --name is ignored")
      const { machines } = yield* FakeSmolvm.FakeSmolvm
      assert.deepStrictEqual(yield* machines, [])
      isTaken(yield* run("machine run -d"))
      isTaken(yield* run("machine run -d --name box"))
      assert.deepStrictEqual(
        (yield* machines).map(({ name, state }) => `${name} ${state}`),
        ["default running", "box running"]
      )
    }),
  "-p host ports must be unique; 0 is rejected on either side at parse time (exit 2); a single PORT means PORT:PORT.": (
    line
  ) =>
    Effect.gen(function* () {
      yield* create(["-p 80:1 -p 80:2"], [])(line)
      yield* create(["-p 0:1", "-p 1:0", "-p 0"], ["-p 80 -p 81:80"], 2)(line)
      assert.deepStrictEqual((yield* machine("box0")).ports, [
        { host: 80, guest: 80 },
        { host: 81, guest: 80 }
      ])
    }),
  '-v HOST must exist, be a directory and not be a protected system path; GUEST must start with "/". Suffix :ro or :rw, default rw.':
    (line) =>
      Effect.gen(function* () {
        yield* create(
          ["-v /no:/v", "-v /data/file:/v", "-v /etc:/v", "-v /data:v"],
          ["-v /data:/a:ro -v /data:/b:rw"]
        )(line)
        assert.deepStrictEqual((yield* machine("box0")).volumes, [
          { host: "/data", guest: "/a", readonly: true },
          { host: "/data", guest: "/b", readonly: false }
        ])
        isRefused(yield* run("machine run -v /no:/v -- true"))
        isRefused(yield* run(named(line, "update", "box0", "-v /no:/v")))
        isRefused(yield* run("pack run --sidecar /p.smolmachine -v /no:/v -- true"))
        isTaken(yield* run("pack run --sidecar /p.smolmachine -v /data:/v -- true"))
      }),
  "Two -v entries with the same guest target are rejected.": create(["-v /data:/v -v /rootfs:/v"], ["-v /data:/v"]),
  'Name rules: 1-128 chars, ASCII letters/digits/"-"/"_", first char alphanumeric, no trailing "-", no "--".': (line) =>
    Effect.gen(function* () {
      for (const name of ["_a", "a-", "a--b", "a.b", "ä", "a".repeat(129)])
        isRefused(yield* run(named(line, "create", name)))
      for (const name of ["a", "9-_b", "a".repeat(128)]) isTaken(yield* run(named(line, "create", name)))
    }),
  "--allow-host: resolved on the host at parse/run time, failure is an error; host:port forms rejected; bare IP accepted and becomes /32 or /128.":
    create(
      ["--allow-host no.such.invalid", "--allow-host example.org:443"],
      ["--allow-host 10.0.0.1", "--allow-host ::1", "--allow-host example.org"]
    ),
  "--net-backend virtio-net without any network intent (--net, -p, allow flags) is rejected.": (line) =>
    Effect.gen(function* () {
      yield* create(
        ["--net-backend virtio-net"],
        ["--net-backend virtio-net --net", "--net-backend virtio-net -p 80"]
      )(line)
      isRefused(yield* run("pack run --sidecar /p.smolmachine --net-backend virtio-net -- true"))
    }),
  "--net-backend virtio-net together with an allow-cidr/allow-host policy is rejected (policy exists on TSI only).":
    create(
      ["--net-backend virtio-net --allow-cidr 10.0.0.1/32", "--net-backend virtio-net --allow-host 10.0.0.1"],
      ["--net-backend tsi --allow-cidr 10.0.0.1/32"]
    ),
  "DANGER: with --from, --allow-cidr/--allow-host/--outbound-localhost-only parse but are silently discarded. Wrapper must refuse the combination.":
    (line) =>
      Effect.gen(function* () {
        isTaken(yield* run(named(line, "create", "box", "--from /p.smolmachine --net --allow-cidr 10.0.0.1/32")))
        const open = yield* machine("box")
        assert.deepStrictEqual([open.policy, open.network, open.isPolicyHeld], [null, true, false])
        isTaken(yield* run(named(line, "create", "other", "--allow-cidr 10.0.0.1/32")))
        assert.deepStrictEqual((yield* machine("other")).policy?.cidrs, ["10.0.0.1/32"])
      }),
  "With --from: --workdir, --gpu, --gpu-vram, --rosetta are accepted but ignored (artifact manifest wins).": (line) =>
    Effect.gen(function* () {
      isTaken(yield* run(named(line, "create", "box", "--from /p.smolmachine --workdir /w --gpu --gpu-vram 64")))
      const made = yield* machine("box")
      assert.deepStrictEqual([made.workdir, made.gpu, made.gpuVramMib], [null, false, null])
      isTaken(yield* run(named(line, "create", "other", "--workdir /w --gpu --gpu-vram 64")))
      const other = yield* machine("other")
      assert.deepStrictEqual([other.workdir, other.gpu, other.gpuVramMib], ["/w", true, 64])
    }),
  "With --from: a trailing COMMAND is accepted but ignored.": (line) =>
    Effect.gen(function* () {
      const command = isPositional(line) ? "" : " -- echo a"
      isTaken(yield* run(`${named(line, "create", "box", "--from /p.smolmachine")}${command}`))
      assert.deepStrictEqual((yield* machine("box")).cmd, [])
      isTaken(yield* run(`${named(line, "create", "other")}${command}`))
      assert.deepStrictEqual((yield* machine("other")).cmd, ["echo", "a"])
    }),
  'Exactly one side must look like machine:path; SRC is tested first, so any ":" in SRC makes it the remote side.':
    () =>
      Effect.gen(function* () {
        yield* started("box")
        isRefused(yield* run("machine cp /data/file /other"))
        isRefused(yield* run("machine cp box:/a box:/b"))
        // The machine is looked for, since the source has a colon.
        assert.include((yield* run("machine cp /data/a:b box:/b")).stderr, "machine to machine")
        assert.include((yield* run("machine cp /data/a:b /b")).stderr, "vm not found: /data/a")
        isTaken(yield* run("machine cp /data/file box:/a"))
      }),
  "Machine must be stopped or created; disks only grow.": (line) =>
    Effect.gen(function* () {
      yield* started("box")
      isRefused(yield* run(named(line, "update", "box", "--cpus 2")))
      yield* run("machine stop --name box")
      isTaken(yield* run(named(line, "update", "box", "--cpus 2 --storage 40")))
      isRefused(yield* run(named(line, "update", "box", "--storage 30")))
      isRefused(yield* run(named(line, "update", "box", "--overlay 5")))
      assert.deepStrictEqual([(yield* machine("box")).cpus, (yield* machine("box")).storageGib], [2, 40])
    }),
  'Without --force it prompts on stderr and reads stdin; EOF or anything but y/yes prints "Cancelled" and exits 0. Always pass --force.':
    (line) =>
      Effect.gen(function* () {
        yield* started("box")
        for (const answer of ["", "n\n", "yeah\n"]) {
          const asked = yield* run(named(line, "delete", "box"), { stdin: answer })
          assert.deepStrictEqual([asked.code, asked.stdout], [0, "Cancelled\n"])
          assert.include(asked.stderr, "[y/N]")
        }
        // From 0.8.1 it has stopped by then.
        assert.strictEqual((yield* machine("box")).state, line === "0.8.0" ? "running" : "stopped")
        assert.include((yield* run(named(line, "delete", "box"), { stdin: "y\n" })).stdout, "Deleted machine: box")
      }),
  "Explicit zero for cpus/storage/overlay or mem < 64 is rejected (at create from the versions that validate there, otherwise at start).":
    create(["--cpus 0", "--mem 63", "--storage 0", "--overlay 0"], ["--cpus 1 --mem 64 --storage 1 --overlay 1"]),
  "-p together with an explicit --net-backend tsi is rejected (unset backend auto-selects virtio-net).": (line) =>
    Effect.gen(function* () {
      yield* create(["-p 80 --net-backend tsi"], ["-p 80"])(line)
      assert.strictEqual((yield* machine("box0")).netBackend, "virtio-net")
      isRefused(yield* run("pack run --sidecar /p.smolmachine -p 80 --net-backend tsi -- true"))
    }),
  "--secret-env/--secret-file need KEY=VALUE with a non-empty key, unique keys across both flags, and an absolute path for --secret-file.":
    (line) =>
      Effect.gen(function* () {
        yield* create(
          ["--secret-env A", "--secret-env =A", "--secret-env A=B --secret-file A=/data/file", "--secret-file A=file"],
          ["--secret-env A=B --secret-file C=/data/file"]
        )(line)
        isRefused(yield* run("machine run --secret-env A -- true"))
        yield* started("other")
        isRefused(yield* run("machine exec --name other --secret-env A -- true"))
        isTaken(yield* run("machine exec --name other --secret-file A=/data/file -- true"))
      }),
  "An allow-cidr/allow-host/outbound-localhost-only policy with an explicit --net-backend tsi is rejected.": create(
    ["--allow-cidr 10.0.0.1 --net-backend tsi", "--outbound-localhost-only --net-backend tsi"],
    ["--allow-cidr 10.0.0.1"]
  ),
  "--network NAME with an explicit --net-backend tsi is rejected.": create(
    ["--network lan --net-backend tsi"],
    ["--network lan"]
  ),
  '--expose-socket/--mount-socket: guest path absolute, no ";" or "|"; at most 64 sockets; a guest path may be mounted once.':
    create(
      [
        "--mount-socket /a:b",
        "--mount-socket /a:/b;c",
        "--expose-socket /a|b",
        "--mount-socket /a:/b --mount-socket /c:/b",
        Array.from({ length: 65 }, (_, index) => `--mount-socket /a:/${index}`).join(" ")
      ],
      [Array.from({ length: 64 }, (_, index) => `--mount-socket /a:/${index}`).join(" "), "--expose-socket /a:/b"]
    ),
  "A registry image with no network intent is rejected (local archives, rootfs dirs and --from are exempt).": create(
    ["--image alpine"],
    ["--image alpine --net", "--image /rootfs", "--from /p.smolmachine"]
  ),
  "--output must not end in .smolmachine.": () =>
    Effect.gen(function* () {
      isRefused(yield* run("pack create --image alpine -o /out.smolmachine"))
      isTaken(yield* run("pack create --image alpine -o /out"))
    }),
  "count=1: exactly one of --name / --name-prefix. count>1: --name-prefix required, --name/--forkable/--port refused; count<=1024; --hold excludes --forkable.":
    () =>
      Effect.gen(function* () {
        yield* run("machine create --name base")
        yield* run("machine start --name base --forkable")
        const refused = [
          "",
          " --name a --name-prefix b",
          " --count 2",
          " --count 2 --name a",
          " --count 2 --name-prefix a --forkable",
          " --count 2 --name-prefix a -p 80",
          " --count 1025 --name-prefix a",
          " --name a --hold --forkable"
        ]
        for (const options of refused) isRefused(yield* run(`machine fork --golden base${options}`))
        isTaken(yield* run("machine fork --golden base --name one"))
        isTaken(yield* run("machine fork --golden base --name-prefix more --count 2"))
      }),
  "--label needs KEY=VALUE with non-empty key; a repeated key keeps the last value.": (line) =>
    Effect.gen(function* () {
      yield* create(["--label a", "--label =b"], ["--label a=1 --label b=2 --label a=3"])(line)
      assert.deepStrictEqual((yield* machine("box0")).labels, { a: "3", b: "2" })
    }),
  "--mode/--uid/--gid are upload-only; mode is octal <= 7777.": () =>
    Effect.gen(function* () {
      yield* started("box")
      isTaken(yield* run("machine cp --mode 7777 --uid 1 --gid 1 /data/file box:/a"))
      isRefused(yield* run("machine cp --mode 644 box:/a /out"))
      isRefused(yield* run("machine cp --mode 17777 /data/file box:/a"))
      isRefused(yield* run("machine cp --mode rw /data/file box:/a"))
      isTaken(yield* run("machine cp box:/a /out"))
    })
}

describe.each(Grammar.lines)("smolvm %s, after parsing", (line) => {
  for (const { rule } of contract.dialects[line]?.postParseRules ?? []) {
    it.effect(rule, () =>
      Effect.suspend(() => checks[rule]?.(line) ?? Effect.dieMessage("there is no check for this rule")).pipe(
        fake(line)
      )
    )
  }
})

describe("rules of one line", () => {
  it.effect("a pack that brings its network along is enough for virtio-net", () =>
    Effect.gen(function* () {
      isRefused(yield* run("machine create --name box --from /p.smolmachine --net-backend virtio-net"))
      isTaken(yield* run("machine create --name box --from /net.smolmachine --net-backend virtio-net"))
      assert.deepInclude(yield* machine("box"), { network: true, netBackend: "virtio-net" })
    }).pipe(
      Effect.provide(
        FakeSmolvm.layer({ files: { ...files, "/net.smolmachine": FakeSmolvm.packFile({ network: true }) } })
      )
    )
  )

  it.effect("a Smolfile must be there", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run("machine create --name box --smolfile /no")).code, 1)
      isTaken(yield* run("machine create --name box --smolfile /data/file"))
      assert.strictEqual((yield* run("pack create --smolfile /no -o /out")).code, 1)
      isTaken(yield* run("pack create --smolfile /data/file -o /out"))
    }).pipe(Effect.provide(FakeSmolvm.layer({ files })))
  )

  it.effect("1.0.2 and 1.0.3 publish a port on virtio-net only where that is asked for", () =>
    Effect.gen(function* () {
      isRefused(yield* run("machine create --name box -p 80"))
      isTaken(yield* run("machine create --name box -p 80 --net-backend virtio-net"))
    }).pipe(Effect.provide(FakeSmolvm.layer({ version: "1.0.3" })))
  )

  it.effect("1.0.0 takes names as arguments, and commands behind them, as it takes secrets", () =>
    Effect.gen(function* () {
      isTaken(yield* run("machine create --secret-env A=B -e C=D one echo a -e b"))
      const made = yield* machine("one")
      assert.deepStrictEqual(
        [made.cmd, made.secretEnv, made.env],
        [["echo", "a", "-e", "b"], [["A", "B"]], [["C", "D"]]]
      )
      isTaken(yield* run("machine create two -- true"))
      assert.deepStrictEqual((yield* machine("two")).cmd, ["true"])
      isTaken(yield* run("machine create"))
      isRefused(yield* run("machine create --name three"), 2)
      isRefused(yield* run("machine delete -f"), 2)
      isTaken(yield* run("machine rm -f one"))
      isTaken(yield* run("machine start --name two --forkable"))
      isTaken(yield* run("machine fork two clone"))
      assert.strictEqual((yield* machine("clone")).golden, "two")
      isRefused(yield* run("machine fork --golden two --name other"), 2)
      isRefused(yield* run("machine run --from /p.smolmachine -- true"), 2)
      isTaken(yield* run("machine delete -f clone"))
      isTaken(yield* run("machine delete -f two"))
    }).pipe(Effect.provide(FakeSmolvm.layer({ version: "1.0.0", files })))
  )

  it.effect("1.7.1 does not know an option that came with 1.8.0, and knows those before", () =>
    Effect.gen(function* () {
      isRefused(yield* run("machine create --name box --label a=b"), 2)
      isRefused(yield* run("machine egress-events --name box"), 2)
      isTaken(yield* run("machine create --name box --mount-socket /a:/b"))
    }).pipe(Effect.provide(FakeSmolvm.layer({ version: "1.7.1" })))
  )

  it.effect("remote volumes are mounted from 1.9.3 on", () =>
    Effect.gen(function* () {
      isTaken(yield* runWords(["machine", "create", "--name", "box", "-v", "s3://bucket/a:/v"]))
      isTaken(yield* runWords(["machine", "create", "--name", "two", "-v", "remote:a/b:/v:ro"]))
      const fake = yield* FakeSmolvm.FakeSmolvm
      const mounted = (name: string) => Effect.map(fake.machine(name), (it) => it?.volumes)
      assert.deepStrictEqual(yield* mounted("box"), [{ host: "s3://bucket/a", guest: "/v", readonly: false }])
      assert.deepStrictEqual(yield* mounted("two"), [{ host: "remote:a/b", guest: "/v", readonly: true }])
      isRefused(yield* runWords(["machine", "run", "-v", "s3://bucket/a:/v", "--", "true"]))
    }).pipe(Effect.provide(FakeSmolvm.layer({ line: "1.9.3" })))
  )
})

import * as Reap from "@bottle/smolvm/Reap"
import * as Witness from "@bottle/smolvm/Witness"
import * as FakeGuest from "@bottle/testing/FakeGuest"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { machine, run, runWords, started } from "./support/fake.js"

const fake = (options?: FakeSmolvm.Options) => Effect.provide(FakeSmolvm.layer(options))

/** Runs words in the machine `box`, with its input forwarded. */
const inBox = (
  words: ReadonlyArray<string>,
  options: { readonly stdin?: string; readonly env?: ReadonlyArray<string> } = {}
) =>
  runWords(
    ["machine", "exec", "--name", "box", "-i", ...(options.env ?? []).flatMap((pair) => ["-e", pair]), "--", ...words],
    { stdin: options.stdin ?? "" }
  )

const sh = (text: string, ...args: ReadonlyArray<string>) => inBox(["sh", "-c", text, "sh", ...args])

/** What scripts print and exit with. */
const scripts: ReadonlyArray<readonly [script: string, args: ReadonlyArray<string>, stdout: string, code: number]> = [
  ["", [], "", 0],
  [":", [], "", 0],
  ["exit 7", [], "", 7],
  ["exit 300", [], "", 44],
  ["false; exit", [], "", 1],
  ["false; true", [], "", 0],
  ["false", [], "", 1],
  ["! false && echo yes", [], "yes\n", 0],
  ["false || echo no", [], "no\n", 0],
  ["true || echo no", [], "", 0],
  ["false && echo no\necho after", [], "after\n", 0],
  ["echo one; # not this\necho two", [], "one\ntwo\n", 0],
  ["echo a\\ b 'c  d' \"e $1\" $2", ["x y", "p   q"], "a b c  d e x y p q\n", 0],
  ["printf '<%s>' \"$@\"", ["a b", "", "*"], "<a b><><*>", 0],
  ["printf '<%s>' \"$#\" $# ${1}", ["a"], "<1><1><a>", 0],
  ["echo $MISSING end", [], "end\n", 0],
  ['A=1; B="$A 2"; echo "$B"', [], "1 2\n", 0],
  ['A=1 printenv A; echo "[$A]"', [], "1\n[]\n", 0],
  ["export A=2; printenv A", [], "2\n", 0],
  ["cd /tmp; pwd", [], "/tmp\n", 0],
  ['shift; echo "$1"', ["a", "b"], "b\n", 0],
  ['set -- x y; echo "$2"', [], "y\n", 0],
  ["false; echo $?", [], "1\n", 0],
  ["echo text >/f; cat /f; cat </f; rm /f; cat /f 2>/dev/null", [], "text\ntext\n", 1],
  ["echo a >/f; echo b >>/f; cat /f", [], "a\nb\n", 0],
  ["echo hidden >/dev/null; echo shown 2>&1", [], "shown\n", 0],
  ["[ a = a ] && [ a != b ] && [ -n a ] && test -z '' && echo all", [], "all\n", 0],
  ["[ -e /f ] || echo none; echo a >/f; [ -s /f ] && echo some", [], "none\nsome\n", 0],
  ["printf '%s\\n%d%%' a 1", [], "a\n1%", 0],
  ["printf '\\101\\t\\0'", [], "A\t\0", 0],
  ["env -- 2>/dev/null || env A=b printenv A", [], "b\n", 0],
  ["kill -0 $$ && echo here", [], "here\n", 0],
  ["exec echo last; echo never", [], "last\n", 0],
  ["no-such-program 2>/dev/null; echo $?", [], "127\n", 0],
  ["head -c 2 /f 2>/dev/null || echo abc >/f; head -c 2 /f", [], "ab", 0]
]

describe("the standard guest", () => {
  for (const [script, args, stdout, code] of scripts) {
    it.effect(`runs ${JSON.stringify(script)}`, () =>
      Effect.gen(function* () {
        yield* started("box")
        const said = yield* sh(script, ...args)
        assert.deepStrictEqual([said.stdout, said.code], [stdout, code], said.stderr)
      }).pipe(fake())
    )
  }

  it.effect("says of what it does not know that it does not understand it", () =>
    Effect.gen(function* () {
      yield* started("box")
      for (const script of [
        "if true; then :; fi",
        "a | b",
        "a & b",
        "echo `date`",
        "echo $(date)",
        "echo 'open",
        "a >"
      ]) {
        const said = yield* sh(script)
        assert.strictEqual(said.code, 2, script)
        assert.include(said.stderr, "not understood by the fake guest", script)
      }
      assert.strictEqual((yield* sh("echo fine")).code, 0)
    }).pipe(fake())
  )

  it.effect("reads a script from its input, and gives its input to a command", () =>
    Effect.gen(function* () {
      yield* started("box")
      assert.strictEqual((yield* inBox(["sh"], { stdin: "echo a\nexit 3" })).stdout, "a\n")
      assert.strictEqual((yield* inBox(["cat", "-"], { stdin: "é" })).stdout, "é")
      assert.strictEqual((yield* inBox(["sh", "-c", "cat >/f"], { stdin: "kept" })).code, 0)
      assert.strictEqual((yield* inBox(["cat", "/f"])).stdout, "kept")
    }).pipe(fake())
  )

  it.effect("ends by a signal when it is sent one", () =>
    Effect.gen(function* () {
      yield* started("box")
      assert.strictEqual((yield* sh("kill -9 $$; echo never")).code, 137)
      assert.strictEqual((yield* sh("kill $$; echo never")).code, 143)
      assert.strictEqual((yield* sh("kill 999999")).code, 1)
    }).pipe(fake())
  )

  it.effect("sleeps by the fiber's clock", () =>
    Effect.gen(function* () {
      yield* started("box")
      const sleeping = yield* Effect.fork(sh("sleep 60; echo woken"))
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual((yield* Fiber.join(sleeping)).stdout, "woken\n")
    }).pipe(fake())
  )

  it.effect("ends a command in time by timeout", () =>
    Effect.gen(function* () {
      yield* started("box")
      const late = yield* Effect.fork(
        Effect.all([sh("timeout 5 sleep 60"), sh("timeout -s KILL 5 sleep 60")], { concurrency: 2 })
      )
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(
        (yield* Fiber.join(late)).map(({ code }) => code),
        [124, 137]
      )
      assert.strictEqual((yield* sh("timeout 5 sh -c 'exit 4'")).code, 4)
    }).pipe(fake())
  )

  it.effect("asks a guest of the test's own first", () =>
    Effect.gen(function* () {
      yield* started("box")
      assert.strictEqual((yield* inBox(["greet", "you"], { env: ["FROM=me"] })).stdout, "hello you from me")
      assert.strictEqual((yield* sh("greet all && true")).stdout, "hello all from ")
      assert.strictEqual((yield* inBox(["true"])).code, 9)
      assert.strictEqual((yield* inBox(["false"])).code, 1)
    }).pipe(
      fake({
        guest: FakeGuest.programs({
          greet: ({ env, words, write }) =>
            Effect.as(write("stdout", `hello ${words[1]} from ${env["FROM"] ?? ""}`), { code: 0 }),
          true: () => Effect.succeed({ code: 9 })
        })
      })
    )
  )
})

describe("a guest that is broken", () => {
  const broken = fake({ guest: FakeGuest.programs({ broken: () => Effect.dieMessage("the guest is broken") }) })

  it.effect("breaks its test, in every mode, and nothing else", () =>
    Effect.gen(function* () {
      yield* started("box")
      for (const flags of ["", "-i ", "--stream "]) {
        const exit = yield* Effect.exit(run(`machine exec --name box ${flags}-- broken`))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "the guest is broken")
      }
      assert.strictEqual((yield* run("machine exec --name box -- true")).code, 0)
    }).pipe(broken)
  )
})

describe("a witness in the standard guest", () => {
  const place = Witness.place()

  it.effect("writes down every code but 0, and gives it once", () =>
    Effect.gen(function* () {
      yield* started("box")
      for (const [words, code] of [
        [["true"], 0],
        [["sh", "-c", "exit 1"], 1],
        [["no-such-program"], 127],
        [["sh", "-c", "kill -9 $$"], 137]
      ] as const) {
        assert.strictEqual((yield* inBox(Witness.wrap(place, words))).code, code)
        assert.strictEqual((yield* inBox(Witness.read(place))).stdout, code === 0 ? "" : String(code))
        assert.strictEqual((yield* inBox(Witness.read(place))).stdout, "")
      }
    }).pipe(fake())
  )

  it.effect("stages input, and probes", () =>
    Effect.gen(function* () {
      yield* started("box")
      yield* inBox(Witness.stage(place, { isFirst: true }), { stdin: "one " })
      yield* inBox(Witness.stage(place, { isFirst: false }), { stdin: "two" })
      assert.strictEqual((yield* inBox(Witness.wrap(place, ["cat"], { isStaged: true }))).stdout, "one two")
      assert.strictEqual((yield* inBox(Witness.wrap(place, ["cat"], { isStaged: true }))).code, 2)
      yield* inBox(Witness.probe(place))
      assert.strictEqual((yield* inBox(Witness.read(place))).stdout, "1")
    }).pipe(fake())
  )

  it.effect("kills a command whose time is over, and says so", () =>
    Effect.gen(function* () {
      yield* started("box")
      const late = yield* Effect.fork(inBox(Witness.wrap(place, ["sleep", "60"], { timeoutMillis: 1500 })))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(late)).code, 124)
      assert.strictEqual((yield* inBox(Witness.read(place))).stdout, Witness.OVERDUE)
      yield* inBox(Witness.stage(place, { isFirst: true }), { stdin: "fed" })
      const options = { timeoutMillis: 1500, isStaged: true }
      assert.strictEqual((yield* inBox(Witness.wrap(place, ["cat"], options))).stdout, "fed")
      assert.strictEqual((yield* inBox(Witness.wrap(place, ["cat"], options))).code, 2)
      assert.strictEqual((yield* inBox(Witness.wrap(place, ["sh", "-c", "exit 5"], { timeoutMillis: 1500 }))).code, 5)
      assert.strictEqual((yield* inBox(Witness.read(place))).stdout, "5")
    }).pipe(fake())
  )

  it.effect("lets a command be reaped that its client has left behind", () =>
    Effect.gen(function* () {
      const { processes } = yield* FakeSmolvm.FakeSmolvm
      yield* started("box")
      const mark = `${Witness.MARK}=${Witness.markOf(place)}`
      const left = yield* Effect.fork(inBox(Witness.wrap(place, ["sleep", "infinity"]), { env: [mark] }))
      const other = yield* Effect.fork(inBox(["sleep", "infinity"]))
      const programs = Effect.map(processes("box"), (all) => all.map(({ words }) => words[0]).sort())
      yield* waitUntil(
        Effect.map(programs, ({ length }) => length === 3),
        { boundMillis: 10_000, everyMillis: 1, what: "three processes" }
      )
      yield* Fiber.interrupt(left)
      assert.deepStrictEqual(yield* programs, ["sh", "sleep", "sleep"])
      assert.strictEqual((yield* inBox(Reap.command({ place }))).stdout, "gone")
      assert.deepStrictEqual(yield* programs, ["sleep"])
      yield* Fiber.interrupt(other)
    }).pipe(fake())
  )
})

describe("files of a guest", () => {
  it.effect("are those of the machine, and of what is mounted", () =>
    Effect.gen(function* () {
      const { files } = yield* FakeSmolvm.FakeSmolvm
      yield* started("box", "-v", "/data:/rw", "-v", "/data:/ro:ro")
      assert.strictEqual((yield* sh("cat /ro/file /rw/file; echo new >/rw/new; echo own >/own")).stdout, "xx")
      assert.strictEqual(new TextDecoder().decode(files.get("/data/new")), "new\n")
      const refused = yield* sh("echo no >/ro/no")
      assert.strictEqual(refused.code, 2)
      assert.include(refused.stderr, "Read-only file system")
      assert.isFalse(files.has("/data/no"))
      assert.deepStrictEqual([...(yield* machine("box")).files.keys()], ["/own"])
      assert.strictEqual((yield* run("machine stop --name box")).code, 0)
    }).pipe(fake({ files: { "/data/file": "x" } }))
  )
})

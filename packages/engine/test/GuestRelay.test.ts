import * as Capture from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import * as GuestRelay from "../src/GuestRelay.js"
import { canUnshare, find } from "./fixtures/guests.js"

const BYTES = 300_000

// Sends all it has, ends its side, and only then reads the answer: a relay that drops half-open connections fails.
const CLIENT = `const net=require("net"),c=net.connect({port:+process.argv[1],host:"127.0.0.1",allowHalfOpen:true});
const h=require("crypto").createHash("sha256");c.on("data",d=>h.update(d)).on("end",()=>console.log(h.digest("hex")));
c.end(Buffer.alloc(${BYTES},120));c.on("error",e=>{console.log(e.code);process.exit(1)})`

const INSIDE = `ip link set lo up || exit 99
node=$1; client=$2; port=$3; path=$4; shift 4
relay=$(env -i PATH="$path" "$@"); code=$?
printf '%s\\n' "$relay"; [ "$node" = none ] || "$node" -e "$client" "$port"; exit $code`

/** Answers with all it got, once the other side has ended. */
const echoAtEnd = (path: string) =>
  Effect.acquireRelease(
    Effect.async<Net.Server>((resume) => {
      const server = Net.createServer({ allowHalfOpen: true }, (socket) => {
        const chunks: Array<Buffer> = []
        socket.on("data", (chunk) => chunks.push(chunk))
        socket.on("end", () => socket.end(Buffer.concat(chunks)))
        socket.on("error", () => socket.destroy())
      }).listen(path, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
  )

/** Runs the relay's command where only these programs are, then the client; what came of both. */
const inGuest = (directory: string, programs: ReadonlyArray<string>, client: "client" | "no client") =>
  Effect.gen(function* () {
    const bin = Path.join(directory, "bin")
    Fs.mkdirSync(bin, { recursive: true })
    for (const program of ["sh", "sleep", ...programs]) {
      const path = find(program)
      if (path !== undefined) Fs.symlinkSync(path, Path.join(bin, program))
    }
    const [, ...rest] = GuestRelay.commandFor({
      port: 3128,
      socket: Path.join(directory, "s.sock"),
      triesMax: client === "client" ? 500 : 3
    })
    const node = client === "client" ? process.execPath : "none"
    const captured = yield* Capture.capture(
      {
        program: "unshare",
        args: [
          ["-Urnpf", "--kill-child", "sh", "-c", INSIDE, "inside"],
          [node, CLIENT, "3128", bin, Path.join(bin, "sh"), ...rest]
        ].flat()
      },
      { timeoutMillis: 60_000 }
    )
    const [relay = "", answer = ""] = Capture.stdoutText(captured).split("\n")
    return { exitCode: captured.exit.code, relay, answer }
  })

const expected = createHash("sha256").update(Buffer.alloc(BYTES, 120)).digest("hex")

describe("GuestRelay", () => {
  for (const program of GuestRelay.PROGRAMS) {
    const isThere = find(program) !== undefined
    it.live.skipIf(!isThere || !canUnshare)(
      `carries a half-closed connection with ${program}${isThere ? "" : " (not installed)"}`,
      () =>
        Temp.withTempDir((directory) =>
          Effect.scoped(
            Effect.gen(function* () {
              yield* echoAtEnd(Path.join(directory, "s.sock"))
              const tried = yield* inGuest(directory, [program], "client")
              assert.deepStrictEqual(tried, { exitCode: 0, relay: program, answer: expected })
            })
          )
        ).pipe(Effect.provide(Executor.layer)),
      60_000
    )
  }

  it.effect("points every proxy variable at its port, and keeps the guest's own loopback out", () =>
    Effect.sync(() => {
      const environment = new Map(GuestRelay.environment)
      for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]) {
        assert.strictEqual(environment.get(name), `http://127.0.0.1:${GuestRelay.GUEST_PORT}`)
        assert.strictEqual(environment.get(name.toLowerCase()), environment.get(name))
      }
      for (const host of ["localhost", "127.0.0.1", "::1"]) {
        assert.include(environment.get("NO_PROXY")?.split(",") ?? [], host)
      }
      assert.strictEqual(environment.get("no_proxy"), environment.get("NO_PROXY"))
    })
  )
})

describe("GuestRelay, without what it needs", () => {
  it.live.skipIf(!canUnshare)("says that there is no socket, and then that there is no program", () =>
    Temp.withTempDir((directory) =>
      Effect.scoped(
        Effect.gen(function* () {
          const exitCode = Effect.map(inGuest(directory, [], "no client"), (tried) => tried.exitCode)
          assert.strictEqual(yield* exitCode, GuestRelay.ExitCode.noSocket)
          Fs.rmSync(Path.join(directory, "bin"), { recursive: true })
          yield* echoAtEnd(Path.join(directory, "s.sock"))
          assert.strictEqual(yield* exitCode, GuestRelay.ExitCode.noProgram)
        })
      )
    ).pipe(Effect.provide(Executor.layer))
  )

  it.live.skipIf(!canUnshare)("says that a program does not listen", () =>
    Temp.withTempDir((directory) =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* echoAtEnd(Path.join(directory, "s.sock"))
          Fs.mkdirSync(Path.join(directory, "bin"))
          Fs.writeFileSync(Path.join(directory, "bin", "socat"), "#!/bin/sh\nexit 1\n", { mode: 0o755 })
          const tried = yield* inGuest(directory, [], "no client")
          assert.strictEqual(tried.exitCode, GuestRelay.ExitCode.notListening)
        })
      )
    ).pipe(Effect.provide(Executor.layer))
  )
})

import * as Capture from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as EgressProof from "../src/EgressProof.js"
import { TOOLS, type Tool } from "../src/ProofRecord.js"
import { canUnshare, find } from "./fixtures/guests.js"

// What the guest finds on its loopback: a decoy of each protocol, a proxy that refuses, and a port that says nothing.
const SERVERS = `const net=require("net"),dgram=require("dgram");let left=5;const up=()=>{if(--left===0)console.log("up")};
const serve=(port,host,text)=>net.createServer({allowHalfOpen:true},c=>{c.on("error",()=>{});c.once("data",()=>text&&c.end(text))}).listen(port,host,up);
const http=(head,body)=>"HTTP/1.1 "+head+"\\r\\nConnection: close\\r\\nContent-Length: "+body.length+"\\r\\n\\r\\n"+body;
serve(1001,"127.0.0.1",http("200 OK","BANNER"));serve(1001,"::1",http("200 OK","BANNER"));
serve(1003,"127.0.0.1",http("403 Forbidden\\r\\nX-Bottle-Refused: no-rule","NO"));serve(1004,"127.0.0.1","");
const u=dgram.createSocket("udp4");u.on("message",(m,r)=>u.send("BANNER",r.port,r.address)).bind(1002,"127.0.0.1",up)`

const LINES = `1 tcp 127.0.0.1 1001 1000 bottle-proof-1
2 tcp ::1 1001 1000 bottle-proof-2
3 tcp 127.0.0.1 999 1000 bottle-proof-3
4 tcp 127.0.0.1 1003 5000 GET http://x.invalid/ HTTP/1.1\\r\\nHost: x.invalid\\r\\nConnection: close\\r\\n\\r\\n
5 tcp 127.0.0.1 1003 5000 CONNECT 127.0.0.1:1001 HTTP/1.1\\r\\nHost: 127.0.0.1:1001\\r\\nConnection: close\\r\\n\\r\\n
6 udp 127.0.0.1 1002 1000 bottle-proof-6
7 udp 127.0.0.1 999 1000 bottle-proof-7
8 self - 0 1000 TOKEN
9 tcp 203.0.113.1 80 1000 bottle-proof-9
10 tcp nobody.invalid 1001 1000 bottle-proof-10
11 tcp 127.0.0.1 1004 200 bottle-proof-11
12 tcp @gateway 1001 1000 bottle-proof-12
13 device - 0 0 -
end
this is not read
`

const INSIDE = `ip link set lo up || exit 99
node=$1; servers=$2; lines=$3; network=$4; path=$5; shift 5
sh -c "$network" || exit 98
mkfifo "$path/up"; "$node" -e "$servers" >"$path/up" & read -r up <"$path/up"
printf %s "$lines" | env -i PATH="$path" "$@"`

/** Runs the proof's command where only these programs are: the last word of each probe, and the exit code. */
const inGuest = (
  directory: string,
  programs: ReadonlyArray<readonly [name: string, path: string]>,
  { lines: asked = LINES, network = "" }: { readonly lines?: string; readonly network?: string } = {}
) =>
  Effect.gen(function* () {
    const bin = Path.join(directory, "bin")
    Fs.mkdirSync(bin)
    const sh = find("sh") ?? "/bin/sh"
    for (const [name, path] of [["sh", sh] as const, ...programs]) Fs.symlinkSync(path, Path.join(bin, name))
    const [, ...rest] = EgressProof.command
    const captured = yield* Capture.capture(
      {
        program: "unshare",
        args: [
          ["-Urnpf", "--kill-child", "sh", "-c", INSIDE, "inside"],
          [process.execPath, SERVERS, asked, network, bin, Path.join(bin, "sh"), ...rest]
        ].flat()
      },
      { timeoutMillis: 60_000 }
    )
    const lines = Capture.stdoutText(captured).split("\n")
    const words = new Map(
      lines.flatMap((line) => {
        const [, id, word] = /^([0-9/.]+) [0-9]+ ?(.*)$/.exec(line) ?? []
        return id === undefined || word === undefined ? [] : [[id, word.trim()] as const]
      })
    )
    return { exitCode: captured.exit.code, lines, words }
  })

/** What a program can do; the rest it says it cannot. */
const able: Readonly<Record<Tool, { readonly udp: boolean; readonly listen: boolean; readonly connect: boolean }>> = {
  perl: { udp: true, listen: true, connect: true },
  python3: { udp: true, listen: true, connect: true },
  node: { udp: true, listen: true, connect: true },
  socat: { udp: true, listen: true, connect: true },
  bash: { udp: true, listen: false, connect: true },
  nc: { udp: true, listen: true, connect: true },
  curl: { udp: false, listen: false, connect: true },
  wget: { udp: false, listen: false, connect: false }
}

const check = (tool: Tool, { exitCode, lines, words }: Effect.Effect.Success<ReturnType<typeof inGuest>>) => {
  const can = able[tool]
  const word = (id: number): string => words.get(String(id)) ?? "(nothing)"
  assert.strictEqual(exitCode, 0, lines.join("\n"))
  assert.include(lines, `tool ${tool}`)
  assert.strictEqual(lines.at(-2), "end")
  assert.match(word(1), /^open .*BANNER/)
  assert.match(word(2), /^open .*BANNER/)
  assert.match(word(3), /^no (refused|failed)$/)
  assert.match(word(4), /^open .*HTTP\/1\.1 403.*X-Bottle-Refused: no-rule/i)
  assert.match(word(5), can.connect ? /^open HTTP\/1\.1 403.*X-Bottle-Refused: no-rule/i : /^cannot$/)
  assert.match(word(6), can.udp ? /^data B/ : /^cannot$/)
  assert.match(word(7), can.udp ? /^(no refused|no failed|sent)$/ : /^cannot$/)
  assert.match(word(8), can.listen ? /^open .*TOKEN/ : /^cannot$/)
  assert.match(word(9), /^no (unreachable|failed)$/)
  assert.match(word(10), /^no (unresolved|failed)$/)
  // curl and wget do not say whether it was the connection or the answer that they did not get.
  assert.match(word(11), /^(open|no failed)$/)
  assert.strictEqual(word(12), "none")
  assert.strictEqual(word(13), "device")
  assert.strictEqual(words.size, 13)
}

describe("EgressProof, the guest's side", () => {
  for (const tool of TOOLS) {
    const path = find(tool)
    it.live.skipIf(path === undefined || !canUnshare)(
      `probes with ${tool} alone${path === undefined ? " (not installed)" : ""}`,
      () =>
        Temp.withTempDir((directory) =>
          Effect.map(inGuest(directory, [[tool, path ?? ""]]), (ran) => check(tool, ran))
        ).pipe(Effect.provide(Executor.layer)),
      60_000
    )
  }

  it.live.skipIf(!canUnshare)("says that there is no program", () =>
    Temp.withTempDir((directory) =>
      Effect.map(inGuest(directory, []), ({ exitCode, lines, words }) => {
        assert.strictEqual(exitCode, 65)
        assert.notInclude(lines, "end")
        assert.deepStrictEqual([...words.keys()], ["12", "13"])
      })
    ).pipe(Effect.provide(Executor.layer))
  )

  const next = find("python3")
  it.live.skipIf(next === undefined || !canUnshare)("goes on to the next program where one does not work", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        Fs.writeFileSync(Path.join(directory, "perl"), "#!/bin/sh\nexit 2\n", { mode: 0o755 })
        const ran = yield* inGuest(directory, [
          ["perl", Path.join(directory, "perl")],
          ["python3", next ?? ""]
        ])
        check("python3", ran)
      })
    ).pipe(Effect.provide(Executor.layer))
  )

  const perl = find("perl")
  it.live.skipIf(perl === undefined || !canUnshare)("asks its gateway for names too, beside the resolvers it has", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const { words } = yield* inGuest(directory, [["perl", perl ?? ""]], {
          lines: "1 udp @gateway 53 100 x\n2 udp @resolver 53 100 x\nend\n",
          network:
            "ip link add b0 type bridge && ip address add 203.0.113.2/24 dev b0 && ip link set b0 up && ip route add default via 203.0.113.9"
        })
        assert.match(words.get("1/203.0.113.9") ?? "", /^(sent|no unreachable)$/)
        assert.match(words.get("2/203.0.113.9") ?? "", /^(sent|no unreachable)$/)
        assert.isAbove(words.size, 2)
      })
    ).pipe(Effect.provide(Executor.layer))
  )
})

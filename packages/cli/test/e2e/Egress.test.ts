import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { inHome, listen, otherAddresses, users } from "./harness.js"

// bash alone: no guest needs a client program. Each probe prints its name and what came of it on one line.
const PROBES = `
show() { printf '%s=%s\\n' "$1" "$(tr -d '\\r' | tr '\\n' '~' | head -c 400)"; }
get() { { exec 3<>/dev/tcp/127.0.0.1/3128 && printf 'GET http://%s/ HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' "$2" "$2" >&3 && timeout 10 cat <&3; } 2>&1 | show "$1"; }
tunnel() { { exec 3<>/dev/tcp/127.0.0.1/3128 && printf 'CONNECT %s HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\nhello' "$2" "$2" >&3 && timeout 10 cat <&3; } 2>&1 | show "$1"; }
direct() { if timeout 5 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null; then echo "$1=connected"; else echo "$1=failed"; fi; }
udp() { if timeout 5 bash -c "echo x >/dev/udp/$2/$3" 2>/dev/null; then echo "$1=sent"; else echo "$1=failed"; fi; }
`

const results = (stdout: string): ReadonlyMap<string, string> =>
  new Map(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])
  )

const http = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`

describe.concurrent("egress", () => {
  for (const user of users) {
    it(`lets the listed host answer and nothing else, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const upstream = await listen("127.0.0.1", http("upstream-answers"))
        const others = [
          await listen("127.0.0.1", "x"),
          await listen("0.0.0.0", "x"),
          await listen("::1", "x").catch(() => undefined)
        ]
        const [loopback, everywhere] = others
        const [address = "192.0.2.1"] = otherAddresses()
        try {
          const name = `allowed.test:${upstream.port}`
          const script = [
            PROBES,
            `get allowed ${name}`,
            `tunnel tunnel ${name}`,
            "get unlisted refused.test",
            "get unlisted-again refused.test:80",
            `tunnel unlisted-tunnel refused.test:443`,
            "get other-port allowed.test:1",
            `get loopback 127.0.0.1:${loopback?.port}`,
            `get host-address ${address}:${everywhere?.port}`,
            "get metadata 169.254.169.254",
            "get private 10.0.0.1",
            `direct allowed-direct allowed.test ${upstream.port}`,
            `direct upstream-direct 127.0.0.1 ${upstream.port}`,
            `direct loopback-direct 127.0.0.1 ${loopback?.port}`,
            `direct host-direct ${address} ${everywhere?.port}`,
            `direct ipv6-direct ::1 ${others[2]?.port ?? everywhere?.port}`,
            "direct metadata-direct 169.254.169.254 80",
            "direct resolver-direct 8.8.8.8 53",
            "udp resolver-udp 8.8.8.8 53",
            `direct relay 127.0.0.1 3128`,
            `get still-allowed ${name}`
          ].join("\n")
          const { code, stderr, stdout } = await home.bottle(
            ...["run", "--allow", name, "--resolve", "allowed.test=127.0.0.1", "--report", "report.json"],
            ...["--", "bash", "-c", script]
          )
          assert.strictEqual(code, 0, stderr)
          const seen = results(stdout.toString())
          assert.strictEqual(seen.size, 20)

          // What is listed works, at the end as at the beginning,
          for (const probe of ["allowed", "tunnel", "still-allowed"]) {
            assert.include(seen.get(probe) ?? "", "upstream-answers", probe)
          }
          assert.strictEqual(seen.get("relay"), "connected")
          assert.strictEqual(upstream.connections(), 3)
          // and everything else is refused with a reason, or fails.
          for (const probe of [
            "unlisted",
            "unlisted-again",
            "unlisted-tunnel",
            "other-port",
            "loopback",
            "host-address",
            "metadata",
            "private"
          ]) {
            assert.match(seen.get(probe) ?? "", /^HTTP\/1\.1 403 .*~~.+/, probe)
          }
          assert.match(seen.get("unlisted") ?? "", /refused\.test/)
          for (const [probe, outcome] of seen) {
            if (probe.endsWith("-direct") || probe.endsWith("-udp")) assert.strictEqual(outcome, "failed", probe)
          }
          for (const listener of others) assert.strictEqual(listener?.connections() ?? 0, 0)

          // The user is told once for each host, with what to do.
          const told = stderr.split("\n").filter((line) => line.includes("refused refused.test"))
          assert.lengthOf(told, 1)
          assert.match(
            told[0] ?? "",
            /^bottle: refused refused\.test:80 \(no rule allows it\); allow it with --allow refused\.test$/
          )
          const report = JSON.parse(Fs.readFileSync(home.path("work/report.json"), "utf8"))
          assert.isAtLeast(
            report.denials.filter((denial: { host: string }) => denial.host === "refused.test").length,
            3
          )
          assert.deepStrictEqual(report.exit, { code: 0, origin: "guest", timedOut: false })
          assert.deepStrictEqual(report.releaseFailures, [])
        } finally {
          await Promise.all([upstream, ...others].map((listener) => listener?.close()))
        }
      }))

    it(`has no way out at all without a bundle, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const other = await listen("127.0.0.1", "x")
        try {
          const script = `${PROBES}\ndirect loopback 127.0.0.1 ${other.port}\ndirect relay 127.0.0.1 3128\necho "proxy=\${http_proxy-unset}"\necho works=yes`
          const { code, stdout } = await home.bottle("run", "-q", "--bundle", "none", "--", "bash", "-c", script)
          assert.strictEqual(code, 0)
          assert.strictEqual(stdout.toString(), "loopback=failed\nrelay=failed\nproxy=unset\nworks=yes\n")
          assert.strictEqual(other.connections(), 0)
        } finally {
          await other.close()
        }
      }))

    it(`refuses everything when nothing is allowed, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const { code, stderr, stdout } = await home.bottle(
          "run",
          "-q",
          "--",
          "bash",
          "-c",
          `${PROBES}\nget none example.com\ndirect relay 127.0.0.1 3128`
        )
        assert.strictEqual(code, 0)
        const seen = results(stdout.toString())
        assert.match(seen.get("none") ?? "", /^HTTP\/1\.1 403 /)
        assert.strictEqual(seen.get("relay"), "connected")
        assert.strictEqual(stderr, "")
      }))
  }
})

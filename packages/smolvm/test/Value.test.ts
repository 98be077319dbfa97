import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Value from "../src/Value.js"

/** The text of a value, or why there is none. */
const told = (schema: Schema.Schema.AnyNoContext, value: unknown): string =>
  Either.match(Schema.encodeUnknownEither(schema)(value), {
    onLeft: (error) => `refused: ${Value.problemOf(error)}`,
    onRight: String
  })

/** The value of a text, or why there is none. */
const read = (schema: Schema.Schema.AnyNoContext, text: string): unknown =>
  Either.match(Schema.decodeUnknownEither(schema)(text), {
    onLeft: (error) => `refused: ${Value.problemOf(error)}`,
    onRight: (value: unknown) => value
  })

const written: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext, value: unknown, text: string]> = [
  ["Text", Value.Text, "-x", "-x"],
  ["Reference", Value.Reference, "registry.example/a:1", "registry.example/a:1"],
  ["MachineName", Value.MachineName, "box", "box"],
  ["NamePrefix", Value.NamePrefix, "clone-", "clone-"],
  ["count", Value.count(0, 9), 9, "9"],
  ["Cpus", Value.Cpus, 255, "255"],
  ["MemMib", Value.MemMib, 64, "64"],
  ["Positive", Value.Positive, 4_294_967_295, "4294967295"],
  ["Whole", Value.Whole, 0, "0"],
  ["Size", Value.Size, 1, "1"],
  ["ByteCount", Value.ByteCount, 536_870_912, "536870912"],
  ["DurationMillis", Value.DurationMillis, 30_000, "30s"],
  ["DurationMillis", Value.DurationMillis, 1_500, "1500ms"],
  ["Cidr", Value.Cidr, "10.0.0.0/8", "10.0.0.0/8"],
  ["Cidr", Value.Cidr, "::1", "::1"],
  ["HostName", Value.HostName, "example.org", "example.org"],
  ["HostName", Value.HostName, "2001:db8::1", "2001:db8::1"],
  ["Ipv4", Value.Ipv4, "192.0.2.1", "192.0.2.1"],
  ["NetBackend", Value.NetBackend, "tsi", "tsi"],
  ["RestartPolicy", Value.RestartPolicy, "on-failure", "on-failure"],
  ["OciPlatform", Value.OciPlatform, "linux/arm/v7", "linux/arm/v7"],
  ["ProxyUrl", Value.ProxyUrl, "http://proxy.example:3128", "http://proxy.example:3128"],
  ["ProxyExceptions", Value.ProxyExceptions, ["a.example", "10.0.0.0/8"], "a.example,10.0.0.0/8"],
  ["SocksUrl", Value.SocksUrl, "socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"],
  ["HostPort", Value.HostPort, "[::1]:7000", "[::1]:7000"],
  ["Ports", Value.Ports, { host: 8080, guest: 80 }, "8080:80"],
  ["Volume", Value.Volume, { host: "/a", guest: "/b", readonly: true }, "/a:/b:ro"],
  ["AnyVolume", Value.AnyVolume, { host: "s3://bucket/key", guest: "/b", readonly: false }, "s3://bucket/key:/b"],
  ["AnyVolume", Value.AnyVolume, { host: "remote:path", guest: "/b", readonly: true }, "remote:path:/b:ro"],
  ["Mapping", Value.Mapping, { host: "/a", guest: "/b" }, "/a:/b"],
  ["SocketMapping", Value.SocketMapping, { host: "/a", guest: "/b" }, "/a:/b"],
  ["ExposedSocket", Value.ExposedSocket, { guest: "/a" }, "/a"],
  ["ExposedSocket", Value.ExposedSocket, { guest: "/a", host: "/b" }, "/a:/b"],
  ["VariableName", Value.VariableName, "A", "A"],
  ["Variable", Value.Variable, ["A", "b=c"], "A=b=c"],
  ["SecretEnv", Value.SecretEnv, { guest: "A", host: "B" }, "A=B"],
  ["SecretFile", Value.SecretFile, { guest: "A", path: "/b=c" }, "A=/b=c"],
  ["FileMode", Value.FileMode, 0o644, "0644"]
]

const refused: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext, value: unknown, problem: string]> = [
  ["Text", Value.Text, " ", "must not be empty"],
  ["Text", Value.Text, 7, "must be a text"],
  ["Reference", Value.Reference, "", "must not be empty"],
  ["Reference", Value.Reference, "-f", "must have no spaces and not begin with '-'"],
  ["MachineName", Value.MachineName, "a--b", "must not have '--' in it"],
  ["NamePrefix", Value.NamePrefix, "", "must not be empty"],
  ["NamePrefix", Value.NamePrefix, "-c", "must begin with a letter or digit"],
  ["count", Value.count(1, 9), 1.5, "must be a whole number from 1 to 9"],
  ["count", Value.count(1, 9), 10, "must be a whole number from 1 to 9"],
  ["count", Value.count(1, 9), "5", "must be a number"],
  ["Cpus", Value.Cpus, 0, "must be a whole number from 1 to 255"],
  ["MemMib", Value.MemMib, 63, "must be a whole number from 64 to 4294967295"],
  ["DurationMillis", Value.DurationMillis, 0, "must be more than 0 and at most 3153600000000 ms"],
  ["DurationMillis", Value.DurationMillis, Number.NaN, "must be more than 0 and at most 3153600000000 ms"],
  ["Cidr", Value.Cidr, "10.0.0.1/33", "must be an address or ADDRESS/PREFIX"],
  ["HostName", Value.HostName, "host:80", "must be a host name or an address"],
  ["HostName", Value.HostName, "fe80::1%eth0", "must be a host name or an address"],
  ["Ipv4", Value.Ipv4, "::1", "must be an IPv4 address"],
  ["NetBackend", Value.NetBackend, "bridge", "must be one of tsi, virtio-net"],
  ["RestartPolicy", Value.RestartPolicy, "no", "must be one of never, always, on-failure, unless-stopped"],
  ["OciPlatform", Value.OciPlatform, "amd64", "must be OS/ARCH, such as linux/amd64"],
  ["ProxyUrl", Value.ProxyUrl, "a:b", "must be a URL such as http://proxy.example:3128"],
  ["ProxyUrl", Value.ProxyUrl, "proxy", "must be a URL such as http://proxy.example:3128"],
  [
    "ProxyUrl",
    Value.ProxyUrl,
    "http://user:password@proxy.example",
    "must have no user and password in it: put such a URL into HTTPS_PROXY of smolvm's own environment"
  ],
  ["ProxyExceptions", Value.ProxyExceptions, ["a,b"], "must be hosts, at least one, without commas and spaces"],
  ["ProxyExceptions", Value.ProxyExceptions, [], "must be hosts, at least one, without commas and spaces"],
  ["SocksUrl", Value.SocksUrl, "socks5://127.0.0.1:0", "must be socks5://HOST:PORT"],
  ["SocksUrl", Value.SocksUrl, "socks5://a:b@127.0.0.1:1", "must be socks5://HOST:PORT"],
  ["HostPort", Value.HostPort, "127.0.0.1", "must be HOST:PORT"],
  ["Ports", Value.Ports, { host: 0, guest: 80 }, "needs ports that are whole numbers from 1 to 65535"],
  ["Ports", Value.Ports, { host: 80, guest: 65_536 }, "needs ports that are whole numbers from 1 to 65535"],
  ["Volume", Value.Volume, { host: "a", guest: "/b", readonly: false }, "needs absolute paths on both sides"],
  ["Volume", Value.Volume, { host: "s3://b/k", guest: "/b", readonly: false }, "needs absolute paths on both sides"],
  ["Volume", Value.Volume, { host: "/a", guest: "/b", readonly: 1 }, "must say readonly"],
  ["AnyVolume", Value.AnyVolume, { host: "s3://b", guest: "b", readonly: false }, "needs absolute paths on both sides"],
  ["AnyVolume", Value.AnyVolume, { host: "/a:b", guest: "/b", readonly: false }, "cannot take a path with ':' in it"],
  ["Mapping", Value.Mapping, { host: "/a", guest: "/b:c" }, "cannot take a path with ':' in it"],
  [
    "SocketMapping",
    Value.SocketMapping,
    { host: "/a", guest: "/b|c" },
    "cannot take a guest path with ';' or '|' in it"
  ],
  ["ExposedSocket", Value.ExposedSocket, { guest: "/a;b" }, "cannot take a guest path with ';' or '|' in it"],
  ["ExposedSocket", Value.ExposedSocket, { guest: "/a", host: "b" }, "needs absolute paths on both sides"],
  ["VariableName", Value.VariableName, "A=B", "has a name with '=' in it"],
  ["Variable", Value.Variable, ["", "v"], "needs a name"],
  ["Variable", Value.Variable, ["-A", "v"], "has a name that begins with '-'"],
  ["SecretEnv", Value.SecretEnv, { guest: "A", host: "" }, "needs a name"],
  ["SecretFile", Value.SecretFile, { guest: "A", path: "b" }, "needs the absolute path of a file"],
  ["FileMode", Value.FileMode, 0o10000, "must be a mode from 0 to 0o7777"]
]

describe("a value", () => {
  for (const [name, schema, value, text] of written) {
    it(`${name} is written ${text} and read back`, () => {
      assert.strictEqual(told(schema, value), text)
      assert.deepStrictEqual(read(schema, text), value)
    })
  }

  for (const [name, schema, value, problem] of refused) {
    it(`${name} is refused: ${problem}`, () => {
      assert.strictEqual(told(schema, value), `refused: ${problem}`)
    })
  }

  it("is told wrong without being shown", () => {
    const secret = "hunter2-secret"
    assert.strictEqual(told(Value.Ports, secret), "refused: must be of the type that its documentation names")
    const schemas = [...written, ...refused].map(([, schema]) => schema)
    for (const schema of schemas) {
      for (const given of [{ secret }, [secret, secret, secret], [{ secret }], null, Symbol(secret)]) {
        const text = told(schema, given)
        if (text.startsWith("refused: ")) assert.notInclude(text, secret)
      }
    }
  })

  it("is read from other texts that smolvm takes for it", () => {
    assert.deepStrictEqual(read(Value.Ports, "80"), { host: 80, guest: 80 })
    assert.deepStrictEqual(read(Value.Volume, "/a:/b:rw"), { host: "/a", guest: "/b", readonly: false })
    assert.strictEqual(read(Value.DurationMillis, "1m 30s"), 90_000)
    assert.strictEqual(read(Value.FileMode, "7777"), 0o7777)
    assert.strictEqual(read(Value.Ports, "80:"), "refused: must be HOST:GUEST")
    assert.strictEqual(read(Value.DurationMillis, "30"), "refused: must be a duration with a unit")
    assert.strictEqual(read(Value.Cpus, "4x"), "refused: must be a whole number")
    assert.strictEqual(read(Value.FileMode, "8"), "refused: must be octal digits")
    assert.strictEqual(read(Value.Variable, "A"), "refused: must be NAME=VALUE")
    assert.strictEqual(read(Value.SecretEnv, "A"), "refused: must be GUEST=HOST")
    assert.strictEqual(read(Value.SecretFile, "A"), "refused: must be GUEST=/PATH")
    assert.strictEqual(read(Value.Volume, "/a"), "refused: must be HOST:GUEST, HOST:GUEST:ro or HOST:GUEST:rw")
    assert.strictEqual(read(Value.SocketMapping, "/a:/b:/c"), "refused: must be HOST:GUEST")
    assert.strictEqual(read(Value.Mapping, "/a"), "refused: must be HOST:GUEST")
    assert.strictEqual(read(Value.ExposedSocket, "/a:/b:/c"), "refused: must be GUEST or GUEST:HOST")
  })

  it("of a volume is remote for s3 and rclone only", () => {
    for (const host of ["s3://bucket", "s3://bucket/key", "remote:", "remote:a/b"])
      assert.isTrue(Value.isRemote({ host }))
    for (const host of ["/a", "a", "s3://", "s3://a:b", "http://a", ":a", "a:b:c"])
      assert.isFalse(Value.isRemote({ host }))
  })
})

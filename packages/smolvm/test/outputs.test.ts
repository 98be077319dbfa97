import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as EgressEvents from "../src/EgressEvents.js"
import * as Images from "../src/Images.js"
import { Machine } from "../src/Machine.js"
import * as MachineLs from "../src/MachineLs.js"
import * as MachineStatus from "../src/MachineStatus.js"
import * as PackManifest from "../src/PackManifest.js"

const decode = <A>(schema: Schema.Schema<A, string>, value: unknown) =>
  Schema.decodeEither(schema)(typeof value === "string" ? value : JSON.stringify(value))

const read = <A>(schema: Schema.Schema<A, string>, value: unknown): A => Either.getOrThrow(decode(schema, value))

const machine = {
  name: "box",
  state: "running",
  cpus: 2,
  memory_mib: 512,
  pid: 41,
  mounts: 1,
  ports: 2,
  created_at: 1_790_000_000,
  storage_gb: 20,
  overlay_gb: 10,
  image: "alpine",
  entrypoint: ["/bin/sh"],
  cmd: ["-c", "true"],
  ephemeral: false,
  gpu: true,
  gpu_vram_mib: 1024,
  restart_policy: "on-failure",
  restart_max_retries: 3,
  restart_count: 1,
  health_cmd: "true",
  health_interval_secs: 5,
  health_timeout_secs: 6,
  health_retries: 7,
  health_startup_grace_secs: 8,
  network: true,
  forkpoint_held: false,
  cuda: true,
  forkable: true,
  cuda_fork_pool_size: 4,
  cuda_vram_limit_mib: 2048,
  labels: { team: "a" }
}

describe("a machine", () => {
  it("is read with every field that any release has", () => {
    assert.deepStrictEqual(read(MachineStatus.Output, machine), {
      name: "box",
      state: "running",
      cpus: 2,
      memoryMib: 512,
      pid: 41,
      mountCount: 1,
      portCount: 2,
      createdAtSeconds: 1_790_000_000,
      storageGib: 20,
      overlayGib: 10,
      image: "alpine",
      entrypoint: ["/bin/sh"],
      command: ["-c", "true"],
      ephemeral: false,
      gpu: true,
      gpuVramMib: 1024,
      restartPolicy: "on-failure",
      restartRetriesMax: 3,
      restartCount: 1,
      healthCmd: "true",
      healthIntervalSeconds: 5,
      healthTimeoutSeconds: 6,
      healthRetries: 7,
      healthStartupGraceSeconds: 8,
      network: true,
      forkpointHeld: false,
      cuda: true,
      forkable: true,
      cudaForkPoolSize: 4,
      cudaVramLimitMib: 2048,
      labels: { team: "a" }
    })
  })

  it("has no field in the data of any line that is not read", () => {
    const file = new URL("../src/grammar/contract.json", import.meta.url)
    const { dialects } = JSON.parse(Fs.readFileSync(file, "utf8")) as {
      readonly dialects: Readonly<Record<string, { readonly json: Record<string, { readonly item?: object }> }>>
    }
    assert.strictEqual(Object.keys(dialects).length, 7)
    for (const { json } of Object.values(dialects)) {
      const item = json["machine ls --json"]?.item ?? {}
      assert.isAbove(Object.keys(item).length, 20)
      for (const field of Object.keys(item)) assert.property(machine, field)
    }
  })

  it("needs a name and a state only, and is `null` in the rest", () => {
    const read_ = read(MachineStatus.Output, { name: "box", state: "created" })
    const { labels, name, state, ...rest } = read_
    assert.deepStrictEqual([name, state, labels], ["box", "created", {}])
    assert.strictEqual(Object.keys(rest).length, 28)
    for (const value of Object.values(rest)) assert.isNull(value)
    const nulls = Object.fromEntries(Object.keys(machine).map((key) => [key, null]))
    assert.deepStrictEqual(read(MachineStatus.Output, { ...nulls, name: "box", state: "created" }), read_)
  })

  it("may have fields, states and policies that nobody knows", () => {
    const next = { ...machine, state: "hibernating", restart_policy: "sometimes", novelty: [{}] }
    const read_ = read(MachineStatus.Output, next)
    assert.strictEqual(read_.state, "hibernating")
    assert.strictEqual(read_.restartPolicy, "sometimes")
    assert.notProperty(read_, "novelty")
  })

  it("is not read from what has no name or state, or a number that is none", () => {
    assert.isTrue(Either.isRight(decode(MachineLs.Output, [machine])))
    assert.deepStrictEqual(read(MachineLs.Output, "[]\n"), [])
    const garbled = [
      { ...machine, name: undefined },
      { ...machine, state: 1 },
      { ...machine, cpus: "2" },
      { ...machine, network: "yes" },
      { ...machine, labels: { team: 1 } }
    ]
    for (const value of garbled) assert.isTrue(Either.isLeft(decode(MachineLs.Output, [value])), JSON.stringify(value))
    for (const text of ["", "{", "No machines", "{}", "null", "[null]"]) {
      assert.isTrue(Either.isLeft(decode(MachineLs.Output, text)), text)
    }
  })

  it("can be written down again", () => {
    const read_ = read(MachineStatus.Output, machine)
    assert.deepStrictEqual(Schema.encodeSync(Machine)(read_), machine)
  })
})

describe("the images of a machine", () => {
  const image = {
    reference: "alpine:3.20",
    digest: "sha256:0",
    size: 7,
    created: "2026-01-01T00:00:00Z",
    architecture: "arm64",
    os: "linux",
    layer_count: 1,
    layers: ["sha256:1"],
    entrypoint: [],
    cmd: ["/bin/sh"],
    env: ["PATH=/bin"],
    workdir: "/",
    user: ""
  }
  const storage = { total_bytes: 100, used_bytes: 7, layer_count: 1, image_count: 1 }

  it("are read with the storage that they are in", () => {
    assert.deepStrictEqual(read(Images.Output, { storage, images: [image] }), {
      storage: { totalBytes: 100, usedBytes: 7, layerCount: 1, imageCount: 1 },
      images: [
        {
          reference: "alpine:3.20",
          digest: "sha256:0",
          sizeBytes: 7,
          created: "2026-01-01T00:00:00Z",
          architecture: "arm64",
          os: "linux",
          layerCount: 1,
          layers: ["sha256:1"],
          entrypoint: [],
          command: ["/bin/sh"],
          env: ["PATH=/bin"],
          workdir: "/",
          user: ""
        }
      ]
    })
  })

  it("may lack fields, have new ones, and some of another type", () => {
    const odd = { reference: "a", size: "7 MB", created: 17, layers: [{ digest: "x" }], env: { A: "b" }, novelty: 1 }
    const { images, storage: none } = read(Images.Output, { images: [odd], novelty: 1 })
    assert.isNull(none)
    const [first] = images
    assert.strictEqual(first?.reference, "a")
    assert.strictEqual(first?.created, 17)
    assert.deepStrictEqual(first?.layers, [{ digest: "x" }])
    assert.isNull(first?.sizeBytes)
    assert.isNull(first?.env)
    assert.isNull(first?.digest)
    assert.deepStrictEqual(read(Images.Output, { storage: {}, images: [] }).storage, {
      totalBytes: null,
      usedBytes: null,
      layerCount: null,
      imageCount: null
    })
  })

  it("are read after what the boot of their machine says", () => {
    const json = JSON.stringify({ images: [{ reference: "a" }] }, null, 2)
    const { images } = read(Images.Output, `Running 1 init command(s)\n {x}\nStarted machine 'box'\n${json}\n`)
    assert.strictEqual(images[0]?.reference, "a")
    assert.isTrue(Either.isLeft(decode(Images.Output, `${json}\nand more\n`)))
  })

  it("are not read from what is no list of images", () => {
    for (const value of ["", "[]", "{}", { images: {} }, { images: ["alpine"] }, { storage: 1, images: [] }]) {
      assert.isTrue(Either.isLeft(decode(Images.Output, value)), JSON.stringify(value))
    }
  })
})

describe("egress events", () => {
  it("are read, an unknown time as none", () => {
    const events = [
      { timestamp: "2026-08-21T22:03:03Z", operation: "connect", dest: "10.0.0.1:443" },
      { timestamp: "", operation: "resolve", dest: "example.com" },
      { operation: "teleport", dest: "x", novelty: 1 },
      {}
    ]
    assert.deepStrictEqual(read(EgressEvents.Output, events), [
      { timestamp: "2026-08-21T22:03:03Z", operation: "connect", destination: "10.0.0.1:443" },
      { timestamp: null, operation: "resolve", destination: "example.com" },
      { timestamp: null, operation: "teleport", destination: "x" },
      { timestamp: null, operation: null, destination: null }
    ])
    assert.deepStrictEqual(read(EgressEvents.Output, "[]"), [])
  })

  it("are not read from what is no list of them", () => {
    for (const value of ["", "{}", "No events\n", [1], [{ operation: 1 }]]) {
      assert.isTrue(Either.isLeft(decode(EgressEvents.Output, value)), JSON.stringify(value))
    }
  })
})

describe("a pack's manifest", () => {
  const manifest = {
    mode: "container",
    image: "alpine:latest",
    digest: "sha256:0",
    platform: "linux/arm64",
    entrypoint: ["/bin/sh"],
    cmd: ["-l"],
    env: ["A=b"],
    workdir: "/w",
    cpus: 2,
    mem: 1024,
    network: true,
    layer_size: 99,
    layer_digest: "sha256:1"
  }

  it("is read, and kept as it was printed", () => {
    const printed = { ...manifest, assets: { layers: [] } }
    assert.deepStrictEqual(read(PackManifest.Output, printed), {
      layerSizeBytes: 99,
      layerDigest: "sha256:1",
      mode: "container",
      image: "alpine:latest",
      digest: "sha256:0",
      platform: "linux/arm64",
      entrypoint: ["/bin/sh"],
      command: ["-l"],
      env: ["A=b"],
      workdir: "/w",
      cpus: 2,
      memMib: 1024,
      network: true,
      raw: printed
    })
  })

  it("may lack anything, and have anything else", () => {
    const { raw, ...rest } = read(PackManifest.Output, { raw: 1, image: { name: "alpine" }, mode: 3 })
    assert.deepStrictEqual(raw, { raw: 1, image: { name: "alpine" }, mode: 3 })
    for (const value of Object.values(rest)) assert.isNull(value)
  })

  it("is not read from what is no object, or has a size that is none", () => {
    for (const value of ["", "[1", "null", '"x"', { layer_size: "big" }]) {
      assert.isTrue(Either.isLeft(decode(PackManifest.Output, value)), JSON.stringify(value))
    }
  })
})
